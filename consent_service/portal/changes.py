"""What a change of a grant would mean, part by part: before, and after. What stays the same is not listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consent_service.db import reading
from consent_service.grants.model import Terms
from consent_service.portal import words
from consent_service.registry import parties
from consent_service.web.texts import format_date, gettext


def of(before: Terms, after: Terms) -> list[dict[str, Any]]:
    """Each part that differs, with ``before`` and ``after`` as texts; lists as ``added`` and ``removed``."""
    catalogue = words.catalogue()
    single: list[tuple[str, Callable[[Terms], str]]] = [
        (gettext("Why"), lambda terms: words.purpose(catalogue, terms.purpose)),
        (gettext("Data from"), _period),
        (gettext("May read until"), lambda terms: format_date(terms.access.valid_until)),
        (gettext("How often"), lambda terms: words.access(terms.access)),
        (gettext("Their copy"), lambda terms: words.retention(terms.retention)),
        (gettext("Passing on"), lambda terms: words.onward([_name(one) for one in terms.onward_sharing])),
    ]
    several: list[tuple[str, Callable[[Terms], list[str]]]] = [
        (gettext("Data sets"), lambda terms: [words.data_set(catalogue, one) for one in terms.datatypes]),
        (gettext("Read from"), _sources),
    ]
    found: list[dict[str, Any]] = []
    for label, listed in several:
        old, new = listed(before), listed(after)
        added = [one for one in new if one not in old]
        removed = [one for one in old if one not in new]
        if added or removed:
            found.append({"label": label, "added": added, "removed": removed})
    for label, said in single:
        was, becomes = said(before), said(after)
        if was != becomes:
            found.append({"label": label, "before": was, "after": becomes})
    return found


def _period(terms: Terms) -> str:
    return f"{format_date(terms.period.start)} – {format_date(terms.period.end)}"


def _sources(terms: Terms) -> list[str]:
    holders = parties.holders_of(reading(), terms.locations)
    return [words.source(one, holders.get(one)) for one in terms.locations]


def _name(identifier: str) -> str:
    found = parties.organisation(reading(), identifier)
    return found.name if found else identifier
