"""Grant, party and moment in the words of the ``party`` reads ``dataset`` schema.

What is said here wins over whatever the caller sent under the same names.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from consent_service.grants.model import Grant, Mode
from consent_service.policy.model import EvaluationRequest, Facts, Obligation, PartyFacts

PARTY, DATASET = "party", "dataset"
OURS = frozenset({"grant", "caller", "time", "reads", "purpose_data_sets", "action"})
"""Context members that only we may state."""
UNKNOWN_PARTY = {"organisation": "", "status": "unknown"}
LOOK_ONLY = "P0D"


def concerns_grants(request: EvaluationRequest) -> bool:
    """Whether the question is about business data, so that the ledger's facts belong to it."""
    return request.subject_type == PARTY and request.resource_type == DATASET


def subject(party: PartyFacts | None, subject_id: str) -> dict[str, Any]:
    """The party's attributes: the registry's, never the caller's, and never another party's."""
    return party.to_json() if party and party.client_id == subject_id else dict(UNKNOWN_PARTY)


def context(grant: Grant | None, facts: Facts) -> dict[str, Any]:
    """The context members that only we may state."""
    ours: dict[str, Any] = {
        "time": moment(facts.time),
        "caller": facts.to_json()["holder"],
        "reads": facts.reads,
        "purpose_data_sets": sorted(facts.purpose_data_sets),
    }
    if grant is not None:
        ours["grant"] = _grant(grant)
    return ours


def obligations(grant: Grant) -> tuple[Obligation, ...]:
    """What a read under this grant binds the party to (AuthZEN obligations profile, draft 1)."""
    terms = grant.terms
    keep = (
        Obligation("retention", "do_not_store", {})
        if terms.retention == LOOK_ONLY
        else Obligation("retention", "delete_after", {"duration": terms.retention})
    )
    return keep, Obligation("purpose", "use_only_for", {"purpose": terms.purpose})


def moment(at: dt.datetime) -> str:
    """A moment as Cedar's datetime() reads it: UTC, to the millisecond."""
    utc = at.astimezone(dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def limit(grant: Grant) -> int | None:
    """How many reads of each data set a grant allows in one window; None where it sets no limit."""
    access = grant.terms.access
    if access.mode is Mode.ONCE:
        return 1
    if access.frequency:
        return access.frequency.value
    return 0 if access.mode is Mode.RECURRING else None  # "how often" was never said, so not at all


def _grant(grant: Grant) -> dict[str, Any]:
    terms = grant.terms
    document: dict[str, Any] = {
        "id": grant.grant_id,
        "status": grant.status.value,
        "owner": grant.owner,
        "party": grant.client_id,
        "organisation": grant.party,
        "purpose": terms.purpose,
        "data_sets": list(terms.datatypes),
        "actions": list(terms.actions),
        "locations": list(terms.locations),
        "from": terms.period.start.isoformat(),
        "to": terms.period.end.isoformat(),
        "valid_until": moment(terms.access.valid_until),
    }
    if (most := limit(grant)) is not None:
        document["limit"] = most
    return document
