"""The published catalogue: why data may be asked for, and which data there is.

Versioned files in the policy directory, which people can read and review; a policy
directory without them has an empty catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import yaml

from consent_service.grants.duration import Duration, DurationError, parse_duration

FALLBACK = "en"
BASES = frozenset({"consent"})
Kind = Literal["financial"]
PersonalData = Literal["none", "possible"]


class CatalogueError(Exception):
    """A catalogue file that can't be used; the message names file and member."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A short text in several languages (ISO 639-1); English is always there."""

    by_language: Mapping[str, str]

    def __call__(self, language: str = FALLBACK) -> str:
        return self.by_language.get(language) or self.by_language[FALLBACK]


@dataclass(frozen=True, slots=True)
class DataSet:
    """What may be read, and whether it can say something about a person."""

    id: str
    name: Texts
    description: Texts
    kind: Kind
    personal_data: PersonalData


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why it may be read, with the most that may be asked for it. ``dpv`` is the W3C DPV term."""

    id: str
    name: Texts
    description: Texts
    dpv: str
    legal_bases: frozenset[str]
    data_sets: frozenset[str]
    longest_period: Duration
    longest_access: Duration
    longest_retention: Duration


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Purposes and data sets by id."""

    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    data_sets: Mapping[str, DataSet] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path) -> Catalogue:
        """Read ``purposes.yaml`` and ``datasets.yaml``; a missing directory is an empty catalogue.

        :raises CatalogueError: YAML that does not parse, a member missing or wrong, or a
            purpose that names a data set which is not there
        """
        if not directory.is_dir():
            return cls()
        data_sets = {
            name: _data_set(name, entry) for name, entry in _read(directory / "datasets.yaml").items()
        }
        purposes = {name: _purpose(name, entry) for name, entry in _read(directory / "purposes.yaml").items()}
        for purpose in purposes.values():
            if unknown := purpose.data_sets - set(data_sets):
                raise CatalogueError(f"purposes.yaml: {purpose.id} names no data set: {min(unknown)}")
        return cls(MappingProxyType(purposes), MappingProxyType(data_sets))

    def purpose(self, purpose_id: str) -> Purpose | None:
        return self.purposes.get(purpose_id)

    def data_set(self, data_set_id: str) -> DataSet | None:
        return self.data_sets.get(data_set_id)


def _data_set(name: str, entry: Mapping[str, Any]) -> DataSet:
    where = f"datasets.yaml: {name}"
    texts = _texts(entry, "name", where), _texts(entry, "description", where)
    for member, known in (("kind", get_args(Kind)), ("personal_data", get_args(PersonalData))):
        if entry.get(member) not in known:
            raise CatalogueError(f"{where}: {member} must be one of {', '.join(known)}")
    return DataSet(name, *texts, kind=entry["kind"], personal_data=entry["personal_data"])


def _purpose(name: str, entry: Mapping[str, Any]) -> Purpose:
    where = f"purposes.yaml: {name}"
    try:
        purpose = Purpose(
            id=name,
            name=_texts(entry, "name", where),
            description=_texts(entry, "description", where),
            dpv=str(entry["dpv"]),
            legal_bases=frozenset(entry["legal_bases"]),
            data_sets=frozenset(entry["data_sets"]),
            longest_period=parse_duration(entry["longest_period"]),
            longest_access=parse_duration(entry["longest_access"]),
            longest_retention=parse_duration(entry["longest_retention"]),
        )
    except KeyError as error:
        raise CatalogueError(f"{where}: {error.args[0]} is missing") from error
    except (TypeError, DurationError) as error:
        raise CatalogueError(f"{where}: {error}") from error
    if not purpose.legal_bases <= BASES:
        raise CatalogueError(f"{where}: legal_bases knows only {sorted(BASES)}")
    return purpose


def _texts(entry: object, member: str, where: str) -> Texts:
    texts = entry.get(member) if isinstance(entry, Mapping) else None
    if not isinstance(texts, Mapping) or FALLBACK not in texts:
        raise CatalogueError(f"{where}: {member} needs a text in {FALLBACK}")
    return Texts({str(language): " ".join(str(text).split()) for language, text in texts.items()})


class _EachOnce(yaml.SafeLoader):
    """YAML in which no key stands twice: the later would silently win, and widen a purpose unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _value in node.value]
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.load(path.read_text("utf-8"), _EachOnce)  # noqa: S506  (a SafeLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CatalogueError(f"{path.name} can't be read: {error}") from error
    if not isinstance(document, Mapping):
        raise CatalogueError(f"{path.name} must be a mapping of ids")
    return document
