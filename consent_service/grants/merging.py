"""Two terms put together, and what two terms have in common. Pure.

One ``business_data`` object says "each of these data sets, at each of these places, for this
period": a product. The union of two products is a product only where they differ in one part, or
where one holds the other; anything else would give more than both together, and is refused.
"""

from __future__ import annotations

from dataclasses import replace

from consent_service.grants.bounds import DAY
from consent_service.grants.duration import outlasts
from consent_service.grants.model import Access, Period, Terms

ALIKE = ("owner", "purpose", "actions", "legal_basis", "retention", "onward_sharing")
"""Members that must be the same in both: no union of them can be said in one object."""


class NoUnion(ValueError):
    """The two can't be said in one object; the message names the members."""


def merged(present: Terms, asked: Terms) -> Terms:
    """What both give together (Grant Management for OAuth 2.0, ``merge``), with the new message.

    1. Why, on which ground, how often and how long it is kept are the same.
    2. The periods touch: what lies between them was asked for by neither.
    3. They differ in one part only, or one of them holds the other in every part.

    :raises NoUnion: a step fails
    """
    unlike = [name for name in ALIKE if getattr(present, name) != getattr(asked, name)]
    if (present.access.mode, present.access.frequency) != (asked.access.mode, asked.access.frequency):
        unlike.append("access")
    if unlike:
        raise NoUnion(f"{', '.join(unlike)} must be as in the grant")
    old, new = present.period, asked.period
    if new.start > old.end + DAY or old.start > new.end + DAY:
        raise NoUnion("the periods must touch")
    union = replace(
        asked,
        datatypes=_all_of(present.datatypes, asked.datatypes),
        locations=_all_of(present.locations, asked.locations),
        period=Period(min(old.start, new.start), max(old.end, new.end)),
        access=replace(asked.access, valid_until=max(present.access.valid_until, asked.access.valid_until)),
    )
    grown = _parts_beyond(union, present), _parts_beyond(union, asked)
    if all(grown) and len(grown[0] | grown[1]) > 1:
        names = ", ".join(sorted(grown[0] | grown[1]))
        raise NoUnion(f"they differ in {names}: ask for all of it at once, or replace the grant")
    return union


def common(one: Terms, other: Terms) -> Terms | None:
    """What both give, in the order of ``one``; None where that is nothing, or can't be compared."""
    datatypes = _both(one.datatypes, other.datatypes)
    locations = _both(one.locations, other.locations)
    period = Period(max(one.period.start, other.period.start), min(one.period.end, other.period.end))
    access = _access(one.access, other.access)
    if (
        access is None
        or not datatypes
        or not locations
        or period.start > period.end
        or (one.owner, one.purpose, one.actions, one.legal_basis)
        != (other.owner, other.purpose, other.actions, other.legal_basis)
    ):
        return None
    return replace(
        one,
        datatypes=datatypes,
        locations=locations,
        period=period,
        access=access,
        retention=other.retention if outlasts(one.retention, other.retention) else one.retention,
        onward_sharing=_both(one.onward_sharing, other.onward_sharing),
    )


def _access(one: Access, other: Access) -> Access | None:
    """How often is counted in the first one's unit, so nothing smaller can be said of another unit."""
    if one.mode is not other.mode:
        return None
    frequency = one.frequency
    if frequency and other.frequency and frequency.unit is other.frequency.unit:
        frequency = replace(frequency, value=min(frequency.value, other.frequency.value))
    return Access(one.mode, min(one.valid_until, other.valid_until), frequency)


def _parts_beyond(union: Terms, part: Terms) -> set[str]:
    """In which parts the union goes beyond one of the two."""
    differing = {
        "datatypes": set(union.datatypes) != set(part.datatypes),
        "locations": set(union.locations) != set(part.locations),
        "period": union.period != part.period,
        "access.valid_until": union.access.valid_until != part.access.valid_until,
    }
    return {name for name, differs in differing.items() if differs}


def _all_of(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in one if name in other)
