"""Which owners a data holder serves: it may ask about those, and about no others.

A holder for which none was ever recorded serves everybody. One whose last owner left serves
nobody: to end with the last customer is no reason to get all of them. Each change is a ledger
entry of the owner that it is about.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import identifiers
from consent_service.registry.model import ClientRole
from consent_service.registry.store import ClientRow, ServedRow
from consent_service.stored import rows_changed


def serve(session: Session, client_id: str, owners: Sequence[str], now: dt.datetime) -> list[str]:
    """Record owners that a holder serves; returns those that it did not serve already.

    :raises ServiceError: ``unknown_client``, ``invalid_identifier``
    """
    ledger.hold(session, registry="changes")
    _check_holder(session, client_id)
    new: list[str] = []
    for owner in dict.fromkeys(map(identifiers.parse, owners)):
        row = session.get(ServedRow, (owner, client_id))
        if row is not None and row.ended_at is None:
            continue
        session.merge(ServedRow(owner=owner, client_id=client_id, ended_at=None))
        ledger.append(
            session, Kind.HOLDER_SERVES, {"client_id": client_id}, now=now, owner=owner, client_id=client_id
        )
        new.append(owner)
    return new


def unserve(session: Session, client_id: str, owners: Sequence[str], now: dt.datetime) -> None:
    """Record owners that a holder serves no more; all of them, or none where one is unknown.

    :raises ServiceError: ``unknown_client``, ``invalid_identifier``, ``not_served``
    """
    ledger.hold(session, registry="changes")
    _check_holder(session, client_id)
    for owner in dict.fromkeys(map(identifiers.parse, owners)):
        row = session.get(ServedRow, (owner, client_id))
        if row is None or row.ended_at is not None:
            raise ServiceError("not_served", f"{owner} is not recorded for {client_id}", status=404)
        row.ended_at = now
        kind = Kind.HOLDER_SERVES_NO_MORE
        ledger.append(session, kind, {"client_id": client_id}, now=now, owner=owner, client_id=client_id)


def serve_everybody(session: Session, client_id: str, now: dt.datetime) -> None:
    """Lift a holder's limit: it may ask about every owner again.

    :raises ServiceError: ``unknown_client``, ``not_limited``: it may already
    """
    ledger.hold(session, registry="changes")
    _check_holder(session, client_id)
    lifted = session.execute(delete(ServedRow).where(ServedRow.client_id == client_id))
    if rows_changed(lifted) == 0:
        raise ServiceError("not_limited", f"{client_id} may ask about every owner already", status=409)
    kind = Kind.HOLDER_SERVES_EVERYBODY
    ledger.append(session, kind, {"client_id": client_id}, now=now, client_id=client_id)


def _check_holder(session: Session, client_id: str) -> None:
    client = session.get(ClientRow, client_id)
    if client is None or client.role != ClientRole.HOLDER:
        raise ServiceError("unknown_client", f"{client_id} is not a data holder's client", status=404)
