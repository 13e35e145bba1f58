"""A decision as AuthZEN's answer, in the caller's language (Authorization API 1.0 section 5.5)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from consent_service.clock import rfc3339
from consent_service.grants.model import Grant, window_end
from consent_service.policy.model import Decision, Reason
from consent_service.policy.service import Answer
from consent_service.policy.texts import Texts

OBLIGATIONS = ("delete_after", "do_not_store", "mask", "share_only_with", "step-up", "use_only_for")
"""Types of obligations that an answer can carry (obligations profile, ``supported_obligations``)."""
STRANGERS = frozenset({"party-matches", "owner-matches", "holder-serves"})
"""Reasons with which nothing is said of the grant's terms: it is not about those who ask."""
OUTSIDERS = frozenset({"holder-active", "holder-is-caller", "holder-serves-owner"})
"""Reasons that a holder is told alone: who has a grant from whom is not its to know."""


def answer(of: Answer, texts: Texts, language: str, now: dt.datetime) -> dict[str, Any]:
    """The JSON of one evaluation.

    1. Reasons are the policies that decided, with their text, and what would make each pass.
       A holder that has no business asking is told that, and nothing else; the ledger has it all.
    2. Obligations bind whoever gets the answer, on a deny too; a step-up names what is missing.
    """
    decision = of.decision
    outside = tuple(one for one in decision.reasons if one.policy in OUTSIDERS)
    context: dict[str, Any] = {
        "id": of.entry_id,
        "reasons": [_reason(one, texts, language) for one in outside or decision.reasons],
        "obligations": [
            {"id": one.id, "type": one.type, "properties": dict(one.properties)}
            for one in decision.obligations
        ],
        "policy_digest": decision.policy_digest,
    }
    if of.grant and not outside:
        context["grant_id"] = of.grant.grant_id
    if of.entry_id:
        context["entry_id"] = of.entry_id
    else:
        context["error"] = {"status": 503, "message": decision.reasons[0].text}
    if not decision and not outside:
        context |= _mends(decision, of.grant, now)
    return {"decision": decision.permit, "context": context}


def _reason(of: Reason, texts: Texts, language: str) -> dict[str, str]:
    said = {"policy": of.policy, "text": texts.reason(of.policy, of.text, language)}
    if of.mend:
        said |= {"mend": of.mend, "mend_text": texts.mend(of.mend, language)}
    return said


def _mends(decision: Decision, grant: Grant | None, now: dt.datetime) -> dict[str, Any]:
    """What would have made it pass, where that can be said as data."""
    found: dict[str, Any] = {}
    needs = [one.step_up for one in decision.reasons if one.step_up]
    if needs:
        found["obligations"] = [
            {"id": f"step-up-{number}", "type": "step-up", "properties": {"acr_value": acr}}
            for number, acr in enumerate(needs)
        ]
    if grant is None:
        return found
    policies = {one.policy for one in decision.reasons}
    terms = grant.terms
    granted = {
        "period-covered": (
            "period",
            {"from": terms.period.start.isoformat(), "to": terms.period.end.isoformat()},
        ),
        "purpose-matches": ("purpose", terms.purpose),
        "data-set-granted": ("datatypes", list(terms.datatypes)),
        "recipients-granted": ("onward_sharing", list(terms.onward_sharing)),
    }
    # Only to who may know: a grant of somebody else is not described.
    if not policies & STRANGERS:
        narrower = {member: value for name, (member, value) in granted.items() if name in policies}
        if narrower:
            found["granted"] = narrower
        if "limit-reached" in policies and (again := window_end(grant, now)):
            found["retry_at"] = rfc3339(again)
    return found
