"""Deleting what has ended, in small bites: no table grows for ever, and nobody waits for long.

Each bite is a transaction of its own, so whoever is interrupted has lost nothing and whoever
comes next goes on. How large a bite is follows from how long the last one took.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, exists, func, literal_column, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from consent_service import outbox
from consent_service.db import Base, writing_to
from consent_service.grants import service
from consent_service.grants.model import Status
from consent_service.grants.offers import OfferRow
from consent_service.grants.store import GrantRow, ReadsRow, RequestRow
from consent_service.grants.windows import SINCE_EVER
from consent_service.ledger.append import hold, of_request
from consent_service.oauth.store import AuthorizationRow
from consent_service.outbox import DeliveryRow
from consent_service.registry import backchannel
from consent_service.registry.backchannel import BackchannelRow
from consent_service.registry.invitations import InvitationRow
from consent_service.registry.limits import TriesRow
from consent_service.registry.logins import ConsentRow, LoginRow
from consent_service.registry.registers import memory
from consent_service.registry.registers.memory import AnswerRow
from consent_service.registry.remote_keys import RemoteKeysRow
from consent_service.registry.sessions import ClientSessionRow
from consent_service.registry.store import TokenRow
from consent_service.registry.used import UsedRow
from consent_service.signals import store as signals
from consent_service.signals.store import SignalRow
from consent_service.stored import rows_changed
from consent_service.web.session import SessionRow

AIM = 0.05
"""Seconds that a bite may hold others up."""
SMALLEST, FIRST, LARGEST = 50, 500, 5_000
"""Rows of a bite."""
Wait = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Ended:
    """Which rows of a table are of no use any more: so long after a moment that they name.

    :param keep: how long after its end a row may still be asked for
    :param when: what must hold besides
    """

    table: type[Base]
    ends: InstrumentedAttribute[Any]
    keep: dt.timedelta
    when: tuple[ColumnElement[bool], ...] = ()


UNANSWERED = (Status.REQUESTED, Status.OPEN)
LAPSED_AFTER = dt.timedelta(minutes=5)
LAPSED_AT_ONCE = 100
OVER = (Status.REVOKED, Status.EXPIRED, Status.EXHAUSTED, Status.TERMINATED)
ENDED: tuple[Ended, ...] = (
    # A status list gives no place of its own twice, so its tokens stay until it has ended too.
    Ended(TokenRow, TokenRow.expires_at, dt.timedelta(minutes=30)),
    Ended(UsedRow, UsedRow.expires_at, dt.timedelta()),
    Ended(TriesRow, TriesRow.ends_at, dt.timedelta()),
    Ended(SessionRow, SessionRow.expires_at, dt.timedelta()),
    Ended(LoginRow, LoginRow.expires_at, dt.timedelta()),
    Ended(ConsentRow, ConsentRow.until, dt.timedelta()),
    Ended(ClientSessionRow, ClientSessionRow.last_at, dt.timedelta(days=30)),
    # An address that nobody has asked for so long is no client's any more.
    Ended(RemoteKeysRow, RemoteKeysRow.asked_at, dt.timedelta(days=30)),
    Ended(AnswerRow, AnswerRow.answered_at, memory.KEPT),
    Ended(InvitationRow, InvitationRow.valid_until, dt.timedelta(days=30)),
    # A code that comes a second time ends what it gave (RFC 6749 section 4.1.2): so long it is known.
    Ended(AuthorizationRow, AuthorizationRow.begin_before, dt.timedelta(days=7)),
    Ended(BackchannelRow, BackchannelRow.expires_at, backchannel.KEPT),
    Ended(SignalRow, SignalRow.created_at, signals.KEPT),
    Ended(DeliveryRow, DeliveryRow.dead_at, outbox.KEPT),
    Ended(OfferRow, OfferRow.expires_at, dt.timedelta(days=30)),
    # The longest window is a calendar year; one of all time, of a grant for once, has no end.
    Ended(ReadsRow, ReadsRow.window_start, dt.timedelta(days=367), (ReadsRow.window_start > SINCE_EVER,)),
    # The ledger tells of requests; the rows serve pages that a person may come back to.
    Ended(
        RequestRow,
        RequestRow.expires_at,
        dt.timedelta(days=30),
        (
            # What was asked for is the most that its owner can give again, while the grant lives.
            or_(
                RequestRow.status.in_((Status.DECLINED, Status.LAPSED)),
                exists().where(GrantRow.grant_id == RequestRow.grant_id, GrantRow.status.in_(OVER)),
            ),
            ~exists().where(AuthorizationRow.request_id == RequestRow.request_id),
        ),
    ),
)
"""In this order, since a request goes after the authorization that came with it."""


@dataclass(frozen=True, slots=True)
class Bite:
    """How many rows to take next."""

    rows: int = FIRST

    def after(self, seconds: float) -> Bite:
        """The next one, from how long this one took: towards :data:`AIM`, at most twice or half as large."""
        factor = min(2.0, max(0.5, AIM / max(seconds, 1e-6)))
        return Bite(min(LARGEST, max(SMALLEST, int(self.rows * factor))))


def purge(
    engine: Engine,
    now: dt.datetime,
    *,
    wait: Wait,
    ended: Sequence[Ended] = ENDED,
    seconds: float = float("inf"),
) -> tuple[int, bool]:
    """Delete what has ended; returns how many rows, and whether that was all.

    Between two bites it waits as long as the last one took, so that others have half the time at least.

    :param wait: sleeps so many seconds; true when it was woken to stop
    :param seconds: stop after so long, and leave the rest for the next time
    """
    until, deleted = monotonic() + seconds, 0
    for one in ended:
        bite = Bite()
        while True:
            with writing_to(engine) as session:
                begun = monotonic()  # not before: waiting for others is no reason for a smaller bite
                gone = take(session, one, now, bite.rows)
            took = monotonic() - begun
            deleted += gone
            if gone < bite.rows:
                break
            if wait(took) or monotonic() >= until:
                return deleted, False
            bite = bite.after(took)
    return deleted, True


def lapse(engine: Engine, now: dt.datetime, *, wait: Wait) -> int:
    """Record of requests that nobody answered that their time ran out; returns how many.

    Whoever looks at one records it too; this is for those that nobody looks at again.
    """
    lapsed = 0
    overdue = (
        select(RequestRow.request_id)
        .where(RequestRow.status.in_(UNANSWERED), RequestRow.expires_at < now - LAPSED_AFTER)
        .order_by(RequestRow.expires_at)
        .limit(LAPSED_AT_ONCE)
    )
    while True:
        with writing_to(engine) as session:
            ids = session.scalars(overdue).all()
            hold(session, *map(of_request, ids))
            for request_id in ids:
                service.lapse(session, request_id, now)
        lapsed += len(ids)
        if len(ids) < LAPSED_AT_ONCE or wait(AIM):
            return lapsed


def take(session: Session, ended: Ended, now: dt.datetime, most: int) -> int:
    """Delete at most so many rows, the oldest first; returns how many."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    place: ColumnElement[Any] = literal_column("ctid" if postgresql else "rowid")
    oldest = (
        select(place)
        .select_from(ended.table)
        .where(ended.ends < now - ended.keep, *ended.when)
        .order_by(ended.ends)
        .limit(most)
    )
    # What somebody holds is left for the next time: a purge waits for nobody.
    chosen = (
        place
        == func.any(func.array(oldest.with_for_update(skip_locked=True, of=ended.table).scalar_subquery()))
        if postgresql
        else place.in_(oldest)
    )
    done = session.execute(delete(ended.table).where(chosen).execution_options(synchronize_session=False))
    return rows_changed(done)
