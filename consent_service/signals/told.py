"""From what happened to what others are told: which event, about whom, to which receiver.

Nothing here asks the database or the clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consent_service.grants.model import Status
from consent_service.ledger.model import Kind
from consent_service.registry.acquaintances import AcquaintanceRow
from consent_service.registry.occurrences import Happening, OccurrenceRow
from consent_service.signals.model import Event, EventType, opaque, person


@dataclass(frozen=True, slots=True)
class GrantChange:
    """What a kind of entry means for the grant, who began it, and a sentence for the receiver's log."""

    status: Status | None
    """None where the grant stays as it is."""
    initiating_entity: str | None
    """None where the entry alone does not tell: owners, operators and registers all let grants rest."""
    reason: str


GRANT_CHANGES: dict[Kind, GrantChange] = {
    Kind.GRANT_NOTIFIED: GrantChange(
        Status.NOTIFIED, "policy", "The owner was given notice of access by law."
    ),
    Kind.GRANT_ACTIVATED: GrantChange(Status.ACTIVE, "user", "The grant is in force."),
    Kind.OBJECTION_RAISED: GrantChange(None, "user", "The owner objects to access by law."),
    Kind.GRANT_SUSPENDED: GrantChange(Status.SUSPENDED, None, "The grant is suspended."),
    Kind.GRANT_RESUMED: GrantChange(Status.ACTIVE, None, "The grant is in force again."),
    Kind.GRANT_REVOKED: GrantChange(Status.REVOKED, "user", "The owner took the grant back."),
    Kind.GRANT_AMENDED: GrantChange(Status.ACTIVE, "user", "The owner agreed to other terms."),
    Kind.GRANT_TERMINATED: GrantChange(Status.TERMINATED, "system", "The party handed the grant back."),
    Kind.GRANT_EXPIRED: GrantChange(Status.EXPIRED, "system", "The grant's time is over."),
    Kind.GRANT_EXHAUSTED: GrantChange(Status.EXHAUSTED, "system", "What was granted has been read."),
    Kind.GRANT_ENDED: GrantChange(Status.ENDED, "system", "Access by law has ended."),
}
"""Every change of a grant, as its entry tells it without the payload: no person and no data is named."""


def of_entry(entry: Mapping[str, Any], when: dt.datetime) -> tuple[str, Event] | None:
    """The event of a ledger entry and the client that it is for; None where an entry is nobody's business.

    A grant is told of to the client of the party that holds it, and to nobody else. The subject is
    the grant's id, which means nothing to others (``token-claims-change``, CAEP section 3.2).

    :param entry: the entry's public members
    :param when: its time
    """
    change = GRANT_CHANGES.get(entry["kind"])
    client_id, grant_id = entry.get("client_id"), entry.get("grant_id")
    if change is None or client_id is None or grant_id is None:
        return None
    changed = {"grant_id": grant_id}
    if change.status is None:
        changed["entry_id"] = entry["entry_id"]
    else:
        changed |= {"grant_version": entry.get("grant_version"), "grant_status": change.status.value}
    members = {"claims": changed, **_common(change.initiating_entity, change.reason, when)}
    event = Event(EventType.TOKEN_CLAIMS_CHANGE, opaque(str(grant_id)), entry["entry_id"], members)
    return str(client_id), event


CREDENTIALS = {
    Happening.PASSKEY_ADDED: ("create", "The person added a passkey."),
    Happening.PASSKEY_REMOVED: ("delete", "The person removed a passkey."),
}


def of_occurrence(
    row: OccurrenceRow, known_to: Sequence[AcquaintanceRow], issuer: str
) -> Iterator[tuple[str, Event]]:
    """The events of what happened to a person, one for each client that knows them.

    Each client is told in its own words: under the subject, and the session, that it knows.
    """
    kind = Happening(row.kind)
    for one in known_to:
        if row.sessions is not None and one.client_id not in row.sessions:
            continue
        sid = (row.sessions or {}).get(one.client_id)
        if kind in CREDENTIALS:
            change, reason = CREDENTIALS[kind]
            members = {
                "credential_type": row.about,
                "change_type": change,
                **_common("user", reason, row.time),
            }
            event = Event(
                EventType.CREDENTIAL_CHANGE, person(issuer, one.subject), row.occurrence_id, members
            )
        else:
            members = _common("user", "The person signed out.", row.time)
            subject = person(issuer, one.subject, sid)
            event = Event(EventType.SESSION_REVOKED, subject, row.occurrence_id, members)
        yield one.client_id, event


def _common(entity: str | None, reason: str, when: dt.datetime) -> dict[str, Any]:
    """CAEP section 2; ``reason_admin`` is never empty (CAEP interop sections 3.1 and 3.2)."""
    began = {"initiating_entity": entity} if entity else {}
    return {"event_timestamp": int(when.timestamp()), **began, "reason_admin": {"en": reason}}
