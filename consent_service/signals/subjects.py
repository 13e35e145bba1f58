"""Subject identifiers: which are well formed (RFC 9493), and which are the same (SSF section 8.1.3.1).

Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from consent_service.errors import ServiceError
from consent_service.signals.model import Subject

MEMBERS: dict[str, tuple[str, ...]] = {
    "account": ("uri",),
    "email": ("email",),
    "iss_sub": ("iss", "sub"),
    "opaque": ("id",),
    "phone_number": ("phone_number",),
    "did": ("url",),
    "uri": ("uri",),
    "jwt_id": ("iss", "jti"),
    "saml_assertion_id": ("issuer", "assertion_id"),
}
"""The members of each format: RFC 9493 section 3.2, SSF section 3.5."""
COMPLEX = "complex"
LONGEST_VALUE = 1000
MOST_MEMBERS = 10  # of a complex subject


def checked(subject: object) -> Subject:
    """A subject as a receiver gave it, with the members of its format and no others.

    :raises ServiceError: ``invalid_request``: it is none
    """
    if not isinstance(subject, Mapping):
        raise _wrong("subject must be an object with a format")
    if subject.get("format") == COMPLEX:
        parts = {name: value for name, value in subject.items() if name != "format"}
        if not 0 < len(parts) <= MOST_MEMBERS or not all(isinstance(name, str) for name in parts):
            raise _wrong(f"a complex subject has 1 to {MOST_MEMBERS} members")
        return {"format": COMPLEX, **{name: _simple(value) for name, value in parts.items()}}
    return _simple(subject)


def same(removed: Subject, event: Subject) -> bool:
    """Whether an event's subject is one that a receiver removed.

    Simple subjects are the same when they are identical. A complex one is meant when it has every
    member of the removed one, identical; and a person is meant by whatever speaks of a session of
    theirs. A member that the event lacks does not match: what is not surely meant is still sent.
    """
    if removed.get("format") == COMPLEX:
        return event.get("format") == COMPLEX and all(
            event.get(name) == value for name, value in removed.items()
        )
    return removed in (event, event.get("user") if event.get("format") == COMPLEX else None)


def digest(subject: Subject) -> str:
    """A subject's name in a table: the same for the same members in any order."""
    return hashlib.sha256(orjson.dumps(dict(subject), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _simple(subject: Any) -> dict[str, str]:
    if not isinstance(subject, Mapping):
        raise _wrong("each member of a subject must be a subject identifier")
    kind = subject.get("format")
    members = MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None:
        raise _wrong(f"the format of a subject is one of {', '.join(MEMBERS)}, {COMPLEX}")
    for name in members:
        value = subject.get(name)
        if not isinstance(value, str) or not value or len(value) > LONGEST_VALUE or "\x00" in value:
            raise _wrong(f"a subject of the format {kind} has a text as {name}")
    return {"format": str(kind), **{name: subject[name] for name in members}}


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_request", sentence)
