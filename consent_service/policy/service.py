"""One data request, decided and recorded: the ledger's pen, the facts, the decision, the entry, the answer.

1. Take the pen: from here to the commit, no grant changes and nobody else decides.
2. Read the facts: party, grant (its current version), holder, reads so far.
3. Decide: :func:`consent_service.policy.engine.decide`, pure.
4. Append the decision with all that it was made from; count the read if it is permitted.
5. Commit. Only then does the answer leave. A crash before leaves nothing and no answer;
   a crash after leaves a recorded permit that nobody used.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.grants import service as grants
from consent_service.grants import store
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import Grant
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.model import Decision, EvaluationRequest, Facts, HolderFacts, PartyFacts, Reason
from consent_service.registry import identifiers, parties
from consent_service.registry.model import Client, ClientRole

MOST_CANDIDATES = 20
UNWRITABLE = Reason(
    "ledger-unavailable", "The decision could not be recorded, and what is not recorded is not permitted."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision and where it stands in the ledger; no entry where it could not be written."""

    decision: Decision
    entry_id: str | None
    grant_id: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions are taken by: the policy set and the catalogue beside it."""

    policies: PolicySet
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class _Made:
    """A decision with all that it was made from."""

    decision: Decision
    grant: Grant | None
    party: PartyFacts | None
    facts: Facts


def evaluate(
    request: EvaluationRequest, caller: Client, rules: Rules, clock: Callable[[], dt.datetime]
) -> Answer:
    """Decide whether a data request may pass, and record it before saying so.

    :param clock: asked once the pen is held, so that times in the ledger follow its order
    """
    try:
        with writing() as session:
            ledger.hold(session)
            now = clock()
            made = _decide(session, request, caller, rules, now)
            decision, grant = made.decision, made.grant
            entry = ledger.append(
                session,
                Kind.DECISION_PERMIT if decision else Kind.DECISION_DENY,
                _payload(request, caller, made),
                now=now,
                owner=_owner(request) or ledger.NO_OWNER,
                grant_id=grant.grant_id if grant else None,
                grant_version=grant.version if grant else None,
                client_id=caller.client_id,
                policy_digest=decision.policy_digest,
            )
            if decision and grant:
                grants.note_read(session, grant, request.resource_id, now)
        return Answer(decision, entry.entry_id, grant.grant_id if grant else None)
    except SQLAlchemyError as error:
        structlog.get_logger().error("decision not recorded", exception=type(error).__name__)
        return Answer(Decision(False, (UNWRITABLE,), (), rules.policies.digest), None, None)


def _decide(
    session: Session, request: EvaluationRequest, caller: Client, rules: Rules, now: dt.datetime
) -> _Made:
    """Decide under the grant that the request names; without one, under the first that permits."""
    party = _party(session, request)
    holder = (
        parties.find(session, caller.client_id) or caller
    )  # it may have been suspended since it signed in
    first: _Made | None = None
    for grant in _candidates(session, request, now) or [None]:
        facts = Facts(
            time=now,
            holder=_holder(session, holder, grant),
            reads=grants.reads_so_far(session, grant, request.resource_id, now) if grant else 0,
            purpose_data_sets=_needed(grant, rules.catalogue),
        )
        made = _Made(decide(request, grant, party, rules.policies, facts), grant, party, facts)
        if made.decision:
            return made
        first = first or made
    assert first is not None  # noqa: S101  (the list above has at least one member)
    return first


def _candidates(session: Session, request: EvaluationRequest, now: dt.datetime) -> list[Grant | None]:
    owner, named = _owner(request), request.context.get("grant_id")
    if owner is None or request.resource_type != "dataset":
        return []
    if isinstance(named, str):
        grant = store.current(session, owner, named)
        return [grants.settle(session, grant, now)] if grant else []
    found = store.current_of_owner(session, owner, request.subject_id)[:MOST_CANDIDATES]
    return [grants.settle(session, grant, now) for grant in found]


def _owner(request: EvaluationRequest) -> str | None:
    try:
        return identifiers.parse(request.resource_properties.get("owner"))
    except ServiceError:
        return None


def _needed(grant: Grant | None, catalogue: Catalogue) -> frozenset[str]:
    purpose = catalogue.purpose(grant.terms.purpose) if grant else None
    return purpose.data_sets if purpose else frozenset()


def _party(session: Session, request: EvaluationRequest) -> PartyFacts | None:
    client = parties.find(session, request.subject_id) if request.subject_type == "party" else None
    if client is None or client.role is not ClientRole.PARTY:
        return None
    return PartyFacts(
        client_id=client.client_id,
        organisation=client.organisation.identifier,
        status="active" if client.active else "suspended",
    )


def _holder(session: Session, caller: Client, grant: Grant | None) -> HolderFacts:
    """The authenticated holder, and which of the grant's locations it serves.

    A location belongs to the holder that registered it. One that nobody registered is
    served by a holder that registered none of its own.
    """
    locations = grant.terms.locations if grant else ()
    registered = parties.holders_of(session, locations)
    serves = {
        location
        for location in locations
        if (
            registered[location].client_id == caller.client_id
            if location in registered
            else not caller.resources
        )
    }
    return HolderFacts(
        client_id=caller.client_id,
        status="active" if caller.active else "suspended",
        serves=frozenset(serves),
    )


def _payload(request: EvaluationRequest, caller: Client, made: _Made) -> dict[str, Any]:
    """All that the decision was made from, so that it can be made again, and what the owner is shown."""
    properties, decision = request.resource_properties, made.decision
    return {
        "asked": {
            "party": request.subject_id,
            "action": request.action,
            "data_set": request.resource_id,
            "from": _text(properties.get("from")),
            "to": _text(properties.get("to")),
            "purpose": _text(request.context.get("purpose")),
            "token_jti": _text(request.context.get("token_jti")),
        },
        "holder": caller.client_id,
        # As text: a question may hold numbers that canonical JSON would not keep.
        "request": json.dumps(request.to_json(), sort_keys=True, ensure_ascii=False),
        "facts": json.dumps(made.facts.to_json(), sort_keys=True, ensure_ascii=False),
        "party": made.party.to_json() if made.party else None,
        "permit": decision.permit,
        "reasons": [{"policy": reason.policy, "text": reason.text} for reason in decision.reasons],
        "obligations": [
            {"id": one.id, "type": one.type, "properties": dict(one.properties)}
            for one in decision.obligations
        ],
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
