"""What must reach others: written down with the change that causes it, delivered until it has arrived.

Who has something to tell calls :func:`enqueue` in the transaction of the change itself, so that
neither can be without the other. A courier (:mod:`consent_service.courier`) in every worker takes
what is due, tells it, and forgets it once the other side has taken it.

Order of writes: a delivery is claimed (its next attempt moved to when the claim ends), the claim
commits, then it is sent, then it is deleted or given its next time. A crash in between leaves a
claim that ends by itself, and the delivery goes out again: at least once, never lost.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.sealing import Seal

USE = "delivery-headers"
LARGEST_BODY = 64 * 1024  # bytes
AT_ONCE = 8  # deliveries of one worker under way
CLAIM = dt.timedelta(seconds=60)  # longer than any attempt
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(seconds=5), dt.timedelta(hours=1)
MOST_ATTEMPTS = 24
LONGEST = dt.timedelta(days=1)  # that anybody tries, where the message does not say
KEPT = dt.timedelta(days=30)  # that it is remembered that one never arrived


class DeliveryRow(Base):
    """One message on its way.

    ``next_at`` is when it is due, None once it is dead. What arrived has no row any more; what is
    dead keeps its row without body and headers.
    """

    __tablename__ = "delivery"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    topic: Mapped[str] = mapped_column(String(64), index=True)
    url: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_headers: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    ends_at: Mapped[dt.datetime] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    dead_at: Mapped[dt.datetime | None] = mapped_column(Instant, index=True)
    outcome: Mapped[str] = mapped_column(String(128), default="")

    __table_args__ = (Index("ix_delivery_next_at", "next_at"),)


def enqueue(
    session: Session,
    secret_key: str,
    *,
    kind: str,
    url: str,
    content_type: str,
    body: bytes,
    now: dt.datetime,
    headers: Mapping[str, str] | None = None,
    topic: str = "",
    until: dt.datetime | None = None,
) -> None:
    """Let a message go out once the caller's transaction has committed.

    :param kind: what it is, for logs and counts: ``backchannel_logout``, ``security_event``
    :param headers: what the other side wants to see, for example ``Authorization``; stored sealed
    :param topic: a name under which messages can be taken back together
    :param until: when the message is of no use any more, for example when the token in it ends; by
        default after :data:`LONGEST`
    :raises ValueError: the body is larger than anybody should be sent
    """
    if len(body) > LARGEST_BODY:
        raise ValueError(f"a delivery has at most {LARGEST_BODY} bytes")
    sealed = Seal(secret_key, USE).close(json.dumps(dict(headers))) if headers else None
    session.add(
        DeliveryRow(
            kind=kind,
            topic=topic,
            url=url,
            content_type=content_type,
            body=body,
            sealed_headers=sealed,
            created_at=now,
            ends_at=until or now + LONGEST,
            next_at=now,
        )
    )


def withdraw(session: Session, topic: str) -> list[bytes]:
    """Take back what has not arrived of a topic, oldest first; one that is under way may still arrive."""
    taken = (
        delete(DeliveryRow)
        .where(DeliveryRow.topic == topic, DeliveryRow.dead_at.is_(None))
        .returning(DeliveryRow.id, DeliveryRow.body)
        .execution_options(synchronize_session=False)
    )
    found = {row.id: row.body for row in session.execute(taken)}
    return [found[one] for one in sorted(found)]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this worker's to attempt until its claim ends."""

    id: int
    kind: str
    url: str
    content_type: str
    body: bytes
    sealed_headers: str | None
    ends_at: dt.datetime
    attempts: int

    def headers(self, secret_key: str) -> dict[str, str]:
        """The headers that go along, opened."""
        if self.sealed_headers is None:
            return {}
        opened: dict[str, str] = json.loads(Seal(secret_key, USE).open(self.sealed_headers))
        return opened


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; ``said`` holds nothing that was sent or received but the status."""

    said: str
    arrived: bool = False
    final: bool = False


def claim(session: Session, now: dt.datetime) -> Sequence[Claimed]:
    """Take what is due, longest due first; nobody else gets it until the claim ends."""
    due = (
        select(DeliveryRow.id)
        .where(DeliveryRow.next_at <= now)
        .order_by(DeliveryRow.next_at, DeliveryRow.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(due))
    if not ids:
        return []
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(ids))
        .values(next_at=now + CLAIM, attempts=DeliveryRow.attempts + 1)
    )
    rows = session.scalars(
        select(DeliveryRow).where(DeliveryRow.id.in_(ids)).execution_options(populate_existing=True)
    )
    found = {row.id: row for row in rows}
    return [
        Claimed(
            row.id,
            row.kind,
            row.url,
            row.content_type,
            row.body,
            row.sealed_headers,
            row.ends_at,
            row.attempts,
        )
        for row in (found[one] for one in ids)
    ]


def settle(session: Session, one: Claimed, outcome: Outcome, now: dt.datetime) -> None:
    """Write down how an attempt ended.

    After a failure everything for the same address waits as long: who does not answer costs one
    attempt each time, and holds nobody else up.
    """
    this = DeliveryRow.id == one.id
    if outcome.arrived:
        session.execute(delete(DeliveryRow).where(this))
        return
    pause = pause_after(one.attempts)
    if outcome.final or one.attempts >= MOST_ATTEMPTS or now + pause > one.ends_at:
        structlog.get_logger().warning("delivery given up", problem=f"{one.kind}: {outcome.said}")
        dead = {"body": b"", "sealed_headers": None, "next_at": None, "dead_at": now}
        session.execute(update(DeliveryRow).where(this).values(**dead, outcome=outcome.said))
        return
    session.execute(update(DeliveryRow).where(this).values(next_at=now + pause, outcome=outcome.said))
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.url == one.url, DeliveryRow.next_at < now + pause)
        .values(next_at=now + pause)
    )


def pause_after(attempts: int) -> dt.timedelta:
    """How long to wait after so many attempts: twice as long each time, up to an hour."""
    doublings = min(attempts - 1, 20)
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << doublings))
