"""Receipts of grants as they stand: gathered from the grant's versions and their ledger entries."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy.orm import Session

from consent_service.grants import store
from consent_service.grants.agreement import agreements
from consent_service.grants.model import Grant
from consent_service.grants.receipt import Happened, Party, receipt
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import parties, people

CHANGES = tuple(kind for kind in Kind if kind.value.startswith("grant."))
MIMETYPE = "application/ld+json"


def of(session: Session, grant: Grant, issuer: str) -> dict[str, Any]:
    """The receipt of a grant, up to the version given; whoever may see the grant may have it."""
    versions = store.versions(session, grant.owner, grant.grant_id)
    rows = ledger.payloads_of(session, grant.owner, CHANGES, grant_id=grant.grant_id, limit=len(versions))
    entries = {one.entry_id: one for one in rows}
    events = []
    for version in versions:
        row = entries.get(version.entry_id)
        told = orjson.loads(row.body) if row is not None and row.body else {}
        events.append(
            Happened(
                row.kind if row is not None else "",
                version.created_at,
                version.version,
                version.entry_id,
                version.status,
                told.get("role") or told.get("reason", ""),
            )
        )
    party = parties.organisation(session, grant.party)
    return receipt(
        grant,
        Party(grant.owner, people.owner_name(session, grant.owner)),
        Party(grant.party, party.name if party else ""),
        events,
        agreements().catalogue(session),
        issuer,
    )
