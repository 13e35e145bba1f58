"""ISO 8601 durations of whole years, months, weeks or days: how long data is kept, how long access lasts."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

PATTERN = re.compile(r"P(?=\d)(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?", re.ASCII)
ANCHOR = dt.date(2000, 1, 1)
"""Durations are compared by where they lead from here, so that P12M is P1Y and P1M is 31 days."""


class DurationError(ValueError):
    """Not a duration that we take."""


@dataclass(frozen=True, slots=True)
class Duration:
    """So many calendar months and so many days."""

    months: int
    days: int


def parse_duration(text: str) -> Duration:
    """Read ``P90D``, ``P1Y6M``, ``P2W``.

    :raises DurationError: anything else, times of day included
    """
    match = PATTERN.fullmatch(text)
    if match is None:
        raise DurationError(f"{text[:40]!r} is not an ISO 8601 duration of days, weeks, months or years")
    years, months, weeks, days = (int(part or 0) for part in match.groups())
    return Duration(years * 12 + months, weeks * 7 + days)


@lru_cache(maxsize=4096)  # days and durations come again and again, and every grant that is read needs five
def add(day: dt.date, duration: Duration) -> dt.date:
    """The day that lies so far after ``day``; the 31st becomes the month's last day where there is none."""
    year, month = divmod(day.year * 12 + day.month - 1 + duration.months, 12)
    if year > dt.MAXYEAR - 60:
        return dt.date.max
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(day.day, last)) + dt.timedelta(days=duration.days)


def longer(one: Duration, other: Duration) -> bool:
    """Whether ``one`` leads further than ``other``, counted from :data:`ANCHOR`."""
    return add(ANCHOR, one) > add(ANCHOR, other)


def outlasts(one: str, other: str) -> bool:
    """Whether data kept for ``one`` is kept longer than for ``other``; what can't be read is for ever."""
    if one == other:
        return False
    try:
        kept = parse_duration(one)
    except DurationError:
        return True
    try:
        return longer(kept, parse_duration(other))
    except DurationError:
        return False
