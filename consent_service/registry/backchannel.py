"""Requests that came without a browser (OpenID Connect CIBA Core): for whom, and their answers.

The ``auth_req_id`` is kept as SHA-256; what a ping needs is sealed until it goes out.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Sequence

from sqlalchemy import ForeignKey, Integer, String, Text, bindparam, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service import outbox
from consent_service.db import Base, Instant
from consent_service.prepared import Prepared
from consent_service.registry.logins import LoginRow, LoginStatus
from consent_service.registry.tokens import digest
from consent_service.sealing import Seal
from consent_service.stored import rows_changed

USE = "backchannel-ping"
KEPT = dt.timedelta(days=1)
INTERVAL = 5  # seconds between two polls, to begin with (CIBA Core section 7.3)
SLOWER = 5  # seconds more after each poll that came too soon (section 11)
MOST_AT_ONCE = 100


class BackchannelRow(Base):
    """One request; ``owner`` or ``person_id`` is whom it waits for."""

    __tablename__ = "backchannel_request"

    request_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    auth_req_id_hash: Mapped[str] = mapped_column(String(64), unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"))
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.person_id"), index=True)
    binding_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    expires_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    interval: Mapped[int] = mapped_column(Integer)
    next_poll_at: Mapped[dt.datetime] = mapped_column(Instant)
    used_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    ping_url: Mapped[str | None] = mapped_column(Text)
    sealed_ping: Mapped[str | None] = mapped_column(Text)


# Most requests came with a browser, which is seen at once.
_THERE = Prepared(
    select(BackchannelRow.request_id).where(BackchannelRow.request_id == bindparam("request_id"))
)


def find(session: Session, request_id: str) -> BackchannelRow | None:
    """The request with this id, if it came without a browser."""
    session.flush()
    there = _THERE.first(session, {"request_id": request_id})
    return session.get(BackchannelRow, request_id) if there else None


def is_to_fetch(session: Session, request_id: str) -> bool:
    """Whether the request came without a browser, and its client has not fetched the answer yet."""
    row = session.get(BackchannelRow, request_id)
    return row is not None and row.used_at is None


def by_auth_req_id(session: Session, auth_req_id: str) -> BackchannelRow | None:
    """The request that an ``auth_req_id`` stands for, or None."""
    return session.scalar(
        select(BackchannelRow)
        .where(BackchannelRow.auth_req_id_hash == digest(auth_req_id))
        .execution_options(populate_existing=True)
    )


def seal_ping(secret_key: str, auth_req_id: str, token: str) -> str:
    """What a ping will need, closed."""
    return Seal(secret_key, USE).close(json.dumps([auth_req_id, token]))


def waiting_logins(
    session: Session, person_id: str, owners: Collection[str], now: dt.datetime
) -> Sequence[tuple[BackchannelRow, LoginRow]]:
    """Sign-ins that wait for this person, or for somebody who may act for one of these owners."""
    rows = session.execute(
        select(BackchannelRow, LoginRow)
        .join(LoginRow, LoginRow.login_id == BackchannelRow.request_id)
        .where(
            or_(BackchannelRow.person_id == person_id, BackchannelRow.owner.in_(owners)),
            LoginRow.status == LoginStatus.OPEN,
            BackchannelRow.expires_at > now,
        )
        .order_by(BackchannelRow.created_at)
    )
    return [(one, login) for one, login in rows]


def may_poll(session: Session, row: BackchannelRow, now: dt.datetime) -> bool:
    """Count a poll; False when it came too soon, and the next one has to wait longer (section 11).

    One conditional UPDATE decides, so that two polls at once can't both be in time.
    """
    this = BackchannelRow.request_id == row.request_id
    pause = dt.timedelta(seconds=row.interval)
    in_time = session.execute(
        update(BackchannelRow)
        .where(this, BackchannelRow.next_poll_at <= now)
        .values(next_poll_at=now + pause)
    )
    if rows_changed(in_time):
        return True
    slower = row.interval + SLOWER
    after = now + dt.timedelta(seconds=slower)
    session.execute(update(BackchannelRow).where(this).values(interval=slower, next_poll_at=after))
    return False


def use(session: Session, row: BackchannelRow, now: dt.datetime) -> bool:
    """Consume an ``auth_req_id`` in one conditional UPDATE; False when it was used before."""
    changed = session.execute(
        update(BackchannelRow)
        .where(BackchannelRow.request_id == row.request_id, BackchannelRow.used_at.is_(None))
        .values(used_at=now)
    )
    return bool(rows_changed(changed))


def tell(session: Session, secret_key: str, request_id: str, now: dt.datetime) -> None:
    """Ping the client, once, where it wants that: the answer is there (section 10.2).

    In the transaction of the answer itself. What went out is forgotten here.
    """
    row = session.get(BackchannelRow, request_id, populate_existing=True)
    if row is None or row.sealed_ping is None or row.ping_url is None:
        return
    url, sealed = row.ping_url, row.sealed_ping
    taken = session.execute(
        update(BackchannelRow)
        .where(BackchannelRow.request_id == request_id, BackchannelRow.sealed_ping.is_not(None))
        .values(sealed_ping=None)
    )
    if not rows_changed(taken):
        return
    auth_req_id, token = json.loads(Seal(secret_key, USE).open(sealed))
    outbox.enqueue(
        session,
        secret_key,
        kind="backchannel_ping",
        url=url,
        content_type="application/json",
        body=json.dumps({"auth_req_id": auth_req_id}).encode(),
        headers={"Authorization": f"Bearer {token}"},
        now=now,
        until=max(row.expires_at, now + dt.timedelta(minutes=5)),
    )


def any_expired(session: Session, now: dt.datetime) -> bool:
    """Whether a client has to be told that nobody answered."""
    overdue = BackchannelRow.expires_at <= now, BackchannelRow.sealed_ping.is_not(None)
    return session.scalar(select(BackchannelRow.request_id).where(*overdue).limit(1)) is not None


def tell_expired(session: Session, secret_key: str, now: dt.datetime) -> int:
    """Ping the clients whose requests nobody answered in time; returns how many."""
    ids = session.scalars(
        select(BackchannelRow.request_id)
        .where(BackchannelRow.expires_at <= now, BackchannelRow.sealed_ping.is_not(None))
        .limit(MOST_AT_ONCE)
    ).all()
    for request_id in ids:
        tell(session, secret_key, request_id, now)
    return len(ids)
