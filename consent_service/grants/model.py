"""Terms, requests and grants as frozen data, and the one table of arrows between their states.

Pure: no Flask, no SQL, no clock. A grant is the fold of its ledger entries, so what
stands here is all that an entry's payload has to carry.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from consent_service.grants.duration import outlasts


class Mode(StrEnum):
    """How often a grant may be used (DESIGN section 5, ``access.mode``)."""

    ONCE = "once"
    RECURRING = "recurring"
    STANDING = "standing"


class Unit(StrEnum):
    """The calendar unit of a frequency; "45 a month" is not 1.5 a day."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


CONSENT = "consent"
"""The legal basis that is the owner's own word; every other is a law's, by its id in the catalogue."""


class Status(StrEnum):
    """Every state of a request and of the grant that answers it.

    The ledger holds these names: append only.
    """

    REQUESTED = "requested"
    OPEN = "open"
    ACTIVE = "active"
    DECLINED = "declined"
    LAPSED = "lapsed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    SUSPENDED = "suspended"
    NOTIFIED = "notified"
    ENDED = "ended"
    TERMINATED = "terminated"


ARROWS: dict[Status, frozenset[Status]] = {
    Status.REQUESTED: frozenset({Status.OPEN, Status.LAPSED}),
    Status.OPEN: frozenset({Status.ACTIVE, Status.DECLINED, Status.LAPSED}),
    Status.ACTIVE: frozenset(
        {
            Status.REVOKED,
            Status.EXPIRED,
            Status.EXHAUSTED,
            Status.SUSPENDED,
            Status.ENDED,
            Status.TERMINATED,
        }
    ),
    Status.SUSPENDED: frozenset(
        {Status.ACTIVE, Status.REVOKED, Status.EXPIRED, Status.ENDED, Status.TERMINATED}
    ),
    Status.NOTIFIED: frozenset({Status.ACTIVE, Status.ENDED}),
}
"""The life cycle of DESIGN section 5, as far as it is built. A state without a row is an end."""


class Action(StrEnum):
    """What a request is to do with a grant (Grant Management for OAuth 2.0, section 5.2).

    The tables hold these names: append only.
    """

    CREATE = "create"
    MERGE = "merge"
    REPLACE = "replace"


class DeclineReason(StrEnum):
    """Why an owner says no, for the party to hear; the ledger holds these names: append only."""

    NOT_NOW = "not_now"
    TOO_MUCH = "too_much"
    NOT_NEEDED = "not_needed"
    UNKNOWN_PARTY = "unknown_party"


DECLINED_FOR = {
    None: "The owner declined the request.",
    DeclineReason.NOT_NOW: "The owner declined the request: not now.",
    DeclineReason.TOO_MUCH: "The owner declined the request: it asks for too much.",
    DeclineReason.NOT_NEEDED: "The owner declined the request: it is not needed.",
    DeclineReason.UNKNOWN_PARTY: "The owner declined the request: they do not know who asks.",
}
"""What a party is told, in the field of the standards for it (``error_description``)."""


class InvalidTransition(Exception):
    """An arrow that the life cycle does not have; carries both ends."""

    def __init__(self, now: Status, then: Status) -> None:
        super().__init__(f"{now} does not lead to {then}")
        self.now, self.then = now, then


def check_transition(now: Status, then: Status) -> None:
    """Raise :class:`InvalidTransition` unless the life cycle has the arrow ``now -> then``."""
    if then not in ARROWS.get(now, frozenset()):
        raise InvalidTransition(now, then)


@dataclass(frozen=True, slots=True)
class Period:
    """Which time the data is about: two dates, both included."""

    start: dt.date
    end: dt.date

    def covers(self, other: Period) -> bool:
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Frequency:
    """At most ``value`` reads of each data set in one calendar ``unit`` (UTC)."""

    unit: Unit
    value: int


_ORDER = (Unit.HOUR, Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.YEAR)
_WINDOWS = {
    Unit.HOUR: (1, 24, 168, 744, 8784),
    Unit.DAY: (1, 1, 7, 31, 366),
    Unit.WEEK: (1, 1, 1, 6, 54),
    Unit.MONTH: (1, 1, 2, 1, 12),
    Unit.YEAR: (1, 1, 2, 1, 1),
}
"""How many calendar windows of a unit one window of each unit of ``_ORDER`` can touch."""


def most_in(frequency: Frequency, unit: Unit) -> int:
    """The most reads that a frequency can put into one calendar window of ``unit``.

    All of a month's reads can fall on one day; a week can touch two months, a month six weeks.
    """
    return frequency.value * _WINDOWS[frequency.unit][_ORDER.index(unit)]


@dataclass(frozen=True, slots=True)
class Access:
    """How often, and until when (timezone-aware)."""

    mode: Mode
    valid_until: dt.datetime
    frequency: Frequency | None = None

    def narrower_or_equal(self, asked: Access) -> bool:
        """In the same way, no longer, and no more often in the same calendar unit.

        Units are not compared with each other: reads are counted in the grant's own.
        """
        mine, theirs = self.frequency, asked.frequency
        return (
            self.mode is asked.mode
            and self.valid_until <= asked.valid_until
            and (mine is None) == (theirs is None)
            and (mine is None or theirs is None or (mine.unit is theirs.unit and mine.value <= theirs.value))
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What a party asks for and an owner answers: one ``business_data`` object (RFC 9396)."""

    owner: str | None
    purpose: str
    datatypes: tuple[str, ...]
    actions: tuple[str, ...]
    locations: tuple[str, ...]
    period: Period
    access: Access
    retention: str
    onward_sharing: tuple[str, ...]
    legal_basis: str
    message: tuple[tuple[str, str], ...] = ()

    def narrower_or_equal(self, asked: Terms) -> bool:
        """Whether these terms give nothing that ``asked`` did not ask for.

        The owner may choose the owner where it was left open. From the rest one may only take away;
        why, what is done with the data and on which ground must be as asked.
        """
        return (
            self.owner is not None
            and asked.owner in {None, self.owner}
            and (self.purpose, self.actions, self.legal_basis)
            == (asked.purpose, asked.actions, asked.legal_basis)
            and _some_of(self.datatypes, asked.datatypes)
            and _some_of(self.locations, asked.locations)
            and self.period.start <= self.period.end
            and asked.period.covers(self.period)
            and self.access.narrower_or_equal(asked.access)
            and not outlasts(self.retention, asked.retention)
            and set(self.onward_sharing) <= set(asked.onward_sharing)
            and self.message == asked.message
        )


def _some_of(few: tuple[str, ...], many: tuple[str, ...]) -> bool:
    return bool(few) and set(few) <= set(many)


@dataclass(frozen=True, slots=True)
class Request:
    """A party's ask, and where it stands; ``owner`` is whom it was put to, or who answered it."""

    request_id: str
    client_id: str
    party: str
    terms: Terms
    status: Status
    created_at: dt.datetime
    expires_at: dt.datetime
    owner: str | None = None
    grant_id: str | None = None
    answered_by: str | None = None
    action: Action = Action.CREATE
    amends: tuple[str, int] | None = None
    """The grant that it would change, and the version of it on which the terms were made."""
    declined_for: DeclineReason | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """One immutable version of a grant: the owner's answer to a request, or a law's.

    ``given_at`` is from when on the terms count: it stays as it is until they are agreed to anew.
    """

    grant_id: str
    version: int
    owner: str
    party: str
    client_id: str
    terms: Terms
    status: Status
    created_at: dt.datetime
    entry_id: str
    given_at: dt.datetime
    reason: str = ""

    @property
    def by_law(self) -> bool:
        """Whether a law opens it, and not the owner's word."""
        return self.terms.legal_basis != CONSENT

    def next(self, status: Status, *, at: dt.datetime, entry_id: str, reason: str = "") -> Grant:
        """The version after this one in another state; raises :class:`InvalidTransition`."""
        check_transition(self.status, status)
        return replace(
            self, version=self.version + 1, status=status, created_at=at, entry_id=entry_id, reason=reason
        )

    def amended(self, terms: Terms, *, at: dt.datetime, entry_id: str) -> Grant:
        """The version after this one with other terms, agreed to now.

        :raises InvalidTransition: only an active grant is changed
        """
        if self.status is not Status.ACTIVE:
            raise InvalidTransition(self.status, Status.ACTIVE)
        return replace(
            self,
            version=self.version + 1,
            terms=terms,
            created_at=at,
            entry_id=entry_id,
            given_at=at,
            reason="",
        )


def terms_to_json(terms: Terms) -> dict[str, Any]:
    """The ``authorization_details`` object of DESIGN section 5, member for member."""
    access: dict[str, Any] = {"mode": terms.access.mode.value}
    if terms.access.frequency:
        access["frequency"] = {
            "unit": terms.access.frequency.unit.value,
            "value": terms.access.frequency.value,
        }
    access["valid_until"] = terms.access.valid_until.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document: dict[str, Any] = {"type": "business_data"}
    if terms.owner:
        document["owner"] = {"authority": "iso6523-actorid-upis", "ID": terms.owner}
    document |= {
        "purpose": terms.purpose,
        "datatypes": list(terms.datatypes),
        "actions": list(terms.actions),
        "locations": list(terms.locations),
        "period": {"from": terms.period.start.isoformat(), "to": terms.period.end.isoformat()},
        "access": access,
        "retention": terms.retention,
        "onward_sharing": list(terms.onward_sharing),
        "legal_basis": terms.legal_basis,
    }
    if terms.message:
        document["message"] = dict(terms.message)
    return document


def terms_from_json(document: dict[str, Any]) -> Terms:
    """The inverse of :func:`terms_to_json`, for documents that were checked when they came in."""
    access, period = document["access"], document["period"]
    frequency = access.get("frequency")
    return Terms(
        owner=document["owner"]["ID"] if "owner" in document else None,
        purpose=document["purpose"],
        datatypes=tuple(document["datatypes"]),
        actions=tuple(document["actions"]),
        locations=tuple(document["locations"]),
        period=Period(dt.date.fromisoformat(period["from"]), dt.date.fromisoformat(period["to"])),
        access=Access(
            Mode(access["mode"]),
            dt.datetime.fromisoformat(access["valid_until"]),
            Frequency(Unit(frequency["unit"]), frequency["value"]) if frequency else None,
        ),
        retention=document["retention"],
        onward_sharing=tuple(document["onward_sharing"]),
        legal_basis=document["legal_basis"],
        message=tuple(document.get("message", {}).items()),
    )
