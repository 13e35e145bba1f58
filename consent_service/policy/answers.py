"""A decision as AuthZEN's answer, in the caller's language (Authorization API 1.0 section 5.5)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from consent_service.clock import rfc3339
from consent_service.grants.model import Grant
from consent_service.grants.windows import window_end
from consent_service.policy.engine import NO_GRANT
from consent_service.policy.model import Decision, Reason
from consent_service.policy.service import Answer
from consent_service.policy.texts import Texts

OBLIGATIONS = ("delete_after", "do_not_store", "mask", "share_only_with", "step-up", "use_only_for")
"""Types of obligations that an answer can carry (obligations profile, ``supported_obligations``)."""
PARTY = "party-active"
ELSEWHERE = frozenset({"party-matches", "owner-matches", "holder-serves"})
"""Reasons that say that a grant is not about those who ask."""
OUTSIDERS = frozenset({"holder-active", "holder-is-caller", "holder-serves-owner"})
"""Reasons that a holder is told alone: who has a grant from whom is not its to know."""


@lru_cache(maxsize=256)
def language(accepted: str, languages: tuple[str, ...]) -> str:
    """The first of the caller's languages (RFC 9110 section 12.5.4) that the policies have; else English."""
    return parse_accept_header(accepted, LanguageAccept).best_match(languages) or "en"


def saying(texts: Texts, accepted: str, now: dt.datetime) -> Callable[[Answer], dict[str, Any]]:
    """How answers are told to this caller.

    :param accepted: its ``Accept-Language``, or ""
    """
    return partial(answer, texts=texts, language=language(accepted, texts.languages), now=now)


def answer(of: Answer, texts: Texts, language: str, now: dt.datetime) -> dict[str, Any]:
    """The JSON of one evaluation.

    1. Reasons are the policies that decided, with their text, and what would make each pass.
    2. Obligations bind whoever gets the answer, on a deny too; a step-up names what is missing.
    3. Whoever has no part in a grant learns nothing of it, not even that it is there.
    """
    of = _for_who_asks(of)
    decision = of.decision
    context: dict[str, Any] = {
        "id": of.entry_id,
        "reasons": [_reason(one, texts, language) for one in decision.reasons],
        "obligations": [
            {"id": one.id, "type": one.type, "properties": dict(one.properties)}
            for one in decision.obligations
        ],
        "policy_digest": decision.policy_digest,
    }
    if of.grant:
        context["grant_id"] = of.grant.grant_id
    if of.entry_id:
        context["entry_id"] = of.entry_id
    else:
        context["error"] = {"status": 503, "message": decision.reasons[0].text}
    if not decision:
        context |= _mends(decision, of.grant, now)
    return {"decision": decision.permit, "context": context}


def _for_who_asks(of: Answer) -> Answer:
    """The answer without what is not for those who ask; the ledger holds all of it, for the owner.

    1. A holder that has no business asking is told that, and nothing else.
    2. Who named a grant that is somebody else's knows of it, and is told that it is.
    3. Who asked without its name is told what would be said if there were none.
    """
    decision, policies = of.decision, {one.policy for one in of.decision.reasons}
    if decision:
        return of
    if policies & OUTSIDERS:
        return replace(of, decision=_only(decision, OUTSIDERS), grant=None)
    if of.grant is None or not policies & ELSEWHERE:
        return of
    if of.named:
        return replace(of, decision=_only(decision, ELSEWHERE | {PARTY}))
    theirs = _only(decision, frozenset({PARTY}))
    return replace(of, decision=replace(theirs, reasons=(NO_GRANT, *theirs.reasons)), grant=None)


def _only(decision: Decision, policies: frozenset[str]) -> Decision:
    reasons = tuple(one for one in decision.reasons if one.policy in policies)
    return replace(decision, reasons=reasons)


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
    if not policies & ELSEWHERE:
        narrower = {member: value for name, (member, value) in granted.items() if name in policies}
        if narrower:
            found["granted"] = narrower
        if "limit-reached" in policies and (again := window_end(grant, now)):
            found["retry_at"] = rfc3339(again)
    return found
