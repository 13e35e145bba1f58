"""Which grant a data request is decided under, and the decision: for the request path and for replay alike.

Pure but for what it is told: everything known at the moment comes from :class:`Known`, which
has two kinds, one that asks the tables and one that is rebuilt from the ledger's entries.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from consent_service.errors import ServiceError
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import Grant
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.facts import concerns_grants
from consent_service.policy.model import Decision, EvaluationRequest, Facts, HolderFacts, PartyFacts
from consent_service.registry import identifiers

MOST_CANDIDATES = 20
Decide = Callable[[EvaluationRequest, "Grant | None", "PartyFacts | None", PolicySet, Facts], Decision]
"""The engine's function, or one that remembers what it said."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions are taken by: the policy set, and the function that applies it."""

    policies: PolicySet
    decide: Decide = decide

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue that belongs to the policy set."""
        return self.policies.catalogue


@dataclass(frozen=True, slots=True)
class Made:
    """A decision with all that it was made from."""

    decision: Decision
    grant: Grant | None
    party: PartyFacts | None
    facts: Facts


class Known(Protocol):
    """What is known at the moment of a decision."""

    def party(self, client_id: str) -> PartyFacts | None:
        """The requesting party with this client id, or None."""
        ...

    def standing(self, client_id: str) -> str:
        """``active`` or ``suspended``, of the holder that asks."""
        ...

    def holders_of(self, locations: Sequence[str]) -> dict[str, str]:
        """Which holder's client registered each location; the others are left out."""
        ...

    def has_resources(self, client_id: str) -> bool:
        """Whether this holder registered any location."""
        ...

    def serves(self, client_id: str, owner: str | None) -> bool:
        """Whether this holder serves an owner: one for which none was ever recorded serves everybody."""
        ...

    def holder(self, client_id: str, locations: tuple[str, ...], *, serves_owner: bool) -> HolderFacts:
        """What :func:`holder_facts` says of these, which one that remembers need not ask again."""
        ...

    def grant(self, owner: str, grant_id: str) -> Grant | None:
        """The version of an owner's grant that counts now, or None."""
        ...

    def grants_to(self, owner: str, client_id: str) -> Sequence[Grant]:
        """The current version of each grant of an owner to a client, newest grant first."""
        ...

    def reads(self, grant: Grant, data_set: str) -> int:
        """Permitted reads in the grant's present window."""
        ...


def choose(request: EvaluationRequest, holder_id: str, known: Known, rules: Rules, now: dt.datetime) -> Made:
    """Decide under the grant that the request names; without one, under the first that permits.

    When none permits, the first one's refusal stands.
    """
    party = known.party(request.subject_id) if request.subject_type == "party" else None
    first: Made | None = None
    owner = owner_of(request)
    serves_owner = known.serves(holder_id, owner)
    for grant in _candidates(request, owner, known) or [None]:
        locations = grant.terms.locations if grant else ()
        facts = Facts(
            time=now,
            holder=known.holder(holder_id, locations, serves_owner=serves_owner),
            reads=known.reads(grant, request.resource_id) if grant else 0,
        )
        made = Made(rules.decide(request, grant, party, rules.policies, facts), grant, party, facts)
        if made.decision:
            return made
        first = first or made
    assert first is not None  # noqa: S101  (the list above has at least one member)
    return first


def owner_of(request: EvaluationRequest) -> str | None:
    """Whose data the request is about, in the identifier's one spelling; None when it does not say."""
    try:
        return identifiers.parse(request.resource_properties.get("owner"))
    except ServiceError:
        return None


def asked_of(request: EvaluationRequest) -> dict[str, str]:
    """What was asked, as the owner is shown it; empty texts where the request did not say."""
    properties, context = request.resource_properties, request.context
    return {
        "party": request.subject_id,
        "action": request.action,
        "data_set": request.resource_id,
        "from": _text(properties.get("from")),
        "to": _text(properties.get("to")),
        "purpose": _text(context.get("purpose")),
        "token_jti": _text(context.get("token_jti")),
        # Only where somebody acts for the party (RFC 8693), so that what was recorded before stays as it is.
        **({"actor": actor} if (actor := _text(context.get("actor"))) else {}),
    }


def newest_first(grants: Iterable[Grant]) -> list[Grant]:
    """Grants in the order in which they are tried: newest version first, then by id."""
    by_id = sorted(grants, key=lambda grant: grant.grant_id)
    return sorted(by_id, key=lambda grant: grant.created_at, reverse=True)


def _candidates(request: EvaluationRequest, owner: str | None, known: Known) -> list[Grant | None]:
    named = request.context.get("grant_id")
    if owner is None or not concerns_grants(request):  # grants are parties', and open data sets
        return []
    if isinstance(named, str):
        grant = known.grant(owner, named)
        return [grant] if grant else []
    return [*known.grants_to(owner, request.subject_id)[:MOST_CANDIDATES]]


def holder_facts(
    client_id: str, locations: tuple[str, ...], known: Known, *, serves_owner: bool
) -> HolderFacts:
    """The authenticated holder, whether it serves the owner, and which of the grant's locations are its own.

    A location belongs to the holder that registered it. One that nobody registered is
    served by a holder that registered none of its own.
    """
    registered = known.holders_of(locations)
    free = bool(locations) and not known.has_resources(client_id)
    serves = {one for one in locations if registered.get(one, client_id if free else None) == client_id}
    return HolderFacts(client_id, known.standing(client_id), frozenset(serves), serves_owner)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
