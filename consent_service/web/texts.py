"""Every sentence, date and number that a person reads goes through here, into the page's language."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import flask_babel
from flask import Flask

from consent_service.web.catalogues import catalogue
from consent_service.web.languages import ENGLISH

DAYS = {
    ENGLISH: "d MMMM y",
    "nb": "d. MMMM y",
    "sv": "d MMMM y",
    "da": "d. MMMM y",
    "fi": "d. MMMM y",
    "is": "d. MMMM y",
}
MOMENTS = {
    ENGLISH: "d MMMM y, HH:mm",
    "nb": "d. MMMM y 'kl.' HH:mm",
    "sv": "d MMMM y 'kl.' HH:mm",
    "da": "d. MMMM y 'kl.' HH.mm",
    "fi": "d. MMMM y 'klo' H.mm",
    "is": "d. MMMM y 'kl.' HH:mm",
}


def init_app(app: Flask) -> None:
    """Give the templates of ``app`` the same functions."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        gettext=gettext, ngettext=ngettext, pgettext=pgettext, newstyle=True
    )
    app.jinja_env.globals["ngettext"] = ngettext  # ours writes the number as the language does
    app.jinja_env.filters.update(date=format_date, datetime=format_datetime, number=format_number)


def language() -> str:
    """The language of this page, as the catalogue names it."""
    locale = flask_babel.get_locale()
    return str(locale.language) if locale else ENGLISH


def gettext(text: str, **values: Any) -> str:
    """``text`` in the page's language, with ``%(name)s`` filled in."""
    said = catalogue(language()).gettext(text) if text else ""
    return said % values if values else said


def pgettext(context: str, text: str) -> str:
    """``text`` where English has one word for what other languages call by several."""
    return catalogue(language()).pgettext(context, text)


def ngettext(one: str, many: str, number: int) -> str:
    """The form for this number, with ``%(num)d`` filled in, as the language writes numbers."""
    said = catalogue(language()).ngettext(one, many, number)
    return said.replace("%(num)d", format_number(number))


def format_number(number: int) -> str:
    """A number as people write it: 1,460 or 1 460."""
    return cast("str", flask_babel.format_decimal(number))


def format_date(day: dt.date) -> str:
    """A day as people write it: 12 March 2026."""
    return cast("str", flask_babel.format_date(day, DAYS[language()]))


def format_datetime(moment: dt.datetime) -> str:
    """A moment as people write it, in the page's time zone: 12 March 2026, 14:05."""
    return cast("str", flask_babel.format_datetime(moment, MOMENTS[language()]))


def day_of(moment: dt.datetime) -> dt.date:
    """The day of a moment where the page's people are."""
    return cast("dt.datetime", flask_babel.to_user_timezone(moment)).date()


def end_of(day: dt.date) -> dt.datetime:
    """The last second of a day where the page's people are."""
    last = dt.datetime.combine(day, dt.time(23, 59, 59))
    return cast("dt.datetime", flask_babel.to_utc(last)).replace(tzinfo=dt.UTC)
