"""The types of ``authorization_details`` that a policy set registers, as JSON Schemas (RFC 9396 section 10).

A type is a file ``types/<type>.schema.json`` of the policy directory: part of the set's digest,
published with it, and checked at the edge beside our own reading. So a set can narrow a type and
can't widen it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

SUFFIX = ".schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class DetailsType:
    """One type: its name, its schema, and the check that was made from it."""

    name: str
    schema: Mapping[str, Any]
    validator: jsonschema_rs.Validator

    def problem(self, document: object) -> str | None:
        """The first thing that the schema has against a document, as ``member: what is wrong``."""
        for error in self.validator.iter_errors(document):
            where = ".".join(str(part) for part in error.instance_path)
            return f"{where}: {error.message}" if where else error.message
        return None


def load(directory: Path) -> Mapping[str, DetailsType]:
    """Read every schema of a policy directory's ``types/``; none where there is no such folder.

    :raises ValueError: a file that is no schema, is named for another type, or looks elsewhere
    """
    found = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        name = path.name.removesuffix(SUFFIX)
        try:
            schema = json.loads(path.read_text("utf-8"))
            if not isinstance(schema, dict) or schema.get("$schema") != DIALECT:
                raise ValueError(f"$schema must be {DIALECT}")
            if schema.get("properties", {}).get("type") != {"const": name}:
                raise ValueError(f"its type must be the constant {name}")
            if any(not one.startswith("#") for one in _references(schema)):
                raise ValueError("a reference must stay within the file")
            found[name] = DetailsType(name, schema, jsonschema_rs.validator_for(schema))
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"types/{path.name}: {error}") from error
    return found


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, inner in node.items():
            if name in {"$ref", "$dynamicRef"}:
                yield str(inner)
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)
