"""How far a grant could go: what the catalogue says of its purpose and its law, as dates and numbers.

Pure. Policies compare what is granted with these; nothing here decides.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from consent_service.grants.catalogue import Catalogue, LegalBasis
from consent_service.grants.duration import ANCHOR, Duration, DurationError, add, parse_duration
from consent_service.grants.model import Mode, Terms, Unit, most_in
from consent_service.registry import identifiers

DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of terms that were given at one moment; ``law`` where a law opens them.

    ``period_before`` and ``access_before`` are the first days too late. ``most_reads`` and
    ``reads`` are for the same calendar unit: what is allowed, and what the terms could come to;
    None is no limit.
    """

    data_sets: frozenset[str]
    legal_bases: frozenset[str]
    licence: str
    onward_sharing: bool
    period_before: dt.date
    access_before: dt.datetime
    retention_days: int
    most_reads: int | None
    reads: int | None
    law: LegalBasis | None


def bounds_of(terms: Terms, given_at: dt.datetime, catalogue: Catalogue) -> Bounds | None:
    """The bounds of these terms, or None where the catalogue does not know their purpose."""
    purpose = catalogue.purpose(terms.purpose)
    if purpose is None:
        return None
    law = catalogue.legal_basis(terms.legal_basis)
    limits = law.limits if law else purpose.limits
    often = limits.most_often
    first_too_late = add(given_at.astimezone(dt.UTC).date(), limits.longest_access) + DAY
    return Bounds(
        data_sets=purpose.limits.data_sets,
        legal_bases=purpose.legal_bases,
        licence=purpose.licence,
        onward_sharing=purpose.onward_sharing and law is None,
        period_before=add(terms.period.start, limits.longest_period),
        access_before=dt.datetime.combine(first_too_late, dt.time(), dt.UTC),
        retention_days=days(limits.longest_retention),
        most_reads=often.value if often else None,
        reads=_reads(terms, often.unit) if often else None,
        law=law,
    )


def retention_days(terms: Terms) -> int:
    """How long the party may keep what it reads, in days; what can't be read is for ever."""
    try:
        return days(parse_duration(terms.retention))
    except DurationError:
        return 2**31


def days(duration: Duration) -> int:
    """A duration in days, counted from :data:`ANCHOR`."""
    return (add(ANCHOR, duration) - ANCHOR).days


def confirm_by(
    terms: Terms, given_at: dt.datetime, data_set: str, catalogue: Catalogue
) -> dt.datetime | None:
    """Until when the owner's word opens this data set; None where it needs no fresh one.

    A law needs no confirmation.
    """
    found = catalogue.data_set(data_set)
    if found is None or found.confirmed_for is None or catalogue.legal_basis(terms.legal_basis):
        return None
    last = add(given_at.astimezone(dt.UTC).date(), found.confirmed_for) + DAY
    return dt.datetime.combine(last, dt.time(), dt.UTC)


def country(terms: Terms) -> str:
    """The owner's country (ISO 3166), or "" where no owner is named yet."""
    return identifiers.country_of(terms.owner) if terms.owner else ""


def _reads(terms: Terms, unit: Unit) -> int | None:
    access = terms.access
    if access.mode is Mode.ONCE:
        return 1
    return most_in(access.frequency, unit) if access.frequency else None
