"""Erasing a payload: salt and body are destroyed, the entry and every proof of it stay (GDPR article 17).

The salt has 256 random bits and is nowhere else, so nobody can find the payload again by
trying what it may have been.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Entry, Kind
from consent_service.ledger.store import PayloadRow


def erase(session: Session, entry_id: str, *, actor: str, reason: str, now: dt.datetime) -> Entry:
    """Erase one payload, with an entry that says who ordered it; it can't be undone.

    The caller holds the owner's lock and has seen that the payload may go.

    :raises ServiceError: ``unknown_entry``, ``already_erased``
    """
    row = session.scalar(
        select(PayloadRow).where(PayloadRow.entry_id == entry_id).execution_options(populate_existing=True)
    )
    if row is None:
        raise ServiceError("unknown_entry", "There is no such entry.", status=404)
    if row.body is None:
        raise ServiceError("already_erased", "This was erased before.", status=409)
    payload = {"entry_id": entry_id, "kind": row.kind, "actor": actor, "reason": reason}
    entry = ledger.append(
        session, Kind.PAYLOAD_ERASED, payload, now=now, owner=row.owner, grant_id=row.grant_id
    )
    session.execute(
        update(PayloadRow)
        .where(PayloadRow.entry_id == entry_id, PayloadRow.owner == row.owner)
        .values(salt=None, body=None, erased_by=entry.entry_id)
        .execution_options(synchronize_session=False)
    )
    session.expire(row)
    return entry
