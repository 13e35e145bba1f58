"""A key's life: created and announced, activated, retired; each an entry in the ledger.

Everything here runs in the caller's write transaction and takes the same lock, so that two
workers never make two keys for one need.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.keys.jws import Algorithm, SigningKey
from consent_service.keys.signing import USE
from consent_service.keys.store import ANNOUNCED_FOR, SigningKeyRow, State, every, living
from consent_service.ledger.append import append, hold
from consent_service.ledger.model import Kind
from consent_service.sealing import Seal


def rotate(
    session: Session, secret_key: str, fresh: SigningKey, now: dt.datetime, *, at_once: bool = False
) -> SigningKeyRow:
    """Announce a new key in the place of the one of its algorithm; returns the one that comes next.

    1. Where one is announced already, it is that one, and ``fresh`` is thrown away.
    2. Otherwise ``fresh`` is stored, sealed, and published from now on.
    3. It signs when it was announced long enough (:func:`catch_up`); at once where none signs yet,
       or where the caller can't wait.

    :param fresh: made before the transaction, since making one takes time
    """
    hold(session, USE)
    coming = living(session, fresh.algorithm, State.ANNOUNCED) or _create(session, secret_key, fresh, now)
    if at_once or living(session, fresh.algorithm, State.SIGNING) is None:
        _activate(session, coming, now)
    return coming


def withdraw(session: Session, kid: str, now: dt.datetime) -> None:
    """Publish a key no more, from now on: what it signed counts no longer. For one that was stolen.

    :raises ServiceError: there is no such key, it is withdrawn already, or it signs: rotate at once first
    """
    hold(session, USE)
    row = next((one for one in every(session) if one.kid == kid), None)
    if row is None or row.state is State.WITHDRAWN:
        raise ServiceError("unknown_key", f"there is no published key {kid}", status=404)
    if row.state is State.SIGNING:
        raise ServiceError("key_signs", "this key signs: run `consent-service keys rotate --now` first")
    row.withdrawn_at, row.sealed_private_key = now, None
    _tell(session, Kind.KEY_WITHDRAWN, row, now)


def due(session: Session, now: dt.datetime, period: dt.timedelta | None) -> frozenset[Algorithm]:
    """The algorithms for which :func:`catch_up` would do something.

    :param period: how long a key signs before the next one is announced; None for ever
    """
    rows = every(session)
    return frozenset(
        one for one in Algorithm if _activates(rows, one, now) or _creates(rows, one, now, period)
    )


def catch_up(
    session: Session,
    secret_key: str,
    fresh: Mapping[Algorithm, SigningKey],
    now: dt.datetime,
    period: dt.timedelta | None,
) -> None:
    """Do what time has made due: activate what was announced long enough, announce what comes next.

    :param fresh: a new key for each algorithm of :func:`due`, in case it is needed
    """
    hold(session, USE)
    for algorithm, key in fresh.items():
        rows = every(session)  # under the lock: another worker may have been faster
        if ready := _activates(rows, algorithm, now):
            _activate(session, ready, now)
        elif _creates(rows, algorithm, now, period):
            rotate(session, secret_key, key, now)


def _activates(rows: Sequence[SigningKeyRow], algorithm: Algorithm, now: dt.datetime) -> SigningKeyRow | None:
    return next((row for row in _in(rows, algorithm, State.ANNOUNCED) if now >= row.activates_at), None)


def _creates(
    rows: Sequence[SigningKeyRow], algorithm: Algorithm, now: dt.datetime, period: dt.timedelta | None
) -> bool:
    if _in(rows, algorithm, State.ANNOUNCED):
        return False
    signing = _in(rows, algorithm, State.SIGNING)
    return not signing or (period is not None and now >= (signing[0].activated_at or now) + period)


def _in(rows: Sequence[SigningKeyRow], algorithm: Algorithm, state: State) -> list[SigningKeyRow]:
    return [row for row in rows if row.algorithm == algorithm and row.state is state]


def _create(session: Session, secret_key: str, fresh: SigningKey, now: dt.datetime) -> SigningKeyRow:
    public = fresh.public_jwk
    row = SigningKeyRow(
        kid=public["kid"],
        algorithm=fresh.algorithm.value,
        public_jwk=orjson.dumps(public).decode(),
        sealed_private_key=Seal(secret_key, USE).close(fresh.to_text()),
        created_at=now,
        activates_at=now + ANNOUNCED_FOR,
    )
    session.add(row)
    session.flush()
    _tell(session, Kind.KEY_CREATED, row, now, jwk=public)
    return row


def _activate(session: Session, row: SigningKeyRow, now: dt.datetime) -> None:
    before = living(session, Algorithm(row.algorithm), State.SIGNING)
    if before is not None:
        before.retired_at = now
        before.sealed_private_key = None  # nothing can be signed with it any more, by anybody
        _tell(session, Kind.KEY_RETIRED, before, now)
        session.flush()
    row.activates_at = row.activated_at = now
    _tell(session, Kind.KEY_ACTIVATED, row, now)
    session.flush()


def _tell(session: Session, kind: Kind, row: SigningKeyRow, now: dt.datetime, **said: object) -> None:
    append(session, kind, {"kid": row.kid, "algorithm": row.algorithm, **said}, now=now)
