"""What an owner's form says of a party's terms: which of it they give, and what in it can't be meant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from consent_service.grants.model import Access, Period, Terms
from consent_service.web.current import now
from consent_service.web.texts import day_of, end_of, format_date, gettext

DATES = ("period_from", "period_to", "valid_until")


def sent(form: MultiDict[str, str]) -> dict[str, Any]:
    """A form's fields that were filled in; of the data sets, all that are ticked."""
    filled: dict[str, Any] = {name: value for name, value in form.items() if value}
    return filled | {"datatypes": form.getlist("datatypes")}


def unreadable(error: ValidationError) -> dict[str, str]:
    """A sentence for each field that is no date or no number."""
    wrong = error.messages_dict
    errors = {name: gettext("Enter a date.") for name in DATES if name in wrong}
    return errors | ({"frequency": gettext("Enter a number.")} if "frequency" in wrong else {})


def values(terms: Terms) -> dict[str, Any]:
    """The form filled in as these terms say."""
    return {
        "datatypes": list(terms.datatypes),
        "period_from": terms.period.start.isoformat(),
        "period_to": terms.period.end.isoformat(),
        "valid_until": day_of(terms.access.valid_until).isoformat(),
        "frequency": terms.access.frequency.value if terms.access.frequency else None,
        "owner": terms.owner,
    }


def narrowed(
    most: Terms, filled: Mapping[str, Any], present: Terms | None = None
) -> tuple[Terms, dict[str, str]]:
    """The terms that the owner gives, and a sentence for each field that can't be meant.

    :param most: the most that can be given; what the form leaves out is as it says
    :param present: what is given now, by default the most: a day left as it is keeps its moment
    """
    errors: dict[str, str] = {}
    chosen = tuple(name for name in most.datatypes if name in filled["datatypes"])
    if not chosen:
        errors["datatypes"] = gettext("Choose at least one data set.")
    period = _period(most.period, filled, errors)
    access = _access(most.access, (present or most).access.valid_until, filled, errors)
    return replace(most, datatypes=chosen, period=period, access=access), errors


def _period(most: Period, filled: Mapping[str, Any], errors: dict[str, str]) -> Period:
    start, end = filled["period_from"] or most.start, filled["period_to"] or most.end
    if not most.start <= start <= most.end:
        errors["period_from"] = gettext(
            "The period can start between %(first)s and %(last)s.",
            first=format_date(most.start),
            last=format_date(most.end),
        )
    if end > most.end or end < start:
        errors["period_to"] = gettext(
            "The period can end between its start and %(last)s.", last=format_date(most.end)
        )
    return Period(start, end)


def _access(most: Access, ends: dt.datetime, filled: Mapping[str, Any], errors: dict[str, str]) -> Access:
    last, until, often = filled["valid_until"], most.valid_until, most.frequency
    if last:
        until = ends if last == day_of(ends) else min(until, end_of(last))
        if last > day_of(most.valid_until) or until <= now():
            errors["valid_until"] = gettext(
                "Access can end between today and %(last)s.", last=format_date(most.valid_until)
            )
    if often and filled["frequency"] is not None:
        if not 1 <= filled["frequency"] <= often.value:
            errors["frequency"] = gettext("Choose a number from 1 to %(most)s.", most=often.value)
        often = replace(often, value=filled["frequency"])
    return replace(most, valid_until=until, frequency=often)
