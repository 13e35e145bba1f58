"""Policies that can never decide are found, and nothing is found that can."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.config import POLICIES
from consent_service.policy.analysis import Finding, analyse, possible


def found(*policies: str) -> list[tuple[str, str, str]]:
    text = "".join(f'@id("p{number}") {policy}' for number, policy in enumerate(policies))
    return [(one.policy, one.problem, one.by) for one in analyse(text)]


def when(condition: str, effect: str = "forbid", scope: str = "principal, action, resource") -> str:
    return f"{effect} ({scope}) when {{ {condition} }};"


NEVER: list[str] = [
    "false",
    "context.a && !context.a",
    'context.s == "x" && context.s == "y"',
    'context.s == "x" && "y" == context.s',
    '["x", "y"].contains(context.s) && context.s == "z"',
    "context.n < 3 && context.n >= 3",
    "context.n < context.m && context.m < context.n && false",
    "context.n > 3 && context.n <= 3",
    "if context.a then !context.a else false",
    'context.s != "x" && context.s == "x"',
    "principal is party && principal is person",
]


@pytest.mark.parametrize("condition", NEVER)
def test_what_contradicts_itself_never_applies(condition: str) -> None:
    assert found(when(condition)) == [("p0", "never-applies", "")]
    assert found(when("true", scope="principal is party, action, resource")) == []


def test_an_unless_that_always_holds_never_applies() -> None:
    assert found("permit (principal, action, resource) unless { context.a || !context.a };") == [
        ("p0", "never-applies", "")
    ]


def test_a_scope_and_a_condition_may_contradict_each_other() -> None:
    policy = 'forbid (principal, action == Action::"read", resource) when { action == Action::"write" };'
    assert found(policy) == [("p0", "never-applies", "")]


SHADOWED: list[tuple[str, str]] = [
    (when("context.a", "permit"), "forbid (principal, action, resource);"),
    (when("context.a && context.b"), when("context.a")),
    (when("context.a"), when("context.a || context.b")),
    (when('context.s == "x"'), when('["x", "y"].contains(context.s)')),
    (when('context.s == "x"'), when('context.s != "y"')),
    (when("context.n < 3"), when("3 > context.n", scope="principal, action, resource") + ""),
    (when("context.a", scope='principal, action == Action::"read", resource'), when("context.a")),
    (
        when("context.a", scope='principal, action == Action::"read", resource'),
        when("context.a", scope='principal, action in [Action::"read", Action::"write"], resource'),
    ),
    ("forbid (principal, action, resource) when { context.a } unless { context.b };", when("!context.b")),
]


@pytest.mark.parametrize(("narrow", "wide"), SHADOWED)
def test_what_a_wider_forbid_always_shadows_is_named(narrow: str, wide: str) -> None:
    named = found(narrow, wide)
    assert len(named) == 1
    policy, problem, by = named[0]
    assert problem == "shadowed"
    assert {policy, by} == {"p0", "p1"}


def test_of_two_that_say_the_same_the_later_one_is_named() -> None:
    assert found(when("context.a"), when("context.a")) == [("p1", "shadowed", "p0")]


NOT_SHADOWED: list[tuple[str, str]] = [
    (when("context.a"), when("context.b")),
    (when("context.a"), when("context.a && context.b")),
    (when("context.a", "permit"), when("context.a && context.b")),
    (when("context.a", "permit"), when("context.a", "permit")),
    (when('context.s == "x"'), when('context.s == "y"')),
    (when("context.n <= 3"), when("context.n < 3")),
    (when("context.a"), when("context.a", scope='principal, action == Action::"read", resource')),
    (when("context.a"), when("context.a", scope="principal is party, action, resource")),
]


@pytest.mark.parametrize(("one", "other"), NOT_SHADOWED)
def test_what_can_decide_is_not_named(one: str, other: str) -> None:
    assert ("p0", "shadowed", "p1") not in found(one, other)


def test_nothing_is_found_in_our_own() -> None:
    assert analyse("\n".join(path.read_text() for path in sorted(POLICIES.glob("*.cedar")))) == []


def test_a_copy_of_one_of_ours_is_found(tmp_path: Path) -> None:
    text = "\n".join(path.read_text() for path in sorted(POLICIES.glob("*.cedar")))
    more = '@id("again") forbid (principal, action == Action::"read", resource)'
    more += 'when { context has grant && context.grant.status == "revoked" && context.reads > 3 };'
    assert analyse(text + more) == [Finding("again", "shadowed", "grant-revoked")]


NAMES = "abcd"
formulas: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([("", name) for name in NAMES]) | st.booleans(),
    lambda inner: (
        st.tuples(st.sampled_from(["and", "or"]), inner, inner).map(list)
        | st.tuples(st.just("not"), inner).map(list)
    ),
    max_leaves=12,
)


def truth(formula: Any, world: dict[str, bool]) -> bool:
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, tuple):
        return world[formula[1]]
    operator, *parts = formula
    said = [truth(part, world) for part in parts]
    return not said[0] if operator == "not" else all(said) if operator == "and" else any(said)


@given(formulas)
def test_what_is_possible_is_so_in_some_world_and_the_rest_in_none(formula: Any) -> None:
    worlds = [dict(zip(NAMES, said, strict=True)) for said in product([True, False], repeat=len(NAMES))]
    assert possible(formula) is any(truth(formula, world) for world in worlds)
