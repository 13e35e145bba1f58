"""Remembering decisions: the same question on the same facts has the same answer, so Cedar is asked once.

A decision is a pure function, so a memo can be right for ever; the art is a key that forgets
nothing which the policies look at. Time is the one fact that never comes back. Where the
policies compare it with nothing but the grant's end, which side of the end it is on is enough;
:func:`time_matters_only_at_the_end` reads that off the policies themselves.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import cedarpy
import orjson

from consent_service.grants.model import Grant
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.model import Decision, EvaluationRequest, Facts, PartyFacts

MOST = 65_536
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
TIME = {".": {"left": {"Var": "context"}, "attr": "time"}}
GRANT_END = {
    ".": {"left": {".": {"left": {"Var": "context"}, "attr": "grant"}}, "attr": "valid_until"},
}


class Memo:
    """``decide`` with a memory, for one policy set; not shared between threads."""

    def __init__(self, policy_set: PolicySet) -> None:
        text = "\n".join(one for name, one in policy_set.files.items() if name.endswith(".cedar"))
        policies = json.loads(cedarpy.policies_to_json_str(text))
        self._policy_set = policy_set
        self._coarse_time = time_matters_only_at_the_end(policies)
        # Attributes that no policy mentions, and whose type is text, can't change anything.
        self._unread = {
            name
            for name in ("token_jti",)
            if not mentions(policies, name)
            and all(
                name not in shape.members or shape.members[name].type.name == "String"
                for shape in map(policy_set.declared.resolve, policy_set.declared.contexts.values())
            )
        }
        self._known: dict[tuple[Any, ...], Decision] = {}

    def decide(
        self,
        request: EvaluationRequest,
        grant: Grant | None,
        party: PartyFacts | None,
        policy_set: PolicySet,
        facts: Facts,
    ) -> Decision:
        """As :func:`consent_service.policy.engine.decide`."""
        key = self._key(request, grant, party, facts) if policy_set is self._policy_set else None
        if key is None:
            return decide(request, grant, party, policy_set, facts)
        known = self._known.get(key)
        if known is None:
            known = decide(request, grant, party, policy_set, facts)
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = known
        return known

    def _key(
        self, request: EvaluationRequest, grant: Grant | None, party: PartyFacts | None, facts: Facts
    ) -> tuple[Any, ...] | None:
        context = dict(request.context)
        for name in self._unread:
            if isinstance(context.get(name), str) and context[name].isascii():
                context[name] = ""
        if self._coarse_time:
            time: object = _side(facts.time, grant.terms.access.valid_until) if grant else 0
        else:
            time = facts.time
        try:
            said = orjson.dumps(
                [request.subject_properties, request.action_properties, request.resource_properties, context],
                option=orjson.OPT_SORT_KEYS,
            )
        except TypeError:  # what JSON can't say exactly is not remembered
            return None
        return (
            request.subject_type,
            request.subject_id,
            request.action,
            request.resource_type,
            request.resource_id,
            said,
            (grant.owner, grant.grant_id, grant.version) if grant else None,
            party,
            facts.holder,
            facts.reads,
            facts.purpose_data_sets,
            time,
        )


def time_matters_only_at_the_end(policies: object) -> bool:
    """Whether every use of ``context.time`` is a comparison with ``context.grant.valid_until``.

    :param policies: Cedar's JSON format of the policies
    """
    if isinstance(policies, list):
        return all(time_matters_only_at_the_end(one) for one in policies)
    if not isinstance(policies, dict):
        return True
    if policies in (TIME, {"Var": "context"}):  # used on its own, or the whole context at once
        return False
    for name, inside in policies.items():
        if name in COMPARISONS and isinstance(inside, dict):
            sides = [inside.get("left"), inside.get("right")]
            if TIME in sides and GRANT_END in sides:
                continue
        if name in {".", "has"} and isinstance(inside, dict) and inside.get("left") == {"Var": "context"}:
            if name == "." and inside.get("attr") == "time":
                return False
            continue
        if not time_matters_only_at_the_end(inside):
            return False
    return True


def mentions(policies: object, attribute: str) -> bool:
    """Whether any policy names this attribute, or looks at the context as a whole."""
    if isinstance(policies, list):
        return any(mentions(one, attribute) for one in policies)
    if not isinstance(policies, dict):
        return False
    if policies.get("attr") == attribute or attribute in policies:
        return True
    for name, inside in policies.items():
        if name in {".", "has"} and isinstance(inside, dict) and inside.get("left") == {"Var": "context"}:
            if inside.get("attr") == attribute:
                return True
            continue
        if inside == {"Var": "context"} or mentions(inside, attribute):
            return True
    return False


def _side(at: dt.datetime, end: dt.datetime) -> int:
    """-1, 0 or 1, at the millisecond, as the policies see time."""
    milliseconds = [
        one.astimezone(dt.UTC).replace(microsecond=one.microsecond // 1000 * 1000) for one in (at, end)
    ]
    return (milliseconds[0] > milliseconds[1]) - (milliseconds[0] < milliseconds[1])
