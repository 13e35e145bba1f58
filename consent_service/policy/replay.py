"""Deciding every recorded decision again, from the ledger's entries alone.

With the policies of the time, any difference means that an answer did not follow from the
grants and policies of its moment. With other policies, the changes say what they would have
meant, beside what was recorded or beside what a third set would have said.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from consent_service.errors import ServiceError
from consent_service.grants.catalogue import CatalogueError
from consent_service.grants.model import terms_from_json
from consent_service.grants.proposal import Proposal
from consent_service.ledger.model import Kind
from consent_service.ledger.store import NO_OWNER
from consent_service.policy.choice import Made, Rules, asked_of, choose, owner_of
from consent_service.policy.engine import PolicyError, decide_agreement
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.past import Past, Unfit
from consent_service.policy.told import Told

GIVEN = frozenset({Kind.GRANT_ACTIVATED, Kind.GRANT_NOTIFIED, Kind.GRANT_AMENDED})


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry that does not say what the entries before it make; ``member`` is where."""

    index: int | None
    entry_id: str
    member: str
    recorded: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class Changed:
    """A past decision that other policies would have taken otherwise.

    Where ``was`` and ``would_be`` are the same, its reasons or obligations would be others.
    """

    index: int | None
    entry_id: str
    party: str
    purpose: str
    owner: str
    was: bool
    would_be: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Other rules to decide by, beside what was recorded; or beside what ``instead_of`` would say."""

    rules: Rules
    instead_of: Rules | None = None


@dataclass
class Report:
    """What a replay found."""

    entries: int = 0
    decisions: int = 0
    erased: int = 0
    differences: list[Difference] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)


def replay(
    entries: Iterable[tuple[int | None, Told]],
    past: Past,
    *,
    start: int = 0,
    end: int | None = None,
    what_if: WhatIf | None = None,
) -> Iterator[Report]:
    """Go through the entries in order; yields the same growing report after each.

    1. A decision is made again on what the entries before it tell, by the rules whose digest it names.
    2. Then the entry is taken in itself.
    Entries outside ``start`` to ``end`` are taken in and not decided; those without an index
    wait for their place and come last.

    :param past: what the entries tell; the caller may hold it against the tables afterwards
    :param what_if: decide by other rules instead, and report what would have changed
    """
    report = Report()
    for index, told in entries:
        report.entries += 1
        place = index if index is not None else report.entries - 1
        try:
            if start <= place and (end is None or place <= end):
                past.now = told.time
                if told.kind.value.startswith("decision."):
                    _decide_again(report, index, told, past, what_if)
                elif told.kind in GIVEN and told.entry.get("policy_digest") and what_if is None:
                    _agree_again(report, index, told, past)
            past.tell(told)
        except (Unfit, PolicyError, CatalogueError, ServiceError, KeyError, TypeError, ValueError) as error:
            reason = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}"
            report.differences.append(
                Difference(index, str(told.entry["entry_id"]), "entry", told.kind.value, reason)
            )
        yield report


def _agree_again(report: Report, index: int | None, told: Told, past: Past) -> None:
    """Whether the policies of the moment let these terms be agreed to."""
    payload, digest = told.payload, str(told.entry["policy_digest"])
    party = past.party(payload["client_id"]) if payload else None
    rules = past.rules.get(digest)
    if payload is None or rules is None or past.out_of_date(digest):
        if payload is not None:
            difference = Difference(index, str(told.entry["entry_id"]), "policy_digest", digest, past.digest)
            report.differences.append(difference)
        return
    signed_in_at = payload.get("signed_in_at")
    proposal = Proposal(
        terms=terms_from_json(dict(payload["terms"])),
        client_id=payload["client_id"],
        organisation=party.organisation if party else "",
        status=party.status if party else "unknown",
        licences=party.licences if party else frozenset(),
        time=told.time,
        owner_disputed=told.owner in past.registry.disputed,
        signed_in_at=dt.datetime.fromisoformat(signed_in_at) if signed_in_at else None,
    )
    decision = decide_agreement(proposal, rules.policies)
    if not decision:
        why = ", ".join(one.policy for one in decision.reasons)
        report.differences.append(Difference(index, str(told.entry["entry_id"]), "agreement", "agreed", why))


def _decide_again(report: Report, index: int | None, told: Told, past: Past, what_if: WhatIf | None) -> None:
    payload, entry_id = told.payload, str(told.entry["entry_id"])
    request = EvaluationRequest.from_json(_read(payload["request"])) if payload else None
    if payload is None or request is None or past.unknown(told.owner, request.context.get("grant_id")):
        report.erased += 1
        return
    report.decisions += 1
    if what_if is not None:
        _decide_otherwise(report, index, told, request, past, what_if)
        return
    digest = told.entry.get("policy_digest")
    rules = past.rules.get(str(digest))
    if rules is None:
        missing = "its policy set was never published with its files"
        report.differences.append(Difference(index, entry_id, "policy_digest", digest, missing))
        return
    if past.out_of_date(str(digest)):
        report.differences.append(Difference(index, entry_id, "policy_digest", digest, past.digest))
    made = choose(request, payload["holder"], past, rules, told.time)
    for member, recorded, replayed in _members(told, payload, request, made):
        if recorded != replayed:
            report.differences.append(Difference(index, entry_id, member, recorded, replayed))


def _read(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:  # a number that only Python's own reader takes, as it wrote it
        return json.loads(text)


def _members(
    told: Told, payload: Mapping[str, Any], request: EvaluationRequest, made: Made
) -> Iterator[tuple[str, Any, Any]]:
    """What was recorded beside what was made again, member by member."""
    decision, grant = made.decision, made.grant
    yield "owner", told.owner, owner_of(request) or NO_OWNER
    yield "client_id", told.entry.get("client_id"), payload["holder"]
    yield "asked", payload["asked"], asked_of(request)
    yield "kind", told.entry["kind"], "decision.permit" if decision else "decision.deny"
    yield "permit", payload["permit"], decision.permit
    yield "grant_id", told.entry.get("grant_id"), grant.grant_id if grant else None
    yield "grant_version", told.entry.get("grant_version"), grant.version if grant else None
    yield "party", payload["party"], made.party.to_json() if made.party else None
    facts = made.facts.to_json()
    # Older entries hold more than is needed; what follows from the published catalogue is made anew.
    yield "facts", {name: _read(payload["facts"]).get(name) for name in facts}, facts
    yield (
        "reasons",
        payload["reasons"],
        [{"policy": one.policy, "text": one.text} for one in decision.reasons],
    )
    yield (
        "obligations",
        payload["obligations"],
        [
            {"id": one.id, "type": one.type, "properties": dict(one.properties)}
            for one in decision.obligations
        ],
    )


def _decide_otherwise(
    report: Report, index: int | None, told: Told, request: EvaluationRequest, past: Past, what_if: WhatIf
) -> None:
    """Note what other rules would have changed: the answer, or beside other rules any of it."""
    payload = told.payload or {}
    made = choose(request, payload["holder"], past, what_if.rules, told.time)
    was = bool(payload["permit"])
    changes = made.decision.permit is not was
    if what_if.instead_of is not None:
        before = choose(request, payload["holder"], past, what_if.instead_of, told.time).decision
        was = before.permit
        changes = replace(made.decision, policy_digest="") != replace(before, policy_digest="")
    if changes:
        report.changed.append(
            Changed(
                index=index,
                entry_id=str(told.entry["entry_id"]),
                party=str(payload["asked"]["party"]),
                purpose=made.grant.terms.purpose if made.grant else str(payload["asked"]["purpose"]),
                owner=told.owner,
                was=was,
                would_be=made.decision.permit,
                reasons=tuple(one.policy for one in made.decision.reasons),
            )
        )
