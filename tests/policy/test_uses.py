"""What policies look at is read off them, and never too little."""

from __future__ import annotations

import json

import cedarpy
import pytest

from consent_service.config import POLICIES
from consent_service.policy.engine import PolicySet
from consent_service.policy.memo import COMPARED, END, ID, LIMIT, NAMED, OWNER, READS, TIME, Memo
from consent_service.policy.uses import Use, about, only_compared, unused, uses


def of(condition: str) -> list[Use]:
    text = f"forbid (principal, action, resource) when {{ {condition} }};"
    return uses(json.loads(cedarpy.policies_to_json_str(text)))


@pytest.mark.parametrize(
    ("condition", "only"),
    [
        ("context.time >= context.grant.valid_until", True),
        ("context.grant.valid_until < context.time", True),
        ("context has time", True),
        ("context.grant has valid_until", True),
        ('context.time > datetime("2026-01-01")', False),
        ('context.time.offset(duration("1d")) > context.grant.valid_until', False),
        ('context.time.toTime() > duration("8h")', False),
        ("context.time == context.time", False),
        ("[context].contains(context)", False),
        ("context == context", False),
        ("context.time >= context.grant.from", False),
        ("if context.time < context.grant.valid_until then context.a else context.b", True),
    ],
)
def test_time_is_only_compared_with_the_grant_s_end(condition: str, *, only: bool) -> None:
    assert only_compared(of(condition), TIME, {END}) is only


@pytest.mark.parametrize(
    ("condition", "only"),
    [
        ("context.reads >= context.grant.limit", True),
        ("context.reads > 3", False),
        ("context.reads + 1 > context.grant.limit", False),
        ("context.grant.limit == context.time", True),
    ],
)
def test_reads_are_only_compared_with_the_limit(condition: str, *, only: bool) -> None:
    assert only_compared(of(condition), READS, {LIMIT}) is only


@pytest.mark.parametrize(
    ("condition", "only"),
    [
        ("context.grant.owner == resource.owner", True),
        ("resource.owner != context.grant.owner", True),
        ("context.grant.data_sets.contains(resource)", True),
        ("resource is dataset", True),
        ('context.grant.owner like "0192:*"', False),
        ('context.grant.owner == "0192:923609016"', False),
        ('["0192:923609016"].contains(context.grant.owner)', False),
        ("[context.grant].contains(context.grant)", False),
        ("context.grant.owner == principal.organisation", False),
    ],
)
def test_the_owner_is_only_compared_with_the_one_asked_of(condition: str, *, only: bool) -> None:
    assert only_compared(of(condition), OWNER, {("resource", "owner")}) is only


def test_an_entity_is_compared_by_its_id_and_a_record_by_all_that_is_in_it() -> None:
    assert only_compared(of("[resource].contains(resource)"), ("resource", "owner"), {OWNER})
    assert not only_compared(of("[context.grant].contains(context.grant)"), ID, {NAMED})


@pytest.mark.parametrize(
    "condition",
    [
        '(if principal is party then resource else resource).owner == "0192:923609016"',
        '{ of: resource }.of.owner == "0192:923609016"',
        'resource.parent.owner == "0192:923609016"',
        'context.document.owner like "0192:*"',
        '{ "==": resource.owner } == { "==": context.purpose }',
    ],
)
def test_an_attribute_of_the_resource_is_found_by_whatever_way_it_is_reached(condition: str) -> None:
    assert not only_compared(of(condition), ("resource", "owner"), {OWNER})


@pytest.mark.parametrize(
    ("condition", "looked_at"),
    [
        ("context has token_jti", True),
        ('context.token_jti == "x"', True),
        ("context == context", True),
        ('context.purpose == "x"', False),
        ("principal has token_jti", False),
    ],
)
def test_what_no_policy_looks_at(condition: str, *, looked_at: bool) -> None:
    assert unused(of(condition), ("context", "token_jti")) is not looked_at


def test_our_own_policies_let_like_grants_share_what_is_remembered() -> None:
    text = "\n".join(path.read_text() for path in sorted(POLICIES.glob("*.cedar")))
    policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    found = uses(about(policies, "read"))
    assert len(about(policies, "agree")) < len(policies) > len(about(policies, "read")) > 30
    for path, others in COMPARED.items():
        assert only_compared(found, path, others), path
    assert Memo(PolicySet.load(POLICIES))._alike
