"""What makes grants rest without anybody's word about them: a dispute, and what a register tells.

One function brings an owner's grants to where the facts have them, whichever fact changed. So a grant
for which two things speak goes on only when both are over, and a crash leaves what the next call does.
Access by law is not touched: nobody's word opened it.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from consent_service.grants import service, store
from consent_service.grants.model import Grant, Status
from consent_service.registry import owners, watch

DISPUTE = "dispute"
"""It is disputed who may act for the owner; policies name it."""
REGISTER_EVENT = "register_event"
"""The owner is bankrupt, dissolved or merged."""
PARTY_STATUS = "party_status"
"""The party is."""
THESE = frozenset({DISPUTE, REGISTER_EVENT, PARTY_STATUS})
"""The reasons that are looked after here; what rests for another one is left alone."""


def reconcile(session: Session, owner: str, *, actor: str, now: dt.datetime) -> int:
    """Suspend and resume an owner's grants as the facts have it; returns how many changed.

    The caller holds the owner's lock.
    """
    of_owner = _of_owner(session, owner)
    gone: dict[str, bool] = {}
    moved = 0
    for known in store.current_of_owner(session, owner):
        grant = service.settle(session, known, now)
        if grant.by_law:
            continue
        if of_owner is None and grant.party not in gone:
            gone[grant.party] = watch.is_gone(session, grant.party)
        reason = of_owner or (PARTY_STATUS if gone.get(grant.party) else None)
        moved += _move(session, grant, reason, actor, now)
    return moved


def rests(session: Session, grant: Grant) -> bool:
    """Whether something speaks against a grant now, whatever it carries as its reason."""
    return _of_owner(session, grant.owner) is not None or watch.is_gone(session, grant.party)


def _of_owner(session: Session, owner: str) -> str | None:
    if owners.disputed(session, owner):
        return DISPUTE
    return REGISTER_EVENT if watch.is_gone(session, owner) else None


def _move(session: Session, grant: Grant, reason: str | None, actor: str, now: dt.datetime) -> int:
    if reason is not None and grant.status is Status.ACTIVE:
        service.change(session, grant, Status.SUSPENDED, actor=actor, reason=reason, now=now)
        return 1
    if reason is None and grant.status is Status.SUSPENDED and grant.reason in THESE:
        service.change(session, grant, Status.ACTIVE, actor=actor, reason=grant.reason, now=now)
        return 1
    return 0
