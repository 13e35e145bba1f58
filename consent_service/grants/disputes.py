"""When it is disputed who may act for an owner: what was agreed to rests until that is settled.

Access by law goes on, since nobody's word opened it.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import suspensions
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import identifiers, owners


def begin(session: Session, owner: str, *, actor: str, reason: str, now: dt.datetime) -> int:
    """Suspend all that the owner agreed to; returns how many grants.

    :raises ServiceError: ``invalid_identifier``, ``in_dispute``: it is already
    """
    owner = identifiers.parse(owner)
    ledger.hold(session, ledger.of_owner(owner), registry="changes")
    if not owners.set_disputed(session, owner, reason, now):
        raise ServiceError("in_dispute", f"{owner} is in dispute already", status=409)
    ledger.append(session, Kind.OWNER_DISPUTED, {"actor": actor, "reason": reason}, now=now, owner=owner)
    return suspensions.reconcile(session, owner, actor=actor, now=now)


def settle(session: Session, owner: str, *, actor: str, reason: str, now: dt.datetime) -> int:
    """Let what the dispute suspended go on; returns how many grants.

    :raises ServiceError: ``invalid_identifier``, ``not_in_dispute``
    """
    owner = identifiers.parse(owner)
    ledger.hold(session, ledger.of_owner(owner), registry="changes")
    if not owners.settle(session, owner):
        raise ServiceError("not_in_dispute", f"{owner} is not in dispute", status=409)
    ledger.append(session, Kind.OWNER_SETTLED, {"actor": actor, "reason": reason}, now=now, owner=owner)
    return suspensions.reconcile(session, owner, actor=actor, now=now)
