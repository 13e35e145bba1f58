"""JSON values as Cedar values, by the schema's types: undeclared members are dropped, wrong ones refused."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from consent_service.policy.declared import RECORD, Declared, Type

LONG = 2**63  # Cedar's Long has 64 bits
EXTENSIONS = frozenset({"datetime", "duration", "decimal", "ipaddr"})
FUNCTIONS = {"ipaddr": "ip"}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class WrongType(Exception):
    """A member that the schema wants otherwise; ``path`` names it."""

    def __init__(self, path: str, wanted: str) -> None:
        super().__init__(f"{path} must be {wanted}")
        self.path = path


def encode(value: object, wanted: Type, declared: Declared, path: str) -> Any:
    """Return ``value`` in Cedar's JSON format for values.

    :raises WrongType: it has another type, or a required member is missing
    """
    wanted = declared.resolve(wanted)
    match wanted.name:
        case "Bool" | "Boolean" if isinstance(value, bool):
            return value
        case "Long" if isinstance(value, int) and not isinstance(value, bool) and -LONG <= value < LONG:
            return value
        case "String" if isinstance(value, str) and _encodable(value):
            return value
        case "Set" if isinstance(value, list | tuple | set | frozenset) and wanted.element:
            return [encode(one, wanted.element, declared, path) for one in value]
        case "Record" if isinstance(value, Mapping):
            return record(value, wanted, declared, path)
        case name if name in EXTENSIONS and isinstance(value, str) and _encodable(value):
            if name == "datetime" and not _is_moment(value):
                raise WrongType(path, "a date (YYYY-MM-DD)")
            return {"__extn": {"fn": FUNCTIONS.get(name, name), "arg": value}}
        case name if name in declared.entities and isinstance(value, str) and _encodable(value):
            return {"__entity": {"type": name, "id": value}}
    raise WrongType(path, wanted.name)


def record(value: Mapping[str, Any], wanted: Type, declared: Declared, path: str) -> dict[str, Any]:
    """The declared members of a record; null counts as not there.

    :raises WrongType: a member has another type, or a required one is missing
    """
    shape = declared.resolve(wanted)
    if shape.name != RECORD:
        raise WrongType(path, shape.name)
    encoded: dict[str, Any] = {}
    for name, member in shape.members.items():
        here = f"{path}.{name}"
        if value.get(name) is not None:
            encoded[name] = encode(value[name], member.type, declared, here)
        elif member.required:
            raise WrongType(here, "given")
    return encoded


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _is_moment(text: str) -> bool:
    # A day, or a moment in UTC, as Cedar's datetime() reads them; the calendar is checked here
    # because Cedar would only say so in the middle of an evaluation.
    try:
        if DAY.fullmatch(text):
            dt.date.fromisoformat(text)
            return True
        dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)
    except ValueError:
        return False
    return len(text) == len("2026-01-01T00:00:00.000Z")
