"""Grants, requests and ledger lines as the templates show them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from consent_service.db import reading
from consent_service.grants import owning, register_events, store
from consent_service.grants.agreement import agreements
from consent_service.grants.model import Grant, Request, Status, Terms, terms_from_json
from consent_service.grants.receipts import CHANGES
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind
from consent_service.ledger.store import PayloadRow
from consent_service.portal import changes, words
from consent_service.registry import identifiers, parties, people
from consent_service.registry.model import Client, OrganisationRole
from consent_service.web.current import named, now
from consent_service.web.texts import day_of, format_date, gettext

DECISIONS = (Kind.DECISION_PERMIT, Kind.DECISION_DENY)
NO_CHANGES_BEFORE = 200
OPEN = frozenset({Status.ACTIVE, Status.SUSPENDED, Status.NOTIFIED})
SOON = dt.timedelta(days=30)
"""How long before its end a grant is shown as ending soon."""
Readers = Callable[[Session, str, str, dt.datetime], list[Grant]]
"""The policy engine's search: the grants under which an owner's data set may be read now."""
ERASED: dict[str, Any] = {"asked": {"party": "", "data_set": ""}, "reasons": []}
"""What is left to show of a decision whose payload was erased."""


def party(identifier: str) -> dict[str, Any]:
    """An organisation that asks or reads."""
    found = parties.organisation(reading(), identifier)
    country = identifiers.country_of(identifier)
    return {
        "name": found.name if found else identifier,
        "identifier": identifier,
        "number": identifier.partition(":")[2],
        "country": country,
        "country_name": words.country(country),
        "verified": found is not None,
        "verified_text": words.checked_by(found.verified_by) if found else "",
    }


def client_name(of: Client) -> str:
    """A client's own name, with whose it is where that is not plain from it."""
    if of.name == of.organisation.name:
        return of.name
    return gettext("%(client)s of %(organisation)s", client=of.name, organisation=of.organisation.name)


def origins(uris: Iterable[str]) -> list[str]:
    """Where the answer to a form may end up, for the page's policy."""
    parts = [urlsplit(uri) for uri in uris]
    return sorted({f"{one.scheme}://{one.netloc}" for one in parts})


def terms(of: Terms) -> dict[str, Any]:
    """Terms in plain words."""
    catalogue = words.catalogue()
    holders = parties.holders_of(reading(), of.locations)
    purpose = catalogue.purpose(of.purpose)
    language = words.language()
    sets = [(name, catalogue.data_set(name)) for name in of.datatypes]
    return {
        "purpose": {
            "name": words.purpose(catalogue, of.purpose),
            "description": purpose.description(language) if purpose else "",
        },
        "data_sets": [
            {
                "id": name,
                "name": found.name(language) if found else name,
                "description": found.description(language) if found else "",
            }
            for name, found in sets
        ],
        "period_from": of.period.start,
        "period_to": of.period.end,
        "access_text": words.access(of.access),
        "frequency": of.access.frequency.value if of.access.frequency else None,
        "frequency_text": words.unit(of.access.frequency.unit) if of.access.frequency else "",
        "valid_until": of.access.valid_until,
        "last_day": day_of(of.access.valid_until),
        "retention_text": words.retention(of.retention),
        "onward_text": words.onward([party(one)["name"] for one in of.onward_sharing]),
        "legal_basis_text": words.legal_basis(of.legal_basis),
        "message": words.message(of),
        "sources": [words.source(location, holders.get(location)) for location in of.locations],
    }


def waiting(request: Request) -> dict[str, Any]:
    """A request in the inbox."""
    return {
        "request_id": request.request_id,
        "party_name": party(request.party)["name"],
        "purpose_name": words.purpose(words.catalogue(), request.terms.purpose),
        "asked_at": request.created_at,
        "expires_at": request.expires_at,
    }


def grant(of: Grant) -> dict[str, Any]:
    """A grant in a list, with how it was used."""
    reads = ledger.payloads_of(reading(), of.owner, [Kind.DECISION_PERMIT], grant_id=of.grant_id, limit=1)
    catalogue = words.catalogue()
    asking = party(of.party)
    live = of.status is Status.ACTIVE and now() < of.terms.access.valid_until
    renewed = owning.renewal(of, now(), agreements(), reading()) if live else None
    return {
        "grant_id": of.grant_id,
        "party": of.party,
        "party_name": asking["name"],
        "party_country": asking["country"],
        "purpose_name": words.purpose(catalogue, of.terms.purpose),
        "data_set_names": [words.data_set(catalogue, name) for name in of.terms.datatypes],
        "valid_until": of.terms.access.valid_until,
        "status": of.status.value if live or of.status is not Status.ACTIVE else Status.EXPIRED.value,
        "status_text": words.status(of.status, of.terms.access.valid_until, now()),
        "reads": ledger.count(reading(), of.owner, Kind.DECISION_PERMIT, of.grant_id),
        "last_read": reads[0].time if reads else None,
        "revocable": of.status in {Status.ACTIVE, Status.SUSPENDED} and not of.by_law,
        "changeable": live and not of.by_law,
        "resumable": of.status is Status.SUSPENDED and of.reason == owning.OWNER,
        "renew_until": renewed.access.valid_until if renewed else None,
        "ends_soon": live and of.terms.access.valid_until - now() <= SOON,
        "version": of.version,
        "readable": live,
        "open": of.status in OPEN and now() < of.terms.access.valid_until,
        "by_law": of.by_law,
    }


def grants_of(owner: str) -> list[Grant]:
    """An owner's grants, newest first."""
    return store.current_of_owner(reading(), owner)


def readers_of(owner: str) -> list[dict[str, Any]]:
    """Each data set that somebody may read now, and who."""
    readers = cast("Readers", named("readers"))
    catalogue, language = words.catalogue(), words.language()
    found = [(one, readers(reading(), owner, one.id, now())) for one in catalogue.data_sets.values()]
    return [
        {
            "name": one.name(language),
            "description": one.description(language),
            "grants": [grant(of) for of in grants],
        }
        for one, grants in found
        if grants
    ]


def event(row: PayloadRow) -> dict[str, Any]:
    """A decision as a line of the activity list."""
    catalogue = words.catalogue()
    payload = json.loads(row.body) if row.body else ERASED
    asked = payload["asked"]
    start, end = (_date(asked.get(name)) for name in ("from", "to"))
    client = parties.find(reading(), asked["party"])
    return {
        "time": row.time,
        "permit": row.kind == Kind.DECISION_PERMIT,
        "party_name": client.organisation.name if client else asked["party"] or gettext("Somebody"),
        "via_name": _via(asked.get("actor")),
        "data_set_name": words.data_set(catalogue, asked["data_set"]) if row.body else gettext("erased"),
        "period_text": f"{format_date(start)} – {format_date(end)}" if start and end else "",
        "grant_id": row.grant_id,
        "purpose_name": words.purpose(catalogue, asked["purpose"]) if asked.get("purpose") else "",
        "reasons": [words.reason(reason) for reason in payload["reasons"]],
        "entry_id": row.entry_id,
    }


def _via(actor: str | None) -> str:
    """The data holder that asked in the party's place, if one did."""
    client = parties.find(reading(), actor) if actor else None
    return client.organisation.name if client else actor or ""


def history(of: Grant) -> list[dict[str, Any]]:
    """What became of a grant, newest first, and by whom."""
    rows = ledger.payloads_of(reading(), of.owner, CHANGES, grant_id=of.grant_id, limit=NO_CHANGES_BEFORE)
    texts = {
        Kind.GRANT_ACTIVATED: gettext("Access began") if of.by_law else gettext("Given"),
        Kind.GRANT_NOTIFIED: gettext("Announced by law"),
        Kind.GRANT_SUSPENDED: gettext("Suspended"),
        Kind.GRANT_RESUMED: gettext("Goes on"),
        Kind.GRANT_ENDED: gettext("Ended"),
        Kind.GRANT_REVOKED: gettext("Taken back"),
        Kind.GRANT_AMENDED: gettext("Changed"),
        Kind.GRANT_TERMINATED: gettext("Handed back"),
        Kind.GRANT_EXPIRED: gettext("Ended, because its time was over"),
        Kind.GRANT_EXHAUSTED: gettext("Ended, because everything was read once"),
    }
    lines: list[dict[str, Any]] = []
    before = None
    for number, row in enumerate(reversed(rows), of.version - len(rows) + 1):  # an entry is a version
        payload = json.loads(row.body) if row.body else {}
        given = terms_from_json(payload["terms"]) if "terms" in payload else None
        line = {
            "time": row.time,
            "text": words.why(Kind(row.kind), payload.get("reason")) or texts[Kind(row.kind)],
            "version": number,
            "by": words.channel(payload.get("channel")) or (_actor(payload) if payload else ""),
            "changes": changes.of(before, given) if before and given else [],
            "entry_id": row.entry_id,
        }
        before = given or before
        lines.insert(0, line)
    return lines


def kind_text(kind: str) -> str:
    """What an entry tells, in a few words."""
    texts = {
        Kind.DECISION_PERMIT: gettext("A read"),
        Kind.DECISION_DENY: gettext("A refusal"),
        Kind.GRANT_ACTIVATED: gettext("A grant was given"),
        Kind.GRANT_NOTIFIED: gettext("Access by law was announced"),
        Kind.GRANT_SUSPENDED: gettext("A grant was suspended"),
        Kind.GRANT_RESUMED: gettext("A suspended grant goes on"),
        Kind.GRANT_ENDED: gettext("Access by law ended"),
        Kind.OWNER_DISPUTED: gettext("It is disputed who may act for the business"),
        Kind.OWNER_SETTLED: gettext("A dispute was settled"),
        Kind.OWNER_STANDING: gettext("The business register tells something new of the business"),
        Kind.GRANT_REVOKED: gettext("A grant was taken back"),
        Kind.GRANT_AMENDED: gettext("A grant was changed"),
        Kind.GRANT_TERMINATED: gettext("A grant was handed back"),
        Kind.TOKEN_EXCHANGED: gettext("A data holder asks another one for a party"),
        Kind.GRANT_EXPIRED: gettext("A grant ended, because its time was over"),
        Kind.GRANT_EXHAUSTED: gettext("A grant ended, because everything was read once"),
        Kind.OFFER_MADE: gettext("A grant was offered"),
        Kind.OFFER_WITHDRAWN: gettext("An offer was taken back"),
        Kind.OBJECTION_RAISED: gettext("You objected to access by law"),
        Kind.REQUEST_REQUESTED: gettext("A request"),
        Kind.REQUEST_OPENED: gettext("A request was looked at"),
        Kind.REQUEST_DECLINED: gettext("A request was declined"),
        Kind.REQUEST_LAPSED: gettext("A request was not answered in time"),
        Kind.PAYLOAD_ERASED: gettext("Something was erased"),
        Kind.HOLDER_SERVES: gettext("A data holder began to serve the business"),
        Kind.HOLDER_SERVES_NO_MORE: gettext("A data holder no longer serves the business"),
    }
    return texts.get(Kind(kind), kind)


def _actor(payload: dict[str, Any]) -> str:
    person = people.find(reading(), payload["actor"])
    if payload.get("reason") in {"law", "party"}:
        return str(party(payload["party"])["name"])
    if payload["actor"] == register_events.ACTOR:
        return gettext("the business register")
    if person is None:
        return gettext("the service")
    if "role" not in payload:
        return person.name
    return f"{person.name}, {words.role(OrganisationRole(payload['role']))}"


def _date(text: object) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(text))
    except ValueError:
        return None
