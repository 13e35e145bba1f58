"""The tables of streams and of the events that wait in them, and what is asked of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, Text, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.sealing import Seal
from consent_service.signals import subjects
from consent_service.signals.model import Delivery, Method, Status, Stream, Subject, Wanted
from consent_service.stored import rows_changed

USE = "stream-authorization"
KEPT = dt.timedelta(days=7)  # that an event waits for a receiver
MOST_KEPT = 10_000  # events that wait in one stream; beyond them the oldest go
MOST_REMOVED = 1000  # subjects that one stream leaves out: each event is held against all of them
CURSOR = 1
FRESH = {"populate_existing": True}


class StreamRow(Base):
    """One receiver's stream: a client has one at most, so that no two can be taken for each other."""

    __tablename__ = "signal_stream"

    stream_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), unique=True)
    events_requested: Mapped[list[str] | None] = mapped_column(JSON)
    description: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str] = mapped_column(String(32))
    endpoint_url: Mapped[str] = mapped_column(Text)
    sealed_authorization: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    verified_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    """When a verification was last asked for."""


class SignalRow(Base):
    """An event that waits in a stream: to be polled, or for a paused stream to go on.

    ``always`` marks what is told whatever the stream's status is: that it changes.
    """

    __tablename__ = "signal"

    arrival: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    stream_id: Mapped[str] = mapped_column(
        ForeignKey("signal_stream.stream_id", ondelete="CASCADE"), index=True
    )
    jti: Mapped[str] = mapped_column(String(36))
    claims: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    always: Mapped[bool] = mapped_column(default=False)


class RemovedRow(Base):
    """A subject that a receiver does not want to hear of; all others are in its stream."""

    __tablename__ = "signal_removed"

    stream_id: Mapped[str] = mapped_column(
        ForeignKey("signal_stream.stream_id", ondelete="CASCADE"), primary_key=True
    )
    subject_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[dict[str, Any]] = mapped_column(JSON)


class CursorRow(Base):
    """One row: the ledger's next entry to be told."""

    __tablename__ = "signal_cursor"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_index: Mapped[int] = mapped_column(BigInteger)


def find(session: Session, stream_id: str, secret_key: str) -> Stream | None:
    """A stream, whoever's it is."""
    row = session.scalar(select(StreamRow).where(StreamRow.stream_id == stream_id).execution_options(**FRESH))
    return to_model(row, secret_key) if row else None


def of_client(session: Session, client_id: str, secret_key: str) -> Stream | None:
    """A receiver's stream."""
    row = session.scalar(select(StreamRow).where(StreamRow.client_id == client_id).execution_options(**FRESH))
    return to_model(row, secret_key) if row else None


def every(session: Session, secret_key: str) -> list[Stream]:
    """Every stream, oldest first."""
    rows = session.scalars(select(StreamRow).order_by(StreamRow.created_at).execution_options(**FRESH))
    return [to_model(row, secret_key) for row in rows]


def any_stream(session: Session) -> bool:
    """Whether anybody listens at all."""
    return session.scalar(select(StreamRow.stream_id).limit(1)) is not None


def add(session: Session, stream: Stream, secret_key: str) -> None:
    """Store a new stream."""
    session.add(
        StreamRow(
            stream_id=stream.stream_id,
            client_id=stream.client_id,
            status=stream.status.value,
            reason=stream.reason,
            created_at=stream.created_at,
            **_wanted(stream.wanted, secret_key),
        )
    )
    session.flush()


def change(session: Session, stream: Stream, wanted: Wanted, secret_key: str) -> None:
    """Store what the receiver says of its stream now."""
    this = StreamRow.stream_id == stream.stream_id
    session.execute(update(StreamRow).where(this).values(**_wanted(wanted, secret_key)))


def set_status(session: Session, stream: Stream, status: Status, reason: str | None) -> None:
    """Store a stream's status."""
    this = StreamRow.stream_id == stream.stream_id
    session.execute(update(StreamRow).where(this).values(status=status.value, reason=reason))


def remove(session: Session, stream: Stream) -> None:
    """Delete a stream and all that waits in it."""
    session.execute(delete(StreamRow).where(StreamRow.stream_id == stream.stream_id))


def may_verify(session: Session, stream: Stream, now: dt.datetime, interval: dt.timedelta) -> bool:
    """Note that a verification is asked for; False when the last one was too short ago."""
    done = session.execute(
        update(StreamRow)
        .where(
            StreamRow.stream_id == stream.stream_id,
            StreamRow.verified_at.is_(None) | (StreamRow.verified_at <= now - interval),
        )
        .values(verified_at=now)
    )
    return bool(rows_changed(done))


def keep(
    session: Session, stream: Stream, claims: dict[str, Any], now: dt.datetime, *, always: bool = False
) -> None:
    """Let an event wait in its stream; where too many do, the oldest goes."""
    waiting = session.scalar(select(func.count()).where(SignalRow.stream_id == stream.stream_id)) or 0
    if waiting >= MOST_KEPT:
        oldest = select(func.min(SignalRow.arrival)).where(SignalRow.stream_id == stream.stream_id)
        session.execute(delete(SignalRow).where(SignalRow.arrival == oldest.scalar_subquery()))
    session.add(
        SignalRow(stream_id=stream.stream_id, jti=claims["jti"], claims=claims, created_at=now, always=always)
    )
    session.flush()


def waiting(session: Session, stream: Stream, limit: int) -> Sequence[dict[str, Any]]:
    """The claims of what waits, oldest first; of a stream that is not enabled only what is told always."""
    query = select(SignalRow.claims).where(SignalRow.stream_id == stream.stream_id)
    if stream.status is not Status.ENABLED:
        query = query.where(SignalRow.always)
    return session.scalars(query.order_by(SignalRow.arrival).limit(limit)).all()


def forget(session: Session, stream: Stream, jtis: Iterable[str] | None = None) -> int:
    """Delete what a receiver has acknowledged, or everything that waits; returns how much it was."""
    query = delete(SignalRow).where(SignalRow.stream_id == stream.stream_id)
    if jtis is not None:
        query = query.where(SignalRow.jti.in_(list(jtis)))
    return rows_changed(session.execute(query))


def take_all(session: Session, stream: Stream) -> list[dict[str, Any]]:
    """Take everything that waits out of the queue, oldest first."""
    query = select(SignalRow.claims).where(SignalRow.stream_id == stream.stream_id)
    found = list(session.scalars(query.order_by(SignalRow.arrival)))
    forget(session, stream)
    return found


def leave_out(session: Session, stream: Stream, subject: Subject) -> bool:
    """Send nothing about a subject any more; False where too many are left out already."""
    name = subjects.digest(subject)
    if session.get(RemovedRow, (stream.stream_id, name)):
        return True
    count = session.scalar(select(func.count()).where(RemovedRow.stream_id == stream.stream_id)) or 0
    if count >= MOST_REMOVED:
        return False
    session.add(RemovedRow(stream_id=stream.stream_id, subject_hash=name, subject=dict(subject)))
    return True


def take_in(session: Session, stream: Stream, subject: Subject) -> None:
    """Send what happens to a subject again."""
    this = RemovedRow.stream_id == stream.stream_id, RemovedRow.subject_hash == subjects.digest(subject)
    session.execute(delete(RemovedRow).where(*this))


def left_out(session: Session, stream: Stream) -> Sequence[Subject]:
    """The subjects that a receiver removed from its stream."""
    return session.scalars(select(RemovedRow.subject).where(RemovedRow.stream_id == stream.stream_id)).all()


def next_index(session: Session) -> int:
    """The index of the ledger's next entry to be told."""
    return session.scalar(select(CursorRow.next_index).where(CursorRow.id == CURSOR)) or 0


def go_on(session: Session, next_index: int) -> None:
    """Note how far the ledger was told."""
    session.execute(update(CursorRow).where(CursorRow.id == CURSOR).values(next_index=next_index))


def to_model(row: StreamRow, secret_key: str) -> Stream:
    """A row as data, with its authorization opened."""
    sealed = row.sealed_authorization
    authorization = Seal(secret_key, USE).open(sealed) if sealed else None
    requested = None if row.events_requested is None else tuple(row.events_requested)
    delivery = Delivery(Method(row.method), row.endpoint_url, authorization)
    wanted = Wanted(requested, delivery, row.description)
    return Stream(row.stream_id, row.client_id, wanted, Status(row.status), row.reason, row.created_at)


def _wanted(wanted: Wanted, secret_key: str) -> dict[str, Any]:
    header = wanted.delivery.authorization_header
    return {
        "events_requested": None if wanted.events_requested is None else list(wanted.events_requested),
        "description": wanted.description,
        "method": wanted.delivery.method.value,
        "endpoint_url": wanted.delivery.endpoint_url,
        "sealed_authorization": Seal(secret_key, USE).close(header) if header else None,
    }
