"""What became of a grant, from the command line: its versions, the entries behind them, its reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from consent_service.clock import SystemClock, rfc3339
from consent_service.commands import CommandError
from consent_service.commands.database import transaction
from consent_service.config import Settings
from consent_service.grants import owning, store
from consent_service.grants.model import Grant, terms_to_json
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind

ERASED = "erased"


def history(settings: Settings, grant_id: str, *, as_json: bool) -> Iterator[str]:
    """One line a version, oldest first, with the entry that made it, and what was decided under them."""
    with transaction(settings.database_url) as session:
        grant = store.find(session, grant_id)
        if grant is None:
            raise CommandError(f"there is no grant {grant_id}")
        versions = [_told(session, one) for one in _versions(session, grant)]
        decisions = {
            kind.value: ledger.count(session, grant.owner, kind, grant_id)
            for kind in (Kind.DECISION_PERMIT, Kind.DECISION_DENY)
        }
    whose = {"grant_id": grant_id, "owner": grant.owner, "party": grant.party, "client_id": grant.client_id}
    if as_json:
        yield json.dumps(whose | {"versions": versions, "decisions": decisions})
        return
    yield f"{grant.party} ({grant.client_id}) reads of {grant.owner}"
    before: dict[str, Any] = {}
    for one in versions:
        by = f"{one['event']} by {one['actor']}" + (f": {one['reason']}" if one["reason"] else "")
        yield f"{one['version']}  {one['time']}  {one['status']}  {by}  entry {one['entry_id']}"
        for name, value in one["terms"].items():
            if before.get(name) != value:
                yield f"   {name}: {json.dumps(value, ensure_ascii=False)}"
        before = one["terms"]
    yield ", ".join(f"{count} {kind}" for kind, count in decisions.items())


def _versions(session: Session, grant: Grant) -> Iterator[Grant]:
    for number in range(1, grant.version + 1):
        if found := store.version(session, grant.owner, grant.grant_id, number):
            yield found


def _told(session: Session, grant: Grant) -> dict[str, Any]:
    row = ledger.payload(session, grant.entry_id)
    said = json.loads(row.body) if row and row.body else {}
    return {
        "version": grant.version,
        "time": rfc3339(grant.created_at),
        "status": grant.status.value,
        "event": row.kind if row else ERASED,
        "actor": said.get("actor", ERASED),
        "reason": said.get("reason", ""),
        "entry_id": grant.entry_id,
        "terms": terms_to_json(grant.terms),
    }


def revoke(settings: Settings, grant_id: str, channel: str, note: str) -> str:
    """Record an owner's word that came by phone or letter; returns a sentence."""
    with transaction(settings.database_url) as session, session.begin():
        grant = owning.revoke_heard(session, grant_id, owning.Channel(channel), note, SystemClock().now())
    return f"taken back at the word of {grant.owner}: {grant.party} reads nothing more under {grant_id}"
