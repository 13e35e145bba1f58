"""Who may read what lies behind a ledger entry, and who may have it erased."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import store
from consent_service.grants.model import Status
from consent_service.ledger import append as ledger
from consent_service.ledger import store as entries
from consent_service.ledger.erasure import erase
from consent_service.ledger.store import PayloadRow
from consent_service.registry import mandates
from consent_service.registry.model import Client, ClientRole

LIVE = frozenset({Status.ACTIVE, Status.SUSPENDED, Status.NOTIFIED})
ERASABLE = frozenset({"decision", "request", "grant", "offer", "objection"})
"""Subjects of entries whose payload an owner may have erased. The rest is about the service itself."""


def may_read(session: Session, row: PayloadRow, client: Client, now: dt.datetime) -> bool:
    """Whether a client may read a payload.

    1. The party of the grant that it belongs to, or of the request where there is no grant yet.
    2. A supervisor, within a mandate that counts now.
    Owners read theirs in the portal, by representation; nobody else reads anything.
    """
    if client.role is ClientRole.SUPERVISOR:
        return any(
            one.covers(row.owner, row.kind) for one in mandates.scopes_of(session, client.client_id, now)
        )
    if client.role is not ClientRole.PARTY:
        return False
    if row.grant_id is not None:
        grant = store.current(session, row.owner, row.grant_id)
        return grant is not None and grant.client_id == client.client_id
    if not row.kind.startswith("request."):
        return False
    found = entries.entry(session, row.entry_id)
    return found is not None and orjson.loads(found[0]).get("client_id") == client.client_id


def erase_for_owner(
    session: Session, owner: str, entry_id: str, *, actor: str, reason: str, now: dt.datetime
) -> None:
    """Erase one of an owner's payloads.

    1. It is this owner's, and of a subject that may be erased (:data:`ERASABLE`).
    2. What a grant rests on stays while it lives: without it no decision could be replayed.

    :param actor: the person's id, or ``operator``
    :raises ServiceError: ``unknown_entry``, ``not_erasable``, ``already_erased``
    """
    ledger.hold(session, ledger.of_owner(owner))
    row = entries.payload(session, entry_id)
    if row is None or row.owner != owner:
        raise ServiceError("unknown_entry", "There is no such entry.", status=404)
    if row.kind.partition(".")[0] not in ERASABLE:
        raise ServiceError("not_erasable", "This entry holds nothing that could be erased.", status=409)
    if row.kind.startswith("grant.") and row.grant_id:
        grant = store.current(session, owner, row.grant_id)
        if grant is not None and grant.status in LIVE:
            raise ServiceError(
                "not_erasable", "Take the grant back first; then this can be erased.", status=409
            )
    erase(session, entry_id, actor=actor, reason=reason, now=now)


def naming(session: Session, person_id: str) -> Iterator[tuple[str, str]]:
    """Owner and entry of every payload in which a person acted, for that person's right to erasure."""
    query = select(PayloadRow.owner, PayloadRow.entry_id, PayloadRow.body).where(PayloadRow.body.is_not(None))
    for owner, entry_id, body in session.execute(query.execution_options(yield_per=1000)):
        if body is not None and orjson.loads(body).get("actor") == person_id:
            yield owner, entry_id
