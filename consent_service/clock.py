"""Time as an argument: the only module that asks the machine what time it is."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Tells the time; tests give one that stands still."""

    def now(self) -> dt.datetime:
        """Return the present moment, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)


@lru_cache(maxsize=256)  # one moment is written several times: into an entry, its payload, an answer
def rfc3339(moment: dt.datetime) -> str:
    """Write ``moment`` as RFC 3339 in UTC with microseconds, so that text order is time order."""
    utc = moment if moment.tzinfo is dt.UTC else moment.astimezone(dt.UTC)
    return utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
