"""Remembering decisions: the same question on the same facts has the same answer, so Cedar is asked once.

A decision is a pure function, so a memo can be right for ever; the art is a key that forgets
nothing which the policies look at. Time never comes back, and reads count up. Where the policies
compare them with nothing but the grant's end and limit, and the day until which the owner's word
is fresh, it is enough to know on which side they are; :func:`only_compared` reads that off the
policies themselves.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import cedarpy
import orjson

from consent_service.grants.bounds import confirm_by
from consent_service.grants.model import Grant
from consent_service.policy import facts as vocabulary
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.model import Decision, EvaluationRequest, Facts, PartyFacts

MOST = 65_536
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
GRANT = {".": {"left": {"Var": "context"}, "attr": "grant"}}
TIME, READS = ({".": {"left": {"Var": "context"}, "attr": name}} for name in ("time", "reads"))
END, LIMIT = ({".": {"left": GRANT, "attr": name}} for name in ("valid_until", "limit"))
CONFIRM = {".": {"left": {"Var": "context"}, "attr": "confirm_by"}}


class Memo:
    """``decide`` with a memory, for one policy set.

    Threads may share it: two that miss at once decide twice, and say the same.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        text = "\n".join(one for name, one in policy_set.files.items() if name.endswith(".cedar"))
        policies = json.loads(cedarpy.policies_to_json_str(text))
        self._policy_set = policy_set
        self._coarse_time = only_compared(policies, TIME, END, CONFIRM)
        self._coarse_reads = only_compared(policies, READS, LIMIT)
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
        time: object = facts.time
        if self._coarse_time:
            time = grant and self._sides(_milliseconds(facts.time), grant, request.resource_id)
        reads = facts.reads
        if self._coarse_reads:
            limit = vocabulary.limit(grant.terms.access) if grant else None
            reads = 0 if limit is None else _side(facts.reads, limit)
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
            reads,
            time,
        )

    def _sides(self, time: int, grant: Grant, data_set: str) -> tuple[int, int]:
        """On which side of the moments that count a moment lies: the grant's end, the owner's word's."""
        until = confirm_by(grant.terms, grant.given_at, data_set, self._policy_set.catalogue)
        return (
            _side(time, _milliseconds(grant.terms.access.valid_until)),
            _side(time, _milliseconds(until)) if until else 0,
        )


def only_compared(policies: object, fact: dict[str, Any], *others: dict[str, Any]) -> bool:
    """Whether every use of a member of the context is a comparison with one of some other members.

    :param policies: Cedar's JSON format of the policies
    :param fact: the member in that format, for example :data:`TIME`
    :param others: what it may be compared with
    """
    if isinstance(policies, list):
        return all(only_compared(one, fact, *others) for one in policies)
    if not isinstance(policies, dict):
        return True
    if policies in (fact, {"Var": "context"}):  # used in another way, or the whole context at once
        return False
    for name, inside in policies.items():
        if isinstance(inside, dict):
            sides = [inside.get("left"), inside.get("right")]
            if name in COMPARISONS and fact in sides and any(other in sides for other in others):
                continue
            if name in {".", "has"} and sides[0] == {"Var": "context"}:
                continue  # another member, or whether it is there at all
        if not only_compared(inside, fact, *others):
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


def _side(value: int, bound: int) -> int:
    """-1, 0 or 1."""
    return (value > bound) - (value < bound)


def _milliseconds(at: dt.datetime) -> int:
    """A moment as the policies see it: whole milliseconds."""
    return (at - EPOCH) // MILLISECOND
