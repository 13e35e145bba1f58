"""Remembering decisions: the same question on the same facts has the same answer, so Cedar is asked once.

A decision is a pure function, so a memo can be right for ever; the art is a key that forgets
nothing which the policies look at, and remembers nothing else. Time never comes back, reads count
up, and every grant has its own owner, id and end. Where policies use these in nothing but
comparisons with each other, it is enough to know how the comparisons come out; then one grant's
decision is every like grant's. :mod:`consent_service.policy.uses` reads that off the policies;
where it is not so, everything is in the key as it is.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import cedarpy
import orjson

from consent_service.grants.bounds import bounds_of, confirm_by
from consent_service.grants.model import Grant
from consent_service.policy import facts as vocabulary
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.model import Decision, EvaluationRequest, Facts, PartyFacts
from consent_service.policy.uses import Path, about, only_compared, unused, uses

READ = "read"
MOST = 65_536
LONGEST = 2048
"""Characters of a question that is remembered; ours are far shorter, and memory is bounded."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
Key = tuple[Any, ...]

TIME, READS, NAMED = (("context", name) for name in ("time", "reads", "grant_id"))
OWNER, ID, END, LIMIT = (("context", "grant", name) for name in ("owner", "id", "valid_until", "limit"))
LATEST, CONFIRM, ASKED_OF = (
    ("context", "bounds", "access_before"),
    ("context", "confirm_by"),
    ("resource", "owner"),
)
COMPARED: dict[Path, frozenset[Path]] = {
    TIME: frozenset({END, CONFIRM}),
    CONFIRM: frozenset({TIME}),
    END: frozenset({TIME, LATEST}),
    LATEST: frozenset({END}),
    READS: frozenset({LIMIT}),
    OWNER: frozenset({ASKED_OF}),
    ASKED_OF: frozenset({OWNER}),
    ID: frozenset({NAMED}),
    NAMED: frozenset({ID}),
}
"""What a decision may depend on by comparison alone, each with what it may be compared with."""
UNREAD = ("token_jti",)
"""Members of the context that differ from request to request, and that no policy of ours looks at."""


class Memo:
    """``decide`` with a memory, for one policy set.

    Threads may share it: two that miss at once decide twice, and say the same.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        text = "\n".join(one for name, one in policy_set.files.items() if name.endswith(".cedar"))
        policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
        found = uses(policies)
        self._policy_set = policy_set
        reads = uses(about(policies, READ))
        self._alike = all(only_compared(reads, path, others) for path, others in COMPARED.items())
        # Attributes that no policy looks at, and whose type is text, can't change anything.
        self._unread = {
            name
            for name in UNREAD
            if unused(found, ("context", name))
            and all(
                name not in shape.members or shape.members[name].type.name == "String"
                for shape in map(policy_set.declared.resolve, policy_set.declared.contexts.values())
            )
        }
        self._known: dict[Key, Decision] = {}
        self._shapes: dict[Key, Key] = {}

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
    ) -> Key | None:
        properties, context = dict(request.resource_properties), dict(request.context)
        for name in self._unread:
            if isinstance(context.get(name), str) and context[name].isascii():
                context[name] = ""
        owner, named = properties.get("owner"), context.get("grant_id", "")
        plain = isinstance(owner, str) and isinstance(named, str) and owner.isascii() and named.isascii()
        alike = self._alike and request.action == READ
        if alike and plain and grant is not None and vocabulary.concerns_grants(request):
            properties["owner"] = owner == grant.owner
            if "grant_id" in context:
                context["grant_id"] = named == grant.grant_id
            grounds: Key = self._compared(request, grant, facts)
        elif grant is not None:
            grounds = (grant.owner, grant.grant_id, grant.version, grant.entry_id, facts.time, facts.reads)
        else:
            grounds = () if alike else (facts.time, facts.reads)
        try:
            said = orjson.dumps(
                [request.subject_properties, request.action_properties, properties, context],
                option=orjson.OPT_SORT_KEYS,
            )
        except TypeError:  # what JSON can't say exactly is not remembered
            return None
        names = (
            request.subject_type,
            request.subject_id,
            request.action,
            request.resource_type,
            request.resource_id,
        )
        if len(said) + sum(map(len, names)) > LONGEST:
            return None
        return (*names, said, party, facts.holder, grounds)

    def _compared(self, request: EvaluationRequest, grant: Grant, facts: Facts) -> Key:
        """What the grant is like, and how the comparisons come out."""
        limit, moment = vocabulary.limit(grant.terms.access), _milliseconds(facts.time)
        end, latest, until, shape = self._shape(grant, request.resource_id)
        return (
            shape,
            _side(moment, end),
            _side(moment, until) if until is not None else 0,
            _side(end, latest) if latest is not None else 0,
            _side(facts.reads, limit) if limit is not None else 0,
        )

    def _shape(self, grant: Grant, data_set: str) -> Key:
        """The moments that count, and all of a version but its owner, its id and these; read once."""
        name = (grant.grant_id, grant.version, grant.entry_id, data_set)
        known = self._shapes.get(name)
        if known is None:
            terms, catalogue = grant.terms, self._policy_set.catalogue
            far = bounds_of(terms, grant.given_at, catalogue)
            until = confirm_by(terms, grant.given_at, data_set, catalogue)
            alike = vocabulary.grant_facts(grant) | dict.fromkeys(("id", "owner", "valid_until"))
            alike["retention"] = terms.retention  # an obligation repeats it as it was written
            known = (
                _milliseconds(terms.access.valid_until),
                _milliseconds(far.access_before) if far else None,
                _milliseconds(until) if until else None,
                orjson.dumps(
                    [alike, terms.access.mode, far.reads if far else None], option=orjson.OPT_SORT_KEYS
                ),
            )
            if len(self._shapes) >= MOST:
                self._shapes.clear()
            self._shapes[name] = known
        return known


def _side(value: int, bound: int) -> int:
    """-1, 0 or 1."""
    return (value > bound) - (value < bound)


def _milliseconds(at: dt.datetime) -> int:
    """A moment as the policies see it: whole milliseconds."""
    return (at - EPOCH) // MILLISECOND
