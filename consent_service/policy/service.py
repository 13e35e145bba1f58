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
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.clock import rfc3339
from consent_service.db import together
from consent_service.grants import service as grants
from consent_service.grants import store
from consent_service.grants.model import Grant
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind, canonical
from consent_service.ledger.store import NO_OWNER, LedgerHalted
from consent_service.policy.choice import Made, asked_of, choose, holder_facts, newest_first, owner_of
from consent_service.policy.engine import UNWRITABLE
from consent_service.policy.model import Decision, EvaluationRequest, Facts, HolderFacts, PartyFacts
from consent_service.policy.rulebook import Rulebook, Seen
from consent_service.registry.model import Client, ClientRole, Standing


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision and where it stands in the ledger; no entry where it could not be written.

    ``named`` says that the request itself named the grant, and did not only happen upon it.
    """

    decision: Decision
    entry_id: str | None
    grant: Grant | None
    named: bool = False

    @property
    def grant_id(self) -> str | None:
        """The grant under which it was decided."""
        return self.grant.grant_id if self.grant else None


@dataclass(frozen=True, slots=True)
class Holder:
    """The client that asks, and the epoch in which it proved who it is."""

    client: Client
    epoch: int


class Stale(Exception):
    """Something changed since the holder proved who it is: it has to be looked at again."""


def evaluate(
    request: EvaluationRequest, holder: Holder, book: Rulebook, clock: Callable[[], dt.datetime]
) -> Answer:
    """Decide whether a data request may pass, and record it before saying so.

    :param clock: asked once the locks are held, so that times in the ledger follow its order
    :raises Stale: nothing was decided
    """
    [answer] = evaluate_all([request], holder, book, clock)
    return answer


def evaluate_all(
    requests: Sequence[EvaluationRequest],
    holder: Holder,
    book: Rulebook,
    clock: Callable[[], dt.datetime],
    stop_at: bool | None = None,  # noqa: FBT001
    share: Callable[..., list[Answer]] = together,
) -> list[Answer]:
    """Decide several requests in one transaction, in order; what one uses up, the next one lacks.

    :param stop_at: stop after the first decision that is this one; what comes after it is neither
        decided nor recorded
    :param share: :func:`consent_service.db.together`, or the like for who has no request of Flask's
    :raises Stale: nothing was decided
    """

    def work(session: Session) -> list[Answer]:
        # One look for all who share the transaction: its lock keeps the epoch until the end.
        seen = session.info.get(book) or session.info.setdefault(book, book.seen(session))
        if seen.epoch != holder.epoch:
            raise Stale
        answers: list[Answer] = []
        known = Tables(session, seen, clock())
        if len(requests) > 1:
            known.found |= dict.fromkeys(named) | store.current_of(session, named)
        for request in requests:
            answers.append(_record(known, request, holder.client.client_id))
            if answers[-1].decision.permit is stop_at:
                break
        return answers

    asked = [(owner, one.context.get("grant_id")) for one in requests if (owner := owner_of(one)) is not None]
    named = {(owner, name) for owner, name in asked if isinstance(name, str)}
    owners = {owner for owner, _name in asked}
    try:
        return share(work, *map(ledger.of_owner, owners), shared=[ledger.REGISTRY])
    except (SQLAlchemyError, LedgerHalted) as error:
        structlog.get_logger().error("decision not recorded", exception=type(error).__name__)
        digest = book.latest.rules.policies.digest
        denied = Answer(Decision(False, (UNWRITABLE,), (), digest), None, None)
        return [denied] * (1 if stop_at is False else len(requests))


def _record(known: Tables, request: EvaluationRequest, holder_id: str) -> Answer:
    session, now = known.session, known.now
    made = choose(request, holder_id, known, known.seen.rules, now)
    decision, grant = made.decision, made.grant
    owner = owner_of(request) or NO_OWNER
    entry = ledger.append_written(
        session,
        Kind.DECISION_PERMIT if decision else Kind.DECISION_DENY,
        written(request, holder_id, made, owner),
        now=now,
        owner=owner,
        grant_id=grant.grant_id if grant else None,
        grant_version=grant.version if grant else None,
        client_id=holder_id,
        policy_digest=decision.policy_digest,
    )
    if decision and grant:
        known.note_read(grant, request.resource_id)
    return Answer(decision, entry.entry_id, grant, named=isinstance(request.context.get("grant_id"), str))


@dataclass(slots=True)
class Tables:
    """What the tables know at this moment (:class:`consent_service.policy.choice.Known`).

    A grant whose time is over is ended here, before anything is decided under it. Who takes part
    comes from what was seen in this epoch: the registry's lock keeps it as it is for as long as
    the transaction lives. A grant is read once a transaction: its owner is locked.
    """

    session: Session
    seen: Seen
    now: dt.datetime
    settle: Callable[[Session, Grant, dt.datetime], Grant] = grants.settle
    found: dict[tuple[str, str], Grant | None] = field(default_factory=dict)
    parties: dict[str, PartyFacts | None] = field(default_factory=dict)

    def party(self, client_id: str) -> PartyFacts | None:
        if client_id not in self.parties:
            self.parties[client_id] = self._party(client_id)
        return self.parties[client_id]

    def _party(self, client_id: str) -> PartyFacts | None:
        part = self.seen.part(self.session, client_id)
        if part is None or part.role != ClientRole.PARTY:
            return None
        licences = part.licences_at(self.now)
        return PartyFacts(client_id, part.organisation, _standing(active=part.active), licences)

    def standing(self, client_id: str) -> str:
        part = self.seen.part(self.session, client_id)
        return _standing(active=part is not None and part.active)

    def holders_of(self, locations: Sequence[str]) -> dict[str, str]:
        return self.seen.served_by(self.session, tuple(locations))

    def has_resources(self, client_id: str) -> bool:
        return self.seen.has_resources(self.session, client_id)

    def serves(self, client_id: str, owner: str | None) -> bool:
        return self.seen.serves(self.session, client_id, owner)

    def holder(self, client_id: str, locations: tuple[str, ...], *, serves_owner: bool) -> HolderFacts:
        name = (client_id, locations, serves_owner)
        return self.seen.holder(
            name, lambda: holder_facts(client_id, locations, self, serves_owner=serves_owner)
        )

    def grant(self, owner: str, grant_id: str) -> Grant | None:
        key = (owner, grant_id)
        if key not in self.found:
            self.found[key] = store.current(self.session, owner, grant_id)
        grant = self.found[key]
        if grant is not None and grants.due(grant, self.now):
            grant = self.found[key] = self.settle(self.session, grant, self.now)
        return grant

    def grants_to(self, owner: str, client_id: str) -> Sequence[Grant]:
        found = store.current_of_owner(self.session, owner, client_id)
        settled = [self.settle(self.session, one, self.now) for one in found]
        self.found.clear()  # what was settled here has a new version
        return newest_first(settled)  # again: a grant that was ended just now has a new version

    def reads(self, grant: Grant, data_set: str) -> int:
        return grants.reads_so_far(self.session, grant, data_set, self.now)

    def note_read(self, grant: Grant, data_set: str) -> None:
        """Count a permitted read; it may use the grant up."""
        if grants.note_read(self.session, grant, data_set, self.now):
            self.found.pop((grant.owner, grant.grant_id), None)


def _standing(*, active: bool) -> str:
    return (Standing.ACTIVE if active else Standing.SUSPENDED).value


def written(request: EvaluationRequest, holder_id: str, made: Made, owner: str) -> bytes:
    """All that the decision was made from, so that it can be made again, and what the owner is shown.

    As canonical JSON: everything in it is a text, and of what is the same in most decisions the
    bytes are kept. A property test holds it against the encoder that checks.
    """
    obligations, reasons = _said(made.decision)
    payload = {
        "asked": asked_of(request),
        "facts": _facts(made.facts),
        "holder": holder_id,
        "obligations": obligations,
        "owner": owner,
        "party": _party(made.party),
        "permit": made.decision.permit,
        "reasons": reasons,
        # As text: a question may hold numbers that canonical JSON would not keep.
        "request": _text(request.to_json()),
    }
    return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)


def _facts(facts: Facts) -> str:
    """``facts.to_json()`` as a text; most decisions have the holder of another."""
    return f'{{"holder":{_holder(facts.holder)},"reads":{facts.reads},"time":"{rfc3339(facts.time)}"}}'


@lru_cache(maxsize=4096)
def _holder(holder: HolderFacts) -> str:
    return _text(holder.to_json())


@lru_cache(maxsize=4096)
def _party(party: PartyFacts | None) -> orjson.Fragment:
    return orjson.Fragment(canonical(party.to_json()) if party else b"null")


@lru_cache(maxsize=4096)
def _said(decision: Decision) -> tuple[orjson.Fragment, orjson.Fragment]:
    obligations = [
        {"id": one.id, "type": one.type, "properties": dict(one.properties)} for one in decision.obligations
    ]
    reasons = [{"policy": one.policy, "text": one.text} for one in decision.reasons]
    return _fragment(obligations), _fragment(reasons)


def _fragment(part: list[dict[str, Any]]) -> orjson.Fragment:
    return orjson.Fragment(canonical({"": part})[4:-1])


def _text(document: dict[str, Any]) -> str:
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # a number that only Python's own writer takes
        return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
