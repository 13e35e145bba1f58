"""An owner's objection to access by law: recorded word for word, passed on, and no revocation.

Access goes on until the authority or the law says otherwise: the record shows that it was objected to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import service, store
from consent_service.grants.model import Status
from consent_service.ledger import append as ledger
from consent_service.ledger import store as entries
from consent_service.ledger.model import Kind

LONGEST = 2000
"""Characters of an objection."""
OPEN = frozenset({Status.NOTIFIED, Status.ACTIVE})
MOST = 10


def raise_objection(
    session: Session, owner: str, grant_id: str, text: str, person_id: str, now: dt.datetime
) -> str:
    """Record an objection; returns its entry. The authority is told by signal, and reads it by that entry.

    :param text: the owner's own words, 1 to 2,000 characters
    :raises ServiceError: ``unknown_grant``, ``not_by_law``, ``invalid_objection``, ``objected_enough``
    """
    ledger.hold(session, ledger.of_owner(owner))
    found = store.current(session, owner, grant_id)
    if found is None:
        raise ServiceError("unknown_grant", "There is no such grant.", status=404)
    grant = service.settle(session, found, now)
    if not grant.by_law or grant.status not in OPEN:
        raise ServiceError("not_by_law", "One can object to access by law, while it lasts.", status=409)
    words = text.strip()
    if not 1 <= len(words) <= LONGEST or "\x00" in words:
        raise ServiceError("invalid_objection", "Write why you object, in at most 2000 characters.")
    if len(of_grant(session, owner, grant_id)) >= MOST:
        raise ServiceError(
            "objected_enough", "You have objected ten times; the authority has it all.", status=409
        )
    entry = ledger.append(
        session,
        Kind.OBJECTION_RAISED,
        {"actor": person_id, "reason": "owner", "party": grant.party, "text": words},
        now=now,
        owner=owner,
        grant_id=grant_id,
        client_id=grant.client_id,
    )
    return entry.entry_id


def of_grant(session: Session, owner: str, grant_id: str) -> Sequence[dict[str, Any]]:
    """What an owner objected, newest first: ``time``, ``text`` ("" once erased), ``entry_id``."""
    rows = entries.payloads_of(session, owner, [Kind.OBJECTION_RAISED], grant_id=grant_id, limit=MOST)
    return [
        {
            "time": row.time,
            "text": orjson.loads(row.body)["text"] if row.body else "",
            "entry_id": row.entry_id,
        }
        for row in rows
    ]
