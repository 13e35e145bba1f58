"""The usual question is answered before the framework (ADR 22), and nobody can tell by the answer."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from consent_service.db import group
from consent_service.ledger.model import canonical
from consent_service.policy.choice import Made
from consent_service.policy.edge import Edge
from consent_service.policy.model import Decision, EvaluationRequest, Facts, HolderFacts, PartyFacts
from consent_service.policy.service import written
from tests.world import ISSUER, World

ONE, SEVERAL = "/access/v1/evaluation", "/access/v1/evaluations"
SAME_ID = {"X-Request-ID": "the-same"}


def edge(world: World) -> Edge:
    found = world.app.wsgi_app
    assert isinstance(found, Edge)
    return found


def ask(
    world: World, path: str, body: bytes, bearer: str, headers: dict[str, str] | None = None
) -> TestResponse:
    sent = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    return world.app.test_client().post(path, data=body, headers=sent | SAME_ID | (headers or {}))


def alike(answer: TestResponse) -> tuple[Any, ...]:
    """An answer without what is new in every one: the entry's id."""
    document = answer.get_json(silent=True)

    def without(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: without(one) for name, one in part.items() if name not in {"id", "entry_id"}}
        return [without(one) for one in part] if isinstance(part, list) else part

    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return answer.status, headers, without(document) if document is not None else answer.text


def bodies(world: World) -> dict[str, tuple[str, bytes]]:
    token = world.grant()
    question = world.question(token, world.erp)
    other = world.question(token, world.erp, data_set="general_ledger")
    found = {
        "permitted": (ONE, question),
        "denied": (ONE, other),
        "no grant of that name": (ONE, world.question({"grant_id": "none"}, world.erp)),
        "nothing about data": (ONE, {**question, "subject": {"type": "user", "id": "alice"}}),
        "several": (SEVERAL, {"evaluations": [question, other, question]}),
        "several, with defaults": (SEVERAL, {**question, "evaluations": [{}, {"action": {"name": "read"}}]}),
        "up to the first deny": (
            SEVERAL,
            {
                "evaluations": [question, other, question],
                "options": {"evaluations_semantic": "deny_on_first_deny"},
            },
        ),
        "one of them wrong": (SEVERAL, {"evaluations": [question, {"subject": 7}, other]}),
        "none of several": (SEVERAL, {**question, "evaluations": []}),
        "a wrong semantic": (SEVERAL, {"evaluations": [question], "options": {"evaluations_semantic": "x"}}),
        "a member of a wrong type": (ONE, {**question, "context": 7}),
    }
    encoded = {name: (path, orjson.dumps(document)) for name, (path, document) in found.items()}
    return encoded | {"no JSON": (ONE, b"{"), "nothing": (ONE, b""), "not UTF-8": (SEVERAL, b'{"a": "\xff"}')}


def test_what_is_answered_before_the_framework_is_what_the_framework_would_answer(world: World) -> None:
    bearer, before = world.bearer(world.erp), edge(world)
    for name, (path, body) in bodies(world).items():
        for headers in ({}, {"Accept-Language": "nb, en;q=0.5"}, {"Accept": "text/html"}):
            first = ask(world, path, body, bearer, headers)
            world.app.wsgi_app = before.behind  # type: ignore[method-assign]
            assert alike(ask(world, path, body, bearer, headers)) == alike(first), name
            world.app.wsgi_app = before  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("name", ["permitted", "denied", "several", "up to the first deny"])
def test_the_framework_never_hears_of_the_usual_question(world: World, name: str) -> None:
    bearer = world.bearer(world.erp)
    path, body = bodies(world)[name]
    ask(world, path, body, bearer)  # who asks is looked up once

    def deaf(_environ: Any, _start: Callable[..., Any]) -> Iterable[bytes]:
        raise AssertionError(name)

    edge(world).behind = deaf
    assert ask(world, path, body, bearer).status_code == 200


def test_a_token_that_is_over_is_no_longer_taken(world: World) -> None:
    bearer = world.bearer(world.erp)
    path, body = bodies(world)["permitted"]
    assert ask(world, path, body, bearer).json["decision"] is True
    world.clock.moment += dt.timedelta(minutes=10)
    assert ask(world, path, body, bearer).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer unknown"},
        {"Content-Type": "text/plain"},
    ],
)
def test_whatever_is_not_plain_is_refused_by_the_framework(world: World, headers: dict[str, str]) -> None:
    path, body = bodies(world)["permitted"]
    bearer = world.bearer(world.erp)
    ask(world, path, body, bearer)
    assert ask(world, path, body, bearer, headers).status_code in {400, 401, 413}


def test_one_caller_s_decision_is_made_on_another_s_thread(world: World) -> None:
    """Who leads may have no request of the framework's around it; who follows may have come through it."""
    bearer = world.bearer(world.erp)
    path, body = bodies(world)["permitted"]
    ask(world, path, body, bearer)
    with world.app.app_context():
        from consent_service.db import db

        shared = group(db.engine)
    led, go = threading.Event(), threading.Event()

    def hold(_session: object) -> None:
        led.set()
        assert go.wait(10)

    leader = threading.Thread(target=shared.run, args=(hold,))
    leader.start()
    assert led.wait(10)
    answers: list[TestResponse] = []
    before = edge(world)

    def through(application: Any) -> None:
        headers = {"Authorization": f"Bearer {bearer}"} | SAME_ID
        from werkzeug.test import Client

        answers.append(
            Client(application).post(
                path, data=body, headers=headers, content_type="application/json", base_url=ISSUER
            )
        )

    asking = [threading.Thread(target=through, args=(one,)) for one in (before, before.behind) * 3]
    for one in asking:
        one.start()
    go.set()
    for one in (leader, *asking):
        one.join(20)
    assert [one.status_code for one in answers] == [200] * 6


texts = st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(texts, scalars, max_size=2)
properties = st.dictionaries(texts, values, max_size=3)
asked = st.builds(EvaluationRequest, *[texts] * 5, resource_properties=properties, context=properties)
facts = st.builds(
    Facts,
    time=st.datetimes().map(lambda at: at.replace(tzinfo=dt.UTC)),
    holder=st.builds(HolderFacts, texts, texts, st.frozensets(texts, max_size=3), st.booleans()),
    reads=st.integers(0, 10**9),
)
party = st.none() | st.builds(PartyFacts, texts, texts, texts, st.frozensets(texts, max_size=3))


@given(asked, facts, party, texts, texts)
def test_a_record_is_canonical_json_and_says_what_was_decided_on(
    request: EvaluationRequest, facts: Facts, party: PartyFacts | None, holder: str, owner: str
) -> None:
    decision = Decision(False, (), (), "sha256:0")
    body = written(request, holder, Made(decision, None, party, facts), owner)
    document = orjson.loads(body)
    assert canonical(document) == body
    assert json.loads(document["request"]) == request.to_json()
    assert Facts.from_json(orjson.loads(document["facts"])) == facts
    assert document["facts"] == orjson.dumps(facts.to_json(), option=orjson.OPT_SORT_KEYS).decode()
    assert (document["holder"], document["owner"], document["permit"]) == (holder, owner, False)
