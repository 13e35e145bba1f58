"""The ledger's tables, and the one way to write into them.

Order of writes: :func:`hold` takes the pen (no other transaction appends until this one
ends), the caller reads what it decides on, :func:`append` writes, the transaction commits,
and only then does an answer leave. A crash before the commit leaves nothing; after it,
an entry that nobody was told about, which is the safe side.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import BigInteger, Index, LargeBinary, String, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.ledger.model import (
    SALT_BYTES,
    Entry,
    Kind,
    canonical,
    chain_hash,
    commit,
    leaf_hash,
)

NO_OWNER = ""


class HeadRow(Base):
    """One row: how many entries there are and where the chain stands."""

    __tablename__ = "ledger_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    chain_hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class EntryRow(Base):
    """One entry: its canonical bytes, its leaf hash, and the chain up to it."""

    __tablename__ = "ledger_entry"

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[str] = mapped_column(String(36), unique=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    chain_hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class PayloadRow(Base):
    """What an entry commits to, keyed by owner; owner, kind and grant repeat what it states."""

    __tablename__ = "ledger_payload"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[str] = mapped_column(String(36), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    grant_id: Mapped[str | None] = mapped_column(String(36))
    time: Mapped[dt.datetime] = mapped_column(Instant)
    salt: Mapped[bytes] = mapped_column(LargeBinary(SALT_BYTES))
    body: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (Index("ix_ledger_payload_owner_grant_index", "owner", "grant_id", "index"),)


def hold(session: Session) -> HeadRow:
    """Take the pen: lock the ledger's head until this transaction ends.

    Whoever decides or changes a grant does this before reading it, so that entries stand
    in the order in which things were true. On SQLite the transaction's ``BEGIN IMMEDIATE``
    has done it already; on PostgreSQL it is this row lock.
    """
    head = session.scalar(
        select(HeadRow).where(HeadRow.id == 1).with_for_update().execution_options(populate_existing=True)
    )
    if head is None:
        raise RuntimeError("the ledger has no head row: run `consent-service db upgrade`")
    return head


def append(
    session: Session,
    kind: Kind,
    payload: dict[str, Any],
    *,
    now: dt.datetime,
    owner: str = NO_OWNER,
    **ids: Any,
) -> Entry:
    """Append one entry and its payload in the caller's transaction; durable when that commits.

    :param payload: JSON object with ASCII keys and integers only; ``owner`` is added to it
    :param ids: the entry's identifiers: ``request_id``, ``grant_id``, ``grant_version``,
        ``client_id``, ``policy_digest``
    :raises TypeError: the payload is outside the canonical subset
    """
    head = hold(session)
    salt = secrets.token_bytes(SALT_BYTES)
    payload_body = canonical({**payload, "owner": owner})
    entry = Entry(str(uuid.uuid4()), kind, now, commit(salt, payload_body), **ids)
    body = entry.encode()
    leaf = leaf_hash(body)
    chain = chain_hash(head.chain_hash, leaf)
    index = head.size
    session.add(EntryRow(index=index, entry_id=entry.entry_id, body=body, leaf_hash=leaf, chain_hash=chain))
    session.add(
        PayloadRow(
            owner=owner,
            index=index,
            entry_id=entry.entry_id,
            kind=kind.value,
            grant_id=entry.grant_id,
            time=now,
            salt=salt,
            body=payload_body,
        )
    )
    session.execute(update(HeadRow).where(HeadRow.id == 1).values(size=index + 1, chain_hash=chain))
    session.flush()
    session.expire(head)
    return entry


def payloads_of(
    session: Session,
    owner: str,
    kinds: Sequence[Kind],
    *,
    grant_id: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[PayloadRow]:
    """An owner's payloads of some kinds, newest first; ``before`` is an index to page on from."""
    query = select(PayloadRow).where(
        PayloadRow.owner == owner, PayloadRow.kind.in_([kind.value for kind in kinds])
    )
    if grant_id is not None:
        query = query.where(PayloadRow.grant_id == grant_id)
    if before is not None:
        query = query.where(PayloadRow.index < before)
    return list(session.scalars(query.order_by(PayloadRow.index.desc()).limit(limit)))


def rows_in_order(session: Session) -> Iterator[tuple[EntryRow, PayloadRow | None]]:
    """Every entry with its payload, oldest first, streamed."""
    query = (
        select(EntryRow, PayloadRow)
        .outerjoin(PayloadRow, PayloadRow.entry_id == EntryRow.entry_id)
        .order_by(EntryRow.index)
        .execution_options(yield_per=1000)
    )
    for row in session.execute(query):
        yield row[0], row[1]


def count(session: Session, owner: str, kind: Kind, grant_id: str) -> int:
    """How many entries of one kind an owner's grant has."""
    query = select(func.count()).where(
        PayloadRow.owner == owner, PayloadRow.grant_id == grant_id, PayloadRow.kind == kind
    )
    return session.scalar(query) or 0


def last_policy_digest(session: Session) -> str | None:
    """The digest of the policy set published last, or None."""
    published = session.scalar(
        select(EntryRow.body)
        .join(PayloadRow, PayloadRow.entry_id == EntryRow.entry_id)
        .where(PayloadRow.owner == NO_OWNER, PayloadRow.kind == Kind.POLICY_PUBLISHED)
        .order_by(EntryRow.index.desc())
        .limit(1)
    )
    return str(orjson.loads(published)["policy_digest"]) if published else None
