"""A remembered decision is the decision: the memo never changes an answer."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.config import POLICIES
from consent_service.grants.model import Grant
from consent_service.policy import memo as memo_module
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.memo import Memo
from consent_service.policy.model import Decision, EvaluationRequest, Facts, HolderFacts, PartyFacts
from tests.policy.test_decide_properties import (
    OWNERS,
    POLICY_SET,
    UNHURRIED,
    facts,
    grants,
    maybe_grants,
    parties,
    requests,
)
from tests.policy.test_policies import BASE, END, GRANT, NOW, PARTY, REQUEST, TERMS

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


@settings(UNHURRIED, max_examples=200)
@given(requests(), grants(), parties, facts(), st.lists(st.tuples(grants(), facts()), max_size=6))
def test_what_one_grant_taught_is_true_of_the_next(
    request: EvaluationRequest,
    grant: Grant,
    party: PartyFacts | None,
    facts: Facts,
    others: list[tuple[Grant, Facts]],
) -> None:
    # Grants that are alike but for owner, id, end and age share what is remembered.
    memo = Memo(POLICY_SET)
    for number, (other, at) in enumerate([(grant, facts), *others]):
        alike = replace(
            grant,
            grant_id=other.grant_id,
            owner=other.owner,
            given_at=other.given_at,
            version=number + 1,
            terms=replace(grant.terms, access=other.terms.access, owner=other.owner),
        )
        assert memo.decide(request, alike, party, POLICY_SET, at) == decide(
            request, alike, party, POLICY_SET, at
        )


def test_grants_that_are_alike_are_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(request: EvaluationRequest, *facts: Any) -> Decision:
        asked.append(request.resource_id)
        return decide(request, *facts)

    monkeypatch.setattr(memo_module, "decide", counted)
    memo = Memo(POLICY_SET)
    for number in range(20):
        owner = OWNERS[number % 2]
        terms = replace(
            TERMS, owner=owner, access=replace(TERMS.access, valid_until=END + dt.timedelta(number))
        )
        grant = replace(GRANT, owner=owner, grant_id=f"g{number}", terms=terms)
        request = replace(
            REQUEST,
            resource_properties={**REQUEST.resource_properties, "owner": owner},
            context={"grant_id": f"g{number}", "purpose": "credit_assessment", "token_jti": str(number)},
        )
        at = replace(BASE.facts, time=NOW + dt.timedelta(seconds=number), reads=number)
        assert memo.decide(request, grant, PARTY, POLICY_SET, at)
    assert len(asked) == 2  # one for each country, which laws look at


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


def test_an_owner_that_a_policy_reads_in_another_way_is_not_taken_for_another_owner(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(POLICIES, folder)
    one, other = "0192:310028142", "0192:310034568"  # of one country, which our own policies look at
    (folder / "90-more.cedar").write_text(
        '@id("closed") @explanation("Closed.") forbid (principal, action == Action::"read", resource) '
        f'when {{ (if resource is dataset then resource else resource).owner == "{other}" }};'
    )
    policies = PolicySet.load(folder)
    memo = Memo(policies)
    for owner in (one, other):
        grant = replace(GRANT, owner=owner, grant_id=owner, terms=replace(TERMS, owner=owner))
        properties = {**REQUEST.resource_properties, "owner": owner}
        request = replace(REQUEST, resource_properties=properties, context={"grant_id": owner})
        assert memo.decide(request, grant, PARTY, policies, BASE.facts).permit is (owner == one)


def test_what_is_long_is_decided_and_not_remembered() -> None:
    memo = Memo(POLICY_SET)
    for number in range(5):
        request = replace(REQUEST, context={"padding": "x" * 3000, "number": number})
        assert memo.decide(request, GRANT, PARTY, POLICY_SET, BASE.facts)
        named = replace(REQUEST, subject_id="x" * 3000 + str(number))
        assert not memo.decide(named, GRANT, PARTY, POLICY_SET, BASE.facts)
    assert not memo._known
