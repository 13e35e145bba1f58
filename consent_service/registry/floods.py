"""How many requests one client, and one address, may send in a minute, whichever worker they reach.

Every request is counted, so counting must cost next to nothing. A worker counts in memory, and adds
what it counted to the table that all share (:class:`~consent_service.registry.limits.TriesRow`) at
each fiftieth of the limit; what it reads back then is everybody's count. So a limit holds within a
fiftieth for each worker, and who stays far below it never makes a worker write.

Not counted: decisions and introspection, on the path of every data request, whose callers are known,
and whose failures to authenticate are counted one by one; and the public log and status lists.
"""

from __future__ import annotations

import datetime as dt
import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from flask import request
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.db import writing
from consent_service.registry import limits
from consent_service.registry.limits import Limit, TooMany, TriesRow
from consent_service.registry.tokens import digest
from consent_service.web.current import current, now

WINDOW = dt.timedelta(minutes=1)
PARTS = 50
MOST_NAMES = 20_000  # that one worker counts at once
Writing = Callable[[], AbstractContextManager[Session]]
_network = functools.lru_cache(4096)(limits.network)


@dataclass(slots=True)
class _Count:
    """One name in one window: what the table said last, and what it was not told yet."""

    end: dt.datetime
    known: int = 0
    untold: int = 0


@dataclass(frozen=True, slots=True)
class Floods:
    """What one worker counts. A limit of 0 is none."""

    a_client: Limit
    an_address: Limit
    _counts: dict[str, _Count] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, settings: Settings) -> Floods:
        return cls(Limit(settings.limit_client, WINDOW), Limit(settings.limit_address, WINDOW))

    def take(self, name: str, limit: Limit, moment: dt.datetime, write: Writing) -> None:
        """Count one request under this name.

        1. Who is over the limit is refused, at no cost to the database.
        2. It is counted here, and every so often in the table.
        3. What the others counted may be too much, together with this.

        :param write: the transaction in which the table is told
        :raises TooMany: 429
        """
        if not limit.most:
            return
        with self._lock:
            count = self._of(name, limit, moment)
            if count.known + count.untold >= limit.most:
                raise _too_many(count, moment)
            count.untold += 1
            if count.untold < max(1, limit.most // PARTS):
                return
            told, count.untold = count.untold, 0
            count.known += told
        with write() as session:
            total = _add(session, name, count.end, told)
        with self._lock:
            count.known = max(count.known, total)
        if total > limit.most:
            raise _too_many(count, moment)

    def of_address(self, network: str, moment: dt.datetime, write: Writing) -> None:
        """Count one request for the address that it comes from.

        :raises TooMany: 429
        """
        self.take(f"flood {network}", self.an_address, moment, write)

    def of_client(self, client_id: str, moment: dt.datetime, write: Writing) -> None:
        """Count one request for the client that it proved to come from.

        :raises TooMany: 429
        """
        self.take(f"flood client {client_id}", self.a_client, moment, write)

    def _of(self, name: str, limit: Limit, moment: dt.datetime) -> _Count:
        count = self._counts.get(name)
        if count is None or count.end <= moment:
            if len(self._counts) >= MOST_NAMES:
                self._make_room(moment)
            count = self._counts[name] = _Count(limit.end(moment))
        return count

    def _make_room(self, moment: dt.datetime) -> None:
        """Forget windows that are over; where that is not enough, all: so many names are no single sender."""
        over = [name for name, count in self._counts.items() if count.end <= moment]
        for name in over:
            del self._counts[name]
        if len(self._counts) >= MOST_NAMES:
            self._counts.clear()


def from_here() -> None:
    """Count the present request for the address that it comes from.

    :raises TooMany: 429
    """
    current(Floods).of_address(_network(request.remote_addr), now(), writing)


def by_client(session: Session, client_id: str) -> None:
    """Count the present request for the client that it proved to come from.

    :raises TooMany: 429
    """
    current(Floods).of_client(client_id, now(), lambda: nullcontext(session))


def by_bearer(client_id: str) -> None:
    """The same for the client whose token is shown, before any transaction: a stolen token counts too.

    :raises TooMany: 429
    """
    current(Floods).of_client(client_id, now(), writing)


def _add(session: Session, name: str, end: dt.datetime, times: int) -> int:
    """Add to everybody's count, in one statement; returns what it is now."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"name_hash": digest(name), "ends_at": end, "count": times}
    adding = (
        insert(TriesRow)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[TriesRow.name_hash, TriesRow.ends_at], set_={"count": TriesRow.count + times}
        )
        .returning(TriesRow.count)
    )
    return session.scalars(adding, execution_options={"populate_existing": True}).one()


def _too_many(count: _Count, moment: dt.datetime) -> TooMany:
    return TooMany(max(1, int((count.end - moment).total_seconds())))
