"""Babel's functions with their types: every sentence a person reads goes through here."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import flask_babel


def gettext(text: str, **values: Any) -> str:
    """``text`` in the page's language, with ``%(name)s`` filled in."""
    return cast("str", flask_babel.gettext(text, **values))


def ngettext(one: str, many: str, number: int) -> str:
    """The form for this number, with ``%(num)d`` filled in."""
    return cast("str", flask_babel.ngettext(one, many, number))


def format_date(day: dt.date) -> str:
    """A day as people write it: 12 March 2026."""
    return cast("str", flask_babel.format_date(day, "d MMMM yyyy"))


def format_datetime(moment: dt.datetime) -> str:
    """A moment as people write it, in the page's time zone: 12 March 2026, 14:05."""
    return cast("str", flask_babel.format_datetime(moment, "d MMMM yyyy, HH:mm"))


def day_of(moment: dt.datetime) -> dt.date:
    """The day of a moment where the page's people are."""
    return cast("dt.datetime", flask_babel.to_user_timezone(moment)).date()


def end_of(day: dt.date) -> dt.datetime:
    """The last second of a day where the page's people are."""
    last = dt.datetime.combine(day, dt.time(23, 59, 59))
    return cast("dt.datetime", flask_babel.to_utc(last)).replace(tzinfo=dt.UTC)
