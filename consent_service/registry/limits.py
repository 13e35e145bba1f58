"""How often something may be tried: counted in a table, so that all workers count together.

Windows are fixed: a rule of 20 a minute lets at most 40 pass in any 60
seconds, which is enough where the point is that guessing must not be cheap.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, String, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ServiceError, said
from consent_service.prepared import Prepared
from consent_service.registry.tokens import digest
from consent_service.stored import rows_changed

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class TriesRow(Base):
    """How often something was tried in one window; known by a hash, so that no address is stored."""

    __tablename__ = "tries"

    name_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    ends_at: Mapped[dt.datetime] = mapped_column(Instant, primary_key=True, index=True)
    count: Mapped[int] = mapped_column(Integer)


_TRIES = TriesRow.__table__
_COUNTED = Prepared(
    select(_TRIES.c.count).where(
        _TRIES.c.name_hash == bindparam("name"), _TRIES.c.ends_at == bindparam("end")
    )
)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries in a window of so long."""

    most: int
    window: dt.timedelta

    def end(self, now: dt.datetime) -> dt.datetime:
        """When the window of this moment is over."""
        return EPOCH + ((now - EPOCH) // self.window + 1) * self.window


class TooMany(ServiceError):
    """429: tried too often; ``retry_after`` in seconds (RFC 6585 section 4)."""

    def __init__(self, retry_after: int) -> None:
        sentence = said("Too many attempts: wait, then try again.")
        super().__init__("temporarily_unavailable", sentence, status=429)
        self.retry_after = retry_after


def check(session: Session, names: Sequence[str], limits: Sequence[Limit], now: dt.datetime) -> None:
    """Refuse whoever used up one of these limits; nothing is counted.

    :raises TooMany: 429
    """
    for name, limit in zip(names, limits, strict=True):
        end = limit.end(now)
        row = _COUNTED.first(session, {"name": digest(name), "end": end})
        if row is not None and row[0] >= limit.most:
            raise TooMany(max(1, int((end - now).total_seconds())))


def count(session: Session, name: str, limit: Limit, now: dt.datetime) -> None:
    """Count one try, in a transaction that is kept whatever becomes of the request."""
    key = {"name_hash": digest(name), "ends_at": limit.end(now)}
    more = (
        update(TriesRow)
        .where(TriesRow.name_hash == key["name_hash"], TriesRow.ends_at == key["ends_at"])
        .values(count=TriesRow.count + 1)
        .execution_options(synchronize_session=False)
    )
    if rows_changed(session.execute(more)):
        return
    try:
        with session.begin_nested():
            session.add(TriesRow(**key, count=1))
    except IntegrityError:  # somebody else began this window at the same moment
        session.execute(more)


def network(address: str | None) -> str:
    """An address as it is counted: one of IPv6 by its /64, which is what one subscriber has."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
