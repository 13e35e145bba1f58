"""What follows when a register tells that an organisation is bankrupt, dissolved or merged, or no more so.

Its own grants rest (``register_event``), and so do those that others gave it (``party_status``). The
first is one transaction; the others are one for each owner, and until the last of them is done the
organisation is due to be looked at again: a crash leaves work for the next look, which does it the
same way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from consent_service.grants import store, suspensions
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import watch
from consent_service.registry.extract import GONE, LegalStatus
from consent_service.registry.registers.base import Register, RegisterUnavailable, Seen

ACTOR = "register"
"""Who acts in entries that a register's word brought about."""
Writing = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at an organisation brought."""

    status: LegalStatus | None
    """None where its register did not answer, or knows nothing of it: nothing is concluded then."""
    changed: bool = False
    moved: int = 0
    """Grants that were suspended or resumed."""


def look(writing: Writing, register: Register, identifier: str, now: dt.datetime) -> Looked:
    """Ask an organisation's register at this moment, and do what follows."""
    try:
        seen = register.look(identifier, now)
    except RegisterUnavailable:
        seen = Seen(None, now, "")
    if seen.extract is None:
        with writing() as session:
            watch.later(session, identifier, now)
        return Looked(None)
    return told(writing, identifier, seen.extract.status, seen.source, now)


def told(writing: Writing, identifier: str, status: LegalStatus, source: str, now: dt.datetime) -> Looked:
    """Do what follows from how an organisation stands.

    1. Under the owner's lock: note it, tell it in the owner's ledger where it is news, and bring the
       owner's grants to where that has them. No later decision permits under one that now rests.
    2. For each owner who gave this organisation a grant, under that owner's lock: the same.
    3. Note that all is done.
    """
    with writing() as session:
        ledger.hold(session, ledger.of_owner(identifier))
        before = watch.status_of(session, identifier)
        if not watch.learn(session, identifier, status, source, now):
            return Looked(status)
        changed = before is not status
        if changed:
            payload = {"actor": ACTOR, "status": status.value, "before": before.value, "source": source}
            ledger.append(session, Kind.OWNER_STANDING, payload, now=now, owner=identifier)
        moved = suspensions.reconcile(session, identifier, actor=ACTOR, now=now)
    if changed:
        structlog.get_logger().warning("register event", organisation=identifier, status=status.value)
    if before in GONE or status in GONE:
        moved += _of_party(writing, identifier, now)
    with writing() as session:
        watch.done(session, identifier, now)
    return Looked(status, changed, moved)


def _of_party(writing: Writing, party: str, now: dt.datetime) -> int:
    moved, last = 0, ""
    while True:
        with writing() as session:
            found = store.owners_of_party(session, party, after=last)
        for owner in found:
            with writing() as session:
                ledger.hold(session, ledger.of_owner(owner))
                moved += suspensions.reconcile(session, owner, actor=ACTOR, now=now)
        if not found:
            return moved
        last = found[-1]
