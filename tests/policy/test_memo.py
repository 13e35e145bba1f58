"""A remembered decision is the decision: the memo never changes an answer."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.grants.model import Grant
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.memo import END, LIMIT, READS, TIME, Memo, mentions, only_compared
from consent_service.policy.model import EvaluationRequest, Facts, HolderFacts, PartyFacts
from tests.policy.test_decide_properties import (
    POLICY_SET,
    UNHURRIED,
    facts,
    grants,
    maybe_grants,
    parties,
    requests,
)

SEEN: dict[Grant, int] = {}
HOLDER = HolderFacts("h", "active", frozenset())
MEMO = Memo(POLICY_SET)  # one for all examples, so that they meet what others left


@settings(UNHURRIED, max_examples=300)
@given(requests(), maybe_grants, parties, facts())
def test_the_memo_never_changes_an_answer(
    request: EvaluationRequest, grant: Grant | None, party: PartyFacts | None, facts: Facts
) -> None:
    if (
        grant is not None
    ):  # each drawn grant is one of its own: in the running service a version never changes
        grant = _named(grant)
    truth = decide(request, grant, party, POLICY_SET, facts)
    assert MEMO.decide(request, grant, party, POLICY_SET, facts) == truth
    assert MEMO.decide(request, grant, party, POLICY_SET, facts) == truth


@UNHURRIED
@given(requests(), grants(), parties, facts(), st.lists(st.integers(-2000, 2000), min_size=3, max_size=6))
def test_it_holds_on_both_sides_of_the_grant_s_end(
    request: EvaluationRequest, grant: Grant, party: PartyFacts | None, facts: Facts, offsets: list[int]
) -> None:
    grant, memo = _named(grant), Memo(POLICY_SET)
    for offset in (*offsets, 0, -1, 1, 999, 1000):
        at = replace(facts, time=grant.terms.access.valid_until + dt.timedelta(microseconds=offset))
        assert memo.decide(request, grant, party, POLICY_SET, at) == decide(
            request, grant, party, POLICY_SET, at
        )


@pytest.mark.parametrize(
    ("condition", "coarse"),
    [
        ("context.time >= context.grant.valid_until", True),
        ("context.grant.valid_until < context.time", True),
        ("context has time", True),
        ('context.time > datetime("2026-01-01")', False),
        ('context.time.offset(duration("1d")) > context.grant.valid_until', False),
        ('context.time.toTime() > duration("8h")', False),
        ("context.time == context.time", False),
        ("[context].contains(context)", False),
        ("context.time >= context.grant.from", False),
    ],
)
def test_time_is_forgotten_only_where_policies_look_at_the_grant_s_end_alone(
    condition: str, coarse: bool
) -> None:
    text = f"forbid (principal, action, resource) when {{ {condition} }};"
    assert only_compared(json.loads(cedarpy.policies_to_json_str(text)), TIME, END) is coarse


@pytest.mark.parametrize(
    ("condition", "coarse"),
    [
        ("context.reads >= context.grant.limit", True),
        ("context.reads > 3", False),
        ("context.reads + 1 > context.grant.limit", False),
        ("context.grant.limit == context.time", True),
    ],
)
def test_reads_are_forgotten_only_where_policies_look_at_the_limit_alone(
    condition: str, coarse: bool
) -> None:
    text = f"forbid (principal, action, resource) when {{ {condition} }};"
    assert only_compared(json.loads(cedarpy.policies_to_json_str(text)), READS, LIMIT) is coarse


@UNHURRIED
@given(requests(), grants(), parties, facts())
def test_it_holds_on_both_sides_of_the_limit(
    request: EvaluationRequest, grant: Grant, party: PartyFacts | None, facts: Facts
) -> None:
    grant, memo = _named(grant), Memo(POLICY_SET)
    for reads in (0, 1, 2, 3, 44, 45, 46, 10**6, 0):
        at = replace(facts, reads=reads)
        assert memo.decide(request, grant, party, POLICY_SET, at) == decide(
            request, grant, party, POLICY_SET, at
        )


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ("context has token_jti", True),
        ('context.token_jti == "x"', True),
        ("context == context", True),
        ('context.purpose == "x"', False),
        ("principal has token_jti", True),
    ],
)
def test_what_a_policy_mentions_is_remembered(condition: str, named: bool) -> None:
    text = f"forbid (principal, action, resource) when {{ {condition} }};"
    assert mentions(json.loads(cedarpy.policies_to_json_str(text)), "token_jti") is named


def test_the_memo_is_of_one_policy_set(tmp_path: Path) -> None:
    (tmp_path / "schema.cedarschema").write_text(
        "entity user; entity document; action read appliesTo { principal: [user], resource: [document] };"
    )
    (tmp_path / "all.cedar").write_text("permit (principal, action, resource);")
    other = PolicySet.load(tmp_path)
    request = EvaluationRequest("user", "a", "read", "document", "d")
    at = Facts(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), HOLDER)
    assert not MEMO.decide(request, None, None, POLICY_SET, at)
    assert MEMO.decide(request, None, None, other, at)


def _named(grant: Grant) -> Grant:
    """The same terms are the same version, and other terms another: as in the running service."""
    return replace(grant, version=SEEN.setdefault(grant, len(SEEN) + 1))
