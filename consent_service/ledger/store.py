"""The ledger's tables and what is asked of them.

Who trusts which table for what: ``ledger_pending`` holds what is durable and not yet in the
tree; ``ledger_entry`` the sequenced entries, never changed; ``ledger_tile`` the tree's
hashes, which follow from the entries; ``ledger_payload`` what entries commit to, the only
one that may lose something (erasure); ``ledger_head`` one row, the tree's size and root and
the checkpoint that was signed over them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    bindparam,
    func,
    select,
    tuple_,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ServiceError, said
from consent_service.ledger.model import SALT_BYTES, Kind
from consent_service.ledger.tiles import ReadTile
from consent_service.prepared import Prepared

NO_OWNER = ""
HEAD = 1
Counted = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up by itself only for INTEGER


class HeadRow(Base):
    """One row: the tree's size and root, the last checkpoint, and the last one that is published.

    The two differ only while witnesses are being asked. ``halted`` says why the log takes
    no more entries.
    """

    __tablename__ = "ledger_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    checkpoint: Mapped[str | None] = mapped_column(Text)
    published: Mapped[str | None] = mapped_column(Text)
    halted: Mapped[str | None] = mapped_column(Text)


class PendingRow(Base):
    """An entry that is durable and waits for its place in the tree."""

    __tablename__ = "ledger_pending"

    arrival: Mapped[int] = mapped_column(Counted, primary_key=True)
    entry_id: Mapped[str] = mapped_column(String(36))
    body: Mapped[bytes] = mapped_column(LargeBinary)


class EntryRow(Base):
    """One leaf of the tree: its canonical bytes at its index."""

    __tablename__ = "ledger_entry"

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[str] = mapped_column(String(36), unique=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class TileRow(Base):
    """Up to 256 hashes of one level of the tree (C2SP tlog-tiles)."""

    __tablename__ = "ledger_tile"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class PayloadRow(Base):
    """What an entry commits to, keyed by owner; owner, kind and grant repeat what it states.

    Once erased, salt and body are gone, and ``erased_by`` names the entry that ordered it.
    """

    __tablename__ = "ledger_payload"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    time: Mapped[dt.datetime] = mapped_column(Instant, primary_key=True)
    entry_id: Mapped[str] = mapped_column(String(36), primary_key=True, index=True)
    kind: Mapped[str] = mapped_column(String(32))
    grant_id: Mapped[str | None] = mapped_column(String(36))
    salt: Mapped[bytes | None] = mapped_column(LargeBinary(SALT_BYTES))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    erased_by: Mapped[str | None] = mapped_column(String(36))

    __table_args__ = (Index("ix_ledger_payload_owner_grant_time", "owner", "grant_id", "time"),)


class Head(NamedTuple):
    """What :class:`HeadRow` says at one moment."""

    size: int
    root: bytes
    checkpoint: str | None
    published: str | None
    halted: str | None


_HEADS, _TILES = HeadRow.__table__, TileRow.__table__
_HEAD = Prepared(select(*(_HEADS.c[name] for name in Head._fields)).where(_HEADS.c.id == HEAD))
_TILE = Prepared(
    select(_TILES.c.hashes).where(
        _TILES.c.level == bindparam("level"), _TILES.c["index"] == bindparam("index")
    )
)


def head(session: Session) -> Head:
    """The head as it stands now.

    :raises RuntimeError: the tables were never made
    """
    row = _HEAD.first(session, {})
    if row is None:
        raise RuntimeError("the ledger has no head row: run `consent-service db upgrade`")
    return Head(*row)


def tile_reader(session: Session) -> ReadTile:
    """Reads tiles of this database."""

    def read(level: int, index: int) -> bytes:
        found = _TILE.first(session, {"level": level, "index": index})
        return bytes(found[0]) if found else b""

    return read


def entry(session: Session, entry_id: str) -> tuple[bytes, int | None] | None:
    """An entry's bytes and its index, None while it waits for one; None when there is no such entry."""
    for _ in range(2):  # between two looks it may have gone from the one table to the other
        row = session.execute(
            select(EntryRow.body, EntryRow.index).where(EntryRow.entry_id == entry_id)
        ).first()
        if row is not None:
            return row[0], row[1]
        waiting = session.scalar(select(PendingRow.body).where(PendingRow.entry_id == entry_id))
        if waiting is not None:
            return waiting, None
    return None


def payload(session: Session, entry_id: str) -> PayloadRow | None:
    """The payload of an entry; None when there is no such entry."""
    return session.scalar(select(PayloadRow).where(PayloadRow.entry_id == entry_id))


def bodies(session: Session, start: int, end: int) -> list[bytes]:
    """The entries' bytes from index ``start`` up to, not including, ``end``."""
    query = select(EntryRow.body).where(EntryRow.index >= start, EntryRow.index < end)
    return list(session.scalars(query.order_by(EntryRow.index)))


class EpochRow(Base):
    """How often who takes part, or what decides, has changed: a number to remember things under."""

    __tablename__ = "registry_epoch"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger)


_EPOCH = Prepared(select(EpochRow.__table__.c.epoch))


def epoch(session: Session) -> int:
    """The present epoch; under the registry's lock it stays until the transaction ends."""
    found = _EPOCH.first(session, {})
    return int(found[0]) if found else 0


def payloads_of(
    session: Session,
    owner: str,
    kinds: Sequence[Kind],
    *,
    grant_id: str | None = None,
    before: PayloadRow | None = None,
    limit: int = 50,
) -> list[PayloadRow]:
    """An owner's payloads of some kinds, newest first; ``before`` is the one to page on from."""
    query = select(PayloadRow).where(
        PayloadRow.owner == owner, PayloadRow.kind.in_([kind.value for kind in kinds])
    )
    if grant_id is not None:
        query = query.where(PayloadRow.grant_id == grant_id)
    if before is not None:
        place = tuple_(PayloadRow.time, PayloadRow.entry_id)
        query = query.where(place < tuple_(before.time, before.entry_id))
    query = query.order_by(PayloadRow.time.desc(), PayloadRow.entry_id.desc()).limit(limit)
    return list(session.scalars(query))


def count(session: Session, owner: str, kind: Kind, grant_id: str) -> int:
    """How many entries of one kind an owner's grant has."""
    query = select(func.count()).where(
        PayloadRow.owner == owner, PayloadRow.grant_id == grant_id, PayloadRow.kind == kind
    )
    return session.scalar(query) or 0


def last_published(session: Session, kind: Kind) -> bytes | None:
    """The payload of what was published last, of a kind such as ``policy.published``, or None."""
    found = payloads_of(session, NO_OWNER, [kind], limit=1)
    return found[0].body if found else None


def last_time(session: Session, kind: Kind) -> dt.datetime | None:
    """When what was published last was published, or None."""
    return session.scalar(
        select(func.max(PayloadRow.time)).where(PayloadRow.owner == NO_OWNER, PayloadRow.kind == kind.value)
    )


def last_digest(session: Session, kind: Kind) -> str | None:
    """The digest of what was published last, or None."""
    body = last_published(session, kind)
    digest = orjson.loads(body).get("digest") if body else None
    return str(digest) if digest else None


def told(session: Session) -> Iterator[tuple[int | None, bytes, str | None, bytes | None]]:
    """Index, entry, owner and payload of everything, in the tree's order, then what waits for its place."""
    sequenced = (
        select(EntryRow.index, EntryRow.body, PayloadRow.owner, PayloadRow.body)
        .outerjoin(PayloadRow, PayloadRow.entry_id == EntryRow.entry_id)
        .order_by(EntryRow.index)
        .execution_options(yield_per=1000)
    )
    for row in session.execute(sequenced):
        yield row[0], row[1], row[2], row[3]
    waiting = (
        select(PendingRow.body, PayloadRow.owner, PayloadRow.body)
        .outerjoin(PayloadRow, PayloadRow.entry_id == PendingRow.entry_id)
        .order_by(PendingRow.arrival)
    )
    for body, owner, payload_body in session.execute(waiting):
        yield None, body, owner, payload_body


_HALTED = Prepared(select(_HEADS.c.halted).where(_HEADS.c.id == HEAD))


def check_running(session: Session) -> None:
    """Refuse to write into a log that was halted.

    :raises LedgerHalted: with the reason, which says what the operator must do
    """
    found = _HALTED.first(session, {})
    if found and found[0]:
        raise LedgerHalted(found[0])


class LedgerHalted(ServiceError):
    """The log takes no entries, so nothing can be permitted or changed; the detail says why."""

    def __init__(self, reason: str) -> None:
        sentence = said("The ledger takes no entries at the moment, so nothing was changed.")
        super().__init__("ledger_halted", sentence, status=503, detail=reason)
