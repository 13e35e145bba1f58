"""Grant, party and moment in the words of the ``party`` reads ``dataset`` schema.

What is said here wins over whatever the caller sent under the same names.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from consent_service.grants import bounds
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import Access, Grant, Mode, Terms
from consent_service.grants.proposal import Proposal
from consent_service.policy.model import EvaluationRequest, Facts, Obligation, PartyFacts

PARTY, DATASET, TERMS, AGREE = "party", "dataset", "terms", "agree"
OURS = frozenset({"grant", "caller", "time", "reads", "bounds", "confirm_by", "action", "purpose_data_sets"})
"""Context members that only we may state."""
UNKNOWN_PARTY: dict[str, Any] = {"organisation": "", "status": "unknown", "licences": []}
LOOK_ONLY = "P0D"


def concerns_grants(request: EvaluationRequest) -> bool:
    """Whether the question is about business data, so that the ledger's facts belong to it."""
    return request.subject_type == PARTY and request.resource_type == DATASET


def subject(party: PartyFacts | None, subject_id: str) -> dict[str, Any]:
    """The party's attributes: the registry's, never the caller's, and never another party's."""
    known = party.to_json() if party and party.client_id == subject_id else {}
    return UNKNOWN_PARTY | known


def context(grant: Grant | None, data_set: str, facts: Facts, catalogue: Catalogue) -> dict[str, Any]:
    """The context members that only we may state, for a read."""
    ours: dict[str, Any] = {
        "time": moment(facts.time),
        "caller": facts.holder.to_json() | {"serves_owner": facts.holder.serves_owner},
        "reads": facts.reads,
    }
    if grant is not None:
        far = bounds.bounds_of(grant.terms, grant.given_at, catalogue)
        # Named apart for policy sets that were published before "bounds" was.
        ours["purpose_data_sets"] = sorted(far.data_sets) if far else []
        ours["bounds"] = _bounds(far) if far else None
        until = bounds.confirm_by(grant.terms, grant.given_at, data_set, catalogue)
        ours["confirm_by"] = moment(until) if until else None
        ours["grant"] = grant_facts(grant)
    return ours


def agreement(proposal: Proposal, catalogue: Catalogue) -> dict[str, Any]:
    """The context of terms that are to be agreed to."""
    terms = proposal.terms
    far = bounds.bounds_of(terms, proposal.time, catalogue)
    return {
        "time": moment(proposal.time),
        "grant": {
            **_terms(terms),
            "id": "",
            "status": "requested",
            "reason": "",
            "owner": terms.owner or "",
            "party": proposal.client_id,
            "organisation": proposal.organisation,
        },
        "bounds": _bounds(far) if far else None,
        "owner_status": "disputed" if proposal.owner_disputed else "active",
        "signed_in_at": moment(proposal.signed_in_at) if proposal.signed_in_at else None,
        "sensitive": any(
            bounds.confirm_by(terms, proposal.time, name, catalogue) is not None for name in terms.datatypes
        ),
    }


def obligations(grant: Grant, data_set: str, catalogue: Catalogue) -> tuple[Obligation, ...]:
    """What a read of this data set binds to (AuthZEN obligations profile, draft 1).

    ``mask`` is the holder's to do; the others it tells the party.
    """
    terms = grant.terms
    keep = (
        Obligation("retention", "do_not_store", ())
        if terms.retention == LOOK_ONLY
        else Obligation("retention", "delete_after", (("duration", terms.retention),))
    )
    use = Obligation("purpose", "use_only_for", (("purpose", terms.purpose),))
    more: list[Obligation] = []
    if terms.onward_sharing:
        recipients = " ".join(terms.onward_sharing)
        more.append(Obligation("onward_sharing", "share_only_with", (("organisations", recipients),)))
    purpose = catalogue.purpose(terms.purpose)
    if purpose and (members := purpose.masks.get(data_set)):
        more.append(Obligation("mask", "mask", (("members", " ".join(members)),)))
    return keep, use, *more


def moment(at: dt.datetime) -> str:
    """A moment as Cedar's datetime() reads it: UTC, to the millisecond."""
    utc = at.astimezone(dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def limit(access: Access) -> int | None:
    """How many reads of each data set are allowed in one window; None where there is no limit."""
    if access.mode is Mode.ONCE:
        return 1
    if access.frequency:
        return access.frequency.value
    return 0 if access.mode is Mode.RECURRING else None  # "how often" was never said, so not at all


def grant_facts(of: Grant) -> dict[str, Any]:
    """All that policies are told of a grant."""
    return {
        **_terms(of.terms),
        "id": of.grant_id,
        "status": of.status.value,
        "reason": of.reason,
        "owner": of.owner,
        "party": of.client_id,
        "organisation": of.party,
    }


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "owner_country": bounds.country(terms),
        "purpose": terms.purpose,
        "legal_basis": terms.legal_basis,
        "data_sets": list(terms.datatypes),
        "actions": list(terms.actions),
        "locations": list(terms.locations),
        "onward_sharing": list(terms.onward_sharing),
        "retention_days": bounds.retention_days(terms),
        "from": terms.period.start.isoformat(),
        "to": terms.period.end.isoformat(),
        "valid_until": moment(terms.access.valid_until),
        "limit": limit(terms.access),
        "unit": terms.access.frequency.unit.value if terms.access.frequency else None,
    }


def _bounds(far: bounds.Bounds) -> dict[str, Any]:
    law = far.law
    return {
        "data_sets": sorted(far.data_sets),
        "legal_bases": sorted(far.legal_bases),
        # A licence is for who asks an owner; a law names its authorities.
        "licence": far.licence or None if law is None else None,
        "onward_sharing": far.onward_sharing,
        "period_before": far.period_before.isoformat(),
        "access_before": moment(far.access_before),
        "retention_days": far.retention_days,
        "most_reads": far.most_reads,
        "reads": far.reads,
        "law": {
            "country": law.country,
            "authorities": sorted(law.authorities),
            "data_sets": sorted(law.limits.data_sets),
            "unit": law.limits.most_often.unit.value if law.limits.most_often else None,
        }
        if law
        else None,
    }
