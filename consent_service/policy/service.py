"""One data request, decided and recorded: the locks, the facts, the decision, the entry, the answer.

1. Hold the owner and the registry: from here to the commit, nothing that counts changes.
2. Read the facts: party, grant (its current version), holder, reads so far.
3. Decide: :func:`consent_service.policy.choice.choose`, which decides by a pure function.
4. Append the decision with all that it was made from; count the read if it is permitted.
5. Commit, together with whoever decides at the same moment. Only then does the answer leave.
   A crash before leaves nothing and no answer; a crash after leaves a recorded permit that
   nobody used.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.db import together
from consent_service.grants import service as grants
from consent_service.grants import store
from consent_service.grants.model import Grant
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.ledger.store import NO_OWNER, LedgerHalted
from consent_service.policy.choice import Made, Rules, asked_of, choose, newest_first, owner_of
from consent_service.policy.model import Decision, EvaluationRequest, PartyFacts, Reason
from consent_service.registry import parties
from consent_service.registry.model import Client, ClientRole, Standing
from consent_service.registry.parties import Part

UNWRITABLE = Reason(
    "ledger-unavailable", "The decision could not be recorded, and what is not recorded is not permitted."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision and where it stands in the ledger; no entry where it could not be written."""

    decision: Decision
    entry_id: str | None
    grant_id: str | None


def evaluate(
    request: EvaluationRequest, caller: Client, rules: Rules, clock: Callable[[], dt.datetime]
) -> Answer:
    """Decide whether a data request may pass, and record it before saying so.

    :param clock: asked once the locks are held, so that times in the ledger follow its order
    """
    [answer] = evaluate_all([request], caller, rules, clock)
    return answer


def evaluate_all(
    requests: Sequence[EvaluationRequest],
    caller: Client,
    rules: Rules,
    clock: Callable[[], dt.datetime],
    stop_at: bool | None = None,  # noqa: FBT001
) -> list[Answer]:
    """Decide several requests in one transaction, in order; what one uses up, the next one lacks.

    :param stop_at: stop after the first decision that is this one; what comes after it is neither
        decided nor recorded
    """

    def work(session: Session) -> list[Answer]:
        answers: list[Answer] = []
        known = Tables(session, caller, clock())
        for request in requests:
            known = replace(known, now=clock())
            answers.append(_record(known, request, rules))
            if answers[-1].decision.permit is stop_at:
                break
        return answers

    owners = {owner for one in requests if (owner := owner_of(one)) is not None}
    try:
        return together(work, *map(ledger.of_owner, owners), shared=[ledger.REGISTRY])
    except (SQLAlchemyError, LedgerHalted) as error:
        structlog.get_logger().error("decision not recorded", exception=type(error).__name__)
        denied = Answer(Decision(False, (UNWRITABLE,), (), rules.policies.digest), None, None)
        return [denied] * (1 if stop_at is False else len(requests))


def _record(known: Tables, request: EvaluationRequest, rules: Rules) -> Answer:
    session, caller, now = known.session, known.caller, known.now
    made = choose(request, caller.client_id, known, rules, now)
    decision, grant = made.decision, made.grant
    entry = ledger.append(
        session,
        Kind.DECISION_PERMIT if decision else Kind.DECISION_DENY,
        payload_of(request, caller.client_id, made),
        now=now,
        owner=owner_of(request) or NO_OWNER,
        grant_id=grant.grant_id if grant else None,
        grant_version=grant.version if grant else None,
        client_id=caller.client_id,
        policy_digest=decision.policy_digest,
    )
    if decision and grant:
        grants.note_read(session, grant, request.resource_id, now)
    return Answer(decision, entry.entry_id, grant.grant_id if grant else None)


@dataclass(frozen=True, slots=True)
class Tables:
    """What the tables know at this moment (:class:`consent_service.policy.choice.Known`).

    A grant whose time is over is ended here, before anything is decided under it. Who takes part
    is looked up once: the registry's lock keeps it as it is for as long as the transaction lives.
    """

    session: Session
    caller: Client
    now: dt.datetime
    settle: Callable[[Session, Grant, dt.datetime], Grant] = grants.settle
    parts: dict[str, Part | None] = field(default_factory=dict)
    served: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    def party(self, client_id: str) -> PartyFacts | None:
        part = self._part(client_id)
        if part is None or part.role != ClientRole.PARTY:
            return None
        return PartyFacts(client_id, part.organisation, _standing(active=part.active))

    def standing(self, client_id: str) -> str:
        part = self._part(client_id)  # it may have been suspended since it signed in
        return _standing(active=part.active if part else self.caller.active)

    def holders_of(self, locations: Sequence[str]) -> dict[str, str]:
        key = tuple(locations)
        if key not in self.served:
            self.served[key] = parties.served_by(self.session, locations) if locations else {}
        return self.served[key]

    def has_resources(self, client_id: str) -> bool:
        return parties.serves_any(self.session, client_id)

    def grant(self, owner: str, grant_id: str) -> Grant | None:
        found = store.current(self.session, owner, grant_id)
        return self.settle(self.session, found, self.now) if found else None

    def grants_to(self, owner: str, client_id: str) -> Sequence[Grant]:
        found = store.current_of_owner(self.session, owner, client_id)
        settled = [self.settle(self.session, one, self.now) for one in found]
        return newest_first(settled)  # again: a grant that was ended just now has a new version

    def reads(self, grant: Grant, data_set: str) -> int:
        return grants.reads_so_far(self.session, grant, data_set, self.now)

    def _part(self, client_id: str) -> Part | None:
        if client_id not in self.parts:
            self.parts[client_id] = parties.part_of(self.session, client_id)
        return self.parts[client_id]


def _standing(*, active: bool) -> str:
    return (Standing.ACTIVE if active else Standing.SUSPENDED).value


def payload_of(request: EvaluationRequest, holder_id: str, made: Made) -> dict[str, Any]:
    """All that the decision was made from, so that it can be made again, and what the owner is shown."""
    decision = made.decision
    return {
        "asked": asked_of(request),
        "holder": holder_id,
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
