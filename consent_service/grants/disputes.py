"""When it is disputed who may act for an owner: what was agreed to rests until that is settled.

Access by law goes on, since nobody's word opened it.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import service, store
from consent_service.grants.model import Status
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import identifiers, owners

DISPUTE = "dispute"
"""The reason that suspended grants carry; policies name it."""


def begin(session: Session, owner: str, *, actor: str, reason: str, now: dt.datetime) -> int:
    """Suspend all that the owner agreed to; returns how many grants.

    :raises ServiceError: ``invalid_identifier``, ``in_dispute``: it is already
    """
    owner = identifiers.parse(owner)
    ledger.hold(session, ledger.of_owner(owner), registry="changes")
    if not owners.set_disputed(session, owner, reason, now):
        raise ServiceError("in_dispute", f"{owner} is in dispute already", status=409)
    ledger.append(session, Kind.OWNER_DISPUTED, {"actor": actor, "reason": reason}, now=now, owner=owner)
    return _move(session, owner, Status.ACTIVE, Status.SUSPENDED, actor, now)


def settle(session: Session, owner: str, *, actor: str, reason: str, now: dt.datetime) -> int:
    """Let what the dispute suspended go on; returns how many grants.

    :raises ServiceError: ``invalid_identifier``, ``not_in_dispute``
    """
    owner = identifiers.parse(owner)
    ledger.hold(session, ledger.of_owner(owner), registry="changes")
    if not owners.settle(session, owner):
        raise ServiceError("not_in_dispute", f"{owner} is not in dispute", status=409)
    ledger.append(session, Kind.OWNER_SETTLED, {"actor": actor, "reason": reason}, now=now, owner=owner)
    return _move(session, owner, Status.SUSPENDED, Status.ACTIVE, actor, now)


def _move(session: Session, owner: str, now_in: Status, then: Status, actor: str, now: dt.datetime) -> int:
    moved = 0
    for known in store.current_of_owner(session, owner):
        grant = service.settle(session, known, now)
        mine = now_in is Status.ACTIVE or grant.reason == DISPUTE
        if grant.status is now_in and mine and not grant.by_law:
            service.change(session, grant, then, actor=actor, reason=DISPUTE, now=now)
            moved += 1
    return moved
