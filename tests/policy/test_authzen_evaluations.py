"""AuthZEN Authorization API 1.0 section 7: several evaluations in one request."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from consent_service.db import reading
from consent_service.ledger.store import PayloadRow
from tests.world import World

PATH = "/access/v1/evaluations"


def ask(world: World, body: Any, path: str = PATH) -> TestResponse:
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}"}
    return world.app.test_client().post(path, json=body, headers=headers)


def boxcar(world: World, token: dict[str, Any], *data_sets: str, **options: Any) -> dict[str, Any]:
    """Questions that share all but the data set."""
    question = world.question(token, world.erp)
    properties = question["resource"]["properties"]
    items = [{"resource": {"type": "dataset", "id": name, "properties": properties}} for name in data_sets]
    del question["resource"]
    return {**question, "evaluations": items, **({"options": options} if options else {})}


def decisions(answer: TestResponse) -> list[bool]:
    assert answer.status_code == 200, answer.text
    assert "decision" not in answer.json
    return [one["decision"] for one in answer.json["evaluations"]]


def recorded(world: World) -> int:
    with world.app.app_context():
        query = select(func.count()).select_from(PayloadRow).where(PayloadRow.kind.startswith("decision."))
        return reading().scalar(query) or 0


def test_defaults_are_merged_into_each_and_answers_keep_the_order(both_worlds: World) -> None:
    world = both_worlds
    body = boxcar(world, world.grant(), "trial_balance", "payroll_summary", "financial_statement")
    answer = ask(world, body)
    assert decisions(answer) == [True, False, True]
    assert recorded(world) == 3
    assert len({one["context"]["entry_id"] for one in answer.json["evaluations"]}) == 3


def test_a_member_of_an_evaluation_overrides_the_default_whole(world: World) -> None:
    token = world.grant()
    body = boxcar(world, token, "trial_balance", "trial_balance")
    body["evaluations"][1]["context"] = {"purpose": "something else"}
    answer = ask(world, body)
    assert decisions(answer) == [True, False]
    # Without the default's grant_id, which the override took away, and with the other purpose.
    assert answer.json["evaluations"][1]["context"]["reasons"][0]["policy"] == "purpose-matches"


@pytest.mark.parametrize(
    ("semantic", "data_sets", "expected"),
    [
        ("execute_all", ("payroll_summary", "trial_balance", "payroll_summary"), [False, True, False]),
        ("deny_on_first_deny", ("trial_balance", "payroll_summary", "trial_balance"), [True, False]),
        ("permit_on_first_permit", ("payroll_summary", "trial_balance", "trial_balance"), [False, True]),
        ("deny_on_first_deny", ("trial_balance", "financial_statement"), [True, True]),
        ("permit_on_first_permit", ("payroll_summary", "payroll_summary"), [False, False]),
    ],
)
def test_the_three_semantics(
    world: World, semantic: str, data_sets: tuple[str, ...], expected: list[bool]
) -> None:
    token = world.grant()
    assert decisions(ask(world, boxcar(world, token, *data_sets, evaluations_semantic=semantic))) == expected
    assert recorded(world) == len(expected)  # what was not asked to the end is not in the ledger


def test_an_evaluation_that_is_malformed_is_a_deny_of_its_own(world: World) -> None:
    body = boxcar(world, world.grant(), "trial_balance", "trial_balance", "trial_balance")
    body["evaluations"][1]["resource"] = {"type": "dataset"}
    answer = ask(world, body)
    assert decisions(answer) == [True, False, True]
    error = answer.json["evaluations"][1]["context"]["error"]
    assert error["status"] == 400
    assert "id" in error["message"]
    body["options"] = {"evaluations_semantic": "deny_on_first_deny"}
    assert decisions(ask(world, body)) == [True, False]
    body["options"] = {"evaluations_semantic": "permit_on_first_permit"}
    assert decisions(ask(world, body)) == [True]
    body["evaluations"] = ["nonsense", 5, None]
    body.pop("options")
    assert decisions(ask(world, body)) == [False, False, False]


@pytest.mark.parametrize("evaluations", [None, []])
def test_without_evaluations_it_is_a_single_one(world: World, evaluations: Any) -> None:
    body = world.question(world.grant(), world.erp)
    if evaluations is not None:
        body["evaluations"] = evaluations
    answer = ask(world, body)
    assert answer.status_code == 200
    assert answer.json["decision"] is True
    assert "evaluations" not in answer.json


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"evaluations": {}},
        {"evaluations": "all"},
        {"evaluations": [{}], "options": []},
        {"evaluations": [{}], "options": {"evaluations_semantic": "sometimes"}},
        {"evaluations": [{}], "options": {"evaluations_semantic": None}},
        {"evaluations": [{}] * 1001},
        {"evaluations": []},
    ],
)
def test_what_is_wrong_with_the_whole_is_400(world: World, body: Any) -> None:
    answer = ask(world, body)
    assert answer.status_code == 400
    assert answer.text


def test_nobody_else_may_ask(world: World) -> None:
    assert world.app.test_client().post(PATH, json={"evaluations": []}).status_code == 401


def test_what_one_evaluation_uses_up_the_next_one_lacks(both_worlds: World) -> None:
    world = both_worlds
    body = boxcar(world, world.grant(), *["trial_balance"] * 6)
    assert decisions(ask(world, body)) == [True] * 4 + [False] * 2


def test_members_that_are_not_understood_are_ignored(world: World) -> None:
    body = boxcar(world, world.grant(), "trial_balance", another_option="value")
    body["something"] = {"else": 1}
    assert decisions(ask(world, body)) == [True]


def test_defaults_are_not_multiplied_beyond_what_one_request_may_cost(world: World) -> None:
    # Each evaluation is recorded whole, so a large default would fill memory and the ledger.
    body = boxcar(world, world.grant(), *["trial_balance"] * 500)
    body["context"] |= {f"padding{number}": "x" * 1000 for number in range(40)}
    before = recorded(world)
    answer = ask(world, body)
    assert answer.status_code == 400
    assert "defaults" in answer.text
    assert recorded(world) == before
    body["evaluations"] = body["evaluations"][:10]
    assert decisions(ask(world, body)) == [True] * 4 + [False] * 6


def test_a_token_that_was_revoked_is_401_though_nothing_could_be_decided(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}"}
    client, body = world.app.test_client(), {"evaluations": [{}, 5]}
    assert decisions(client.post(PATH, json=body, headers=headers)) == [False, False]
    world.erp.post("/oauth/revoke", {"token": headers["Authorization"].removeprefix("Bearer ")})
    assert client.post(PATH, json=body, headers=headers).status_code == 401
