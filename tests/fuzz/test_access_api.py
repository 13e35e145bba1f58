"""The decision API under hostile input: a clear answer, never a 500, never a permit."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from consent_service.errors import ServiceError
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.openapi import PATHS
from consent_service.policy.schemas import SEARCHES, decode, load_evaluation, load_search, split_evaluations
from tests.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("path", PATHS)
def test_whatever_the_document_allows_is_answered_as_it_says(world: World, path: str) -> None:
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app=world.app)
    permits = []

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=schema[path]["POST"].as_strategy())
    def run(case: Case) -> None:
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)
        permits.append(b'"decision":true' in response.content)

    run()
    assert permits
    assert not any(permits)


def deep(depth: int) -> bytes:
    return b'{"context":' + b"[" * depth + b"]" * depth + b"}"


def question(**changes: Any) -> dict[str, Any]:
    asked = {
        "subject": {"type": "party", "id": "bank"},
        "action": {"name": "read"},
        "resource": {"type": "dataset", "id": "trial_balance"},
    }
    return asked | changes


BAD: dict[str, tuple[bytes, int]] = {
    "ten megabytes": (b'{"context": {"a": "' + b"x" * 10_000_000 + b'"}}', 413),
    "ten thousand questions": (json.dumps({"evaluations": [{}] * 10_000}).encode(), 400),
    "nested a hundred thousand deep": (deep(100_000), 400),
    "nested deeper than is decided": (
        json.dumps(question(context={"a": [[[[[[[[[[]]]]]]]]]]})).encode(),
        400,
    ),
    "not UTF-8": (b'{"subject": "\xff\xfe"}', 400),
    "a lone surrogate": (b'{"subject": {"type": "party", "id": "\\ud800"}}', 400),
    "a NUL": (json.dumps(question(subject={"type": "party", "id": "a\0b"})).encode(), 400),
    "a NUL inside": (json.dumps(question(context={"a": "\0"})).encode(), 400),
    "a NUL in a name": (json.dumps(question(context={"\0": "a"})).encode(), 400),
    "a huge text": (json.dumps(question(context={"a": "x" * 1025})).encode(), 400),
    "a huge name": (json.dumps(question(subject={"type": "party", "id": "x" * 1025})).encode(), 400),
    "many members": (json.dumps(question(context={str(n): n for n in range(200)})).encode(), 400),
    "infinity": (b'{"context": {"a": 1e999}}', 400),
    "not a number": (b'{"context": {"a": NaN}}', 400),
    "nothing": (b"", 400),
    "half of it": (b'{"subject": {"type"', 400),
    "a list": (b"[]", 400),
    "a text": (b'"evaluate"', 400),
    "null": (b"null", 400),
    "no id": (json.dumps(question(subject={"type": "party"})).encode(), 400),
    "an id that is a number": (json.dumps(question(subject={"type": "party", "id": 1})).encode(), 400),
    "an empty id": (json.dumps(question(subject={"type": "party", "id": ""})).encode(), 400),
    "properties that are a list": (
        json.dumps(question(subject={"type": "party", "id": "a", "properties": []})).encode(),
        400,
    ),
    "an unknown semantic": (
        json.dumps({"evaluations": [{}], "options": {"evaluations_semantic": "yes"}}).encode(),
        400,
    ),
    "a semantic that is a list": (
        json.dumps({"evaluations": [{}], "options": {"evaluations_semantic": []}}).encode(),
        400,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_malformed_is_refused_with_one_sentence(world: World, name: str) -> None:
    body, status = BAD[name]
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}"}
    many = "semantic" in name or "questions" in name
    path = "/access/v1/evaluations" if many else "/access/v1/evaluation"
    answer = world.app.test_client().post(path, data=body, headers=headers, content_type="application/json")
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.content_type.startswith("text/plain")
        assert 10 < len(answer.text) < 300
        assert "\n" not in answer.text


def test_unknown_types_and_huge_numbers_are_denied_and_recorded(world: World) -> None:
    for changes in (
        {"subject": {"type": "wizard", "id": "a"}},
        {"resource": {"type": "castle", "id": "a"}},
        {"action": {"name": "fly"}},
        {"context": {"purpose": 10**400}},
        {"context": {"recipients": {"a": 1}}},
        {"context": {"grant_id": ["a"]}},
    ):
        answer = world.ask(world.erp, question(**changes))
        assert answer.status_code == 200, answer.text
        assert answer.json["decision"] is False
        assert answer.json["context"]["entry_id"]


def test_who_is_not_known_learns_nothing_about_the_question(world: World) -> None:
    for path in PATHS:
        answer = world.app.test_client().post(path, data=b"{", content_type="application/json")
        assert answer.status_code == 401


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["subject", "action", "resource", "context", "type", "id", "name", "properties"])
            | st.sampled_from(["evaluations", "options", "evaluations_semantic", "page", "token", "limit"])
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(st.binary() | anything.map(lambda value: json.dumps(value).encode()))
def test_the_decoder_says_what_is_wrong_and_nothing_else(body: bytes) -> None:
    loads: list[Callable[[Any], Any]] = [load_evaluation, split_evaluations]
    loads += [partial(load_search, kind) for kind in SEARCHES]
    refusals = []
    for load in loads:
        try:
            assert isinstance(load(decode(body)), EvaluationRequest | tuple | dict)
        except ServiceError as error:
            refusals.append(error)
    assert all(error.status == 400 and error.description.isprintable() for error in refusals)
