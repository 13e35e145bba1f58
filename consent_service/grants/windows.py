"""In which window of time a grant's reads are counted, and under which name. Pure."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid5

from consent_service.grants.model import Grant, Mode, Unit

LAWS = UUID("6ba6d0a4-6a0e-5c1f-9a52-3f1f6a1c7e4d")
"""The namespace of the names under which reads by law are counted (RFC 9562 section 5.5)."""
SINCE_EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""The window of a once-only grant: all time."""


def window_start(unit: Unit, at: dt.datetime) -> dt.datetime:
    """The start of the calendar unit (UTC; weeks start on Monday, ISO 8601) that ``at`` falls in."""
    day = at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    if unit is Unit.HOUR:
        return day
    day = day.replace(hour=0)
    match unit:
        case Unit.DAY:
            return day
        case Unit.WEEK:
            return day - dt.timedelta(days=day.weekday())
        case Unit.MONTH:
            return day.replace(day=1)
        case _:
            return day.replace(month=1, day=1)


def counted_as(grant: Grant) -> str:
    """Under which name a grant's reads are counted: its own, or its law's.

    What a party invokes under one law is counted together, or it could begin anew by invoking it
    in other words; each grant of an owner's was the owner's own word.
    """
    if not grant.by_law:
        return grant.grant_id
    return str(uuid5(LAWS, f"{grant.owner} {grant.party} {grant.terms.legal_basis}"))


def window_of(grant: Grant, now: dt.datetime) -> dt.datetime | None:
    """The start of the window in which this grant's reads are counted; None where nobody counts.

    A once-only grant has all time as its window.
    """
    access = grant.terms.access
    if access.mode is Mode.ONCE:
        return SINCE_EVER
    return window_start(access.frequency.unit, now) if access.frequency else None


def window_end(grant: Grant, now: dt.datetime) -> dt.datetime | None:
    """When the window in which reads are counted is over; None where it never is."""
    frequency, start = grant.terms.access.frequency, window_of(grant, now)
    if frequency is None or start is None:
        return None
    hours = {Unit.HOUR: 1, Unit.DAY: 24, Unit.WEEK: 168}
    if frequency.unit in hours:
        return start + dt.timedelta(hours=hours[frequency.unit])
    if frequency.unit is Unit.MONTH:
        return (start + dt.timedelta(days=32)).replace(day=1)
    return start.replace(year=start.year + 1)
