"""Organisations whose standing is watched, because grants hang on it: owners, and parties.

Each is looked at every :data:`EVERY`, by whichever worker has its shard's turn, and whenever
something is agreed to. What was found last stays here, so that nothing that is decided later has to
ask a register.
"""

from __future__ import annotations

import datetime as dt
import zlib

from sqlalchemy import Index, SmallInteger, String, Text, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ServiceError, said
from consent_service.registry.extract import GONE, LegalStatus

EVERY = dt.timedelta(hours=12)
"""How often an organisation is looked at by itself."""
AGAIN = dt.timedelta(minutes=15)
"""When it is looked at again after its register did not answer."""
SHARDS = 8
"""Parts of the list, each of which one worker looks after at a time."""


class WatchedRow(Base):
    """An organisation, how it stood when it was looked at last, and when it is looked at next.

    ``pending`` is set while what follows from a change is not done to its end.
    """

    __tablename__ = "watched_organisation"

    organisation: Mapped[str] = mapped_column(String(64), primary_key=True)
    shard: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    checked_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    due_at: Mapped[dt.datetime] = mapped_column(Instant)
    pending: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index("ix_watched_organisation_due", "shard", "due_at"),)


def watch(session: Session, identifier: str, now: dt.datetime) -> None:
    """Watch an organisation from now on; watching it already changes nothing."""
    if session.get(WatchedRow, identifier) is not None:
        return
    try:
        with session.begin_nested():
            session.add(
                WatchedRow(
                    organisation=identifier,
                    shard=shard_of(identifier),
                    status=LegalStatus.REGISTERED,
                    source="",
                    due_at=now + EVERY,
                )
            )
    except IntegrityError:  # somebody else began at the same moment
        return


def shard_of(identifier: str) -> int:
    """Which part of the list an organisation is in."""
    return zlib.crc32(identifier.encode()) % SHARDS


def status_of(session: Session, identifier: str) -> LegalStatus:
    """How an organisation stood when it was looked at last; registered where it never was."""
    found = session.scalar(select(WatchedRow.status).where(WatchedRow.organisation == identifier))
    return LegalStatus(found) if found else LegalStatus.REGISTERED


def is_gone(session: Session, identifier: str) -> bool:
    """Whether an organisation was bankrupt, dissolved or merged when it was looked at last."""
    return status_of(session, identifier) in GONE


def check(session: Session, owner: str, party: str) -> None:
    """Nothing is agreed to by, or with, what is bankrupt or gone.

    :raises ServiceError: ``organisation_not_active``
    """
    if is_gone(session, owner):
        raise _not_active(
            said("This business is bankrupt or gone, as its register tells, so it agrees to nothing.")
        )
    if is_gone(session, party):
        raise _not_active(said("Who asks is bankrupt or gone, as its register tells, so nothing was shared."))


def _not_active(sentence: str) -> ServiceError:
    return ServiceError("organisation_not_active", sentence, status=409)


def due(session: Session, shard: int, now: dt.datetime, most: int) -> list[str]:
    """At most so many organisations of a shard that are to be looked at, longest due first."""
    query = (
        select(WatchedRow.organisation)
        .where(WatchedRow.shard == shard, WatchedRow.due_at <= now)
        .order_by(WatchedRow.due_at)
        .limit(most)
    )
    return list(session.scalars(query))


def learn(session: Session, identifier: str, status: LegalStatus, source: str, now: dt.datetime) -> bool:
    """Note how an organisation stands; True where that is another standing than before, or unfinished.

    The caller then does what follows, and calls :func:`done`; until then it is due at once.
    """
    watch(session, identifier, now)
    row = session.get_one(WatchedRow, identifier, populate_existing=True)
    # A bankruptcy that becomes a deletion changes nothing for what hangs on it, and is told all the same.
    changed = row.status != status
    row.checked_at, row.due_at = now, now + EVERY
    if changed:
        row.status, row.source, row.changed_at, row.pending = status, source, now, True
        row.due_at = now
    session.flush()
    return changed or row.pending


def done(session: Session, identifier: str, now: dt.datetime) -> None:
    """Note that all that follows from how an organisation stands is done."""
    session.execute(
        update(WatchedRow)
        .where(WatchedRow.organisation == identifier)
        .values(pending=False, due_at=now + EVERY)
    )


def later(session: Session, identifier: str, now: dt.datetime) -> None:
    """Look again soon: the register did not answer, or knew nothing of it."""
    session.execute(
        update(WatchedRow).where(WatchedRow.organisation == identifier).values(due_at=now + AGAIN)
    )
