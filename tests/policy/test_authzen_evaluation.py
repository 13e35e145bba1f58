"""AuthZEN Authorization API 1.0, section 6: one evaluation over HTTP, and its entry in the ledger."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from sqlalchemy import func, select, text

from consent_service.db import db, reading, writing
from consent_service.ledger.store import PayloadRow, PendingRow
from consent_service.registry import parties
from consent_service.registry.model import ClientRole, Standing
from tests.world import OTHER_OWNER, RESOURCE, Peer, World

PATH = "/access/v1/evaluation"


def reasons(answer: dict[str, Any]) -> list[str]:
    assert answer["decision"] is False
    return [reason["policy"] for reason in answer["context"]["reasons"]]


def test_a_read_under_a_grant_is_permitted_and_its_entry_named(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    answer = world.decide(token)
    assert answer["decision"] is True
    context = answer["context"]
    assert context["grant_id"] == token["grant_id"]
    assert [one["type"] for one in context["obligations"]] == ["delete_after", "use_only_for"]
    with world.app.app_context():
        row = reading().scalar(select(PayloadRow).where(PayloadRow.entry_id == context["entry_id"]))
        assert row is not None
        assert row.kind == "decision.permit"


@pytest.mark.parametrize(
    ("change", "policy"),
    [
        ({"data_set": "payroll_summary"}, "data-set-granted"),
        ({"properties": {"from": "2023-12-31"}}, "period-covered"),
        ({"properties": {"to": "2026-01-01"}}, "period-covered"),
        ({"properties": {"from": None, "to": None}}, "period-covered"),
        ({"properties": {"from": "2025-06-30", "to": "2025-01-01"}}, "period-covered"),
        ({"properties": {"from": "yesterday"}}, "malformed-request"),
        ({"properties": {"from": 5}}, "malformed-request"),
        ({"properties": {"owner": OTHER_OWNER}}, "no-grant"),
        ({"properties": {"owner": None}}, "malformed-request"),
        ({"properties": {"owner": "nonsense"}}, "no-grant"),
        ({"properties": {"holder": "somebody-else"}}, "holder-is-caller"),
        ({"properties": {"holder": None}}, "malformed-request"),
        ({"context": {"purpose": "marketing"}}, "purpose-matches"),
        ({"context": {"grant_id": "00000000-0000-0000-0000-000000000000"}}, "no-grant"),
        ({"party": "nobody"}, "party-matches"),
        ({"action": "write"}, "malformed-request"),
    ],
)
def test_what_was_not_granted_is_denied_with_the_reason(
    world: World, change: dict[str, Any], policy: str
) -> None:
    assert policy in reasons(world.decide(world.grant(), **change))


def test_a_missing_context_is_answered_from_the_owner_s_grants(world: World) -> None:
    token = world.grant()
    question = world.question(token, world.erp)
    del question["context"]
    answer = world.ask(world.erp, question).json
    assert answer["decision"] is True
    assert answer["context"]["grant_id"] == token["grant_id"]


def test_a_caller_can_t_bring_the_facts_along(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    world.revoke(browser, token["grant_id"])
    question = world.question(token, world.erp)
    question["context"] |= {
        "grant": {"status": "active", "owner": question["resource"]["properties"]["owner"]},
        "caller": {"client_id": world.erp.client_id, "status": "active", "serves": [RESOURCE]},
        "time": "2020-01-01",
        "reads": 0,
    }
    question["subject"]["properties"] = {"status": "active"}
    assert reasons(world.ask(world.erp, question).json) == ["grant-revoked"]


def test_the_next_decision_after_a_revocation_is_a_deny(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    token = world.grant(browser=browser)
    assert world.decide(token)["decision"] is True
    assert world.revoke(browser, token["grant_id"]).status_code == 303
    assert reasons(world.decide(token)) == ["grant-revoked"]


def test_a_suspended_party_is_refused_and_comes_back(world: World) -> None:
    token = world.grant()

    def standing(of: Standing) -> None:
        with world.app.app_context(), writing() as session:
            parties.set_standing(session, "0192:310041238", of, reason="test", now=world.clock.now())

    standing(Standing.SUSPENDED)
    assert reasons(world.decide(token)) == ["party-active"]
    standing(Standing.ACTIVE)
    assert world.decide(token)["decision"] is True


def test_a_holder_gets_no_decision_for_another_holder_s_data(world: World) -> None:
    other = world.register(
        ClientRole.HOLDER, "Other ERP", "0184:99810106", resource="https://other.example/api"
    )
    token = world.grant()
    assert reasons(world.decide(token, holder=other)) == ["holder-serves"]
    mine = world.question(token, world.erp)
    assert "holder-is-caller" in reasons(world.ask(other, mine).json)


def test_a_grant_ends_when_its_time_is_over(world: World) -> None:
    token = world.grant()
    world.clock.advance(days=90, seconds=1)
    assert reasons(world.decide(token)) == ["grant-ended"]


def test_recurring_access_is_counted_by_the_calendar_unit(world: World) -> None:
    token = world.grant()
    for _ in range(4):
        assert world.decide(token)["decision"] is True
    assert reasons(world.decide(token)) == ["limit-reached"]
    assert world.decide(token, data_set="financial_statement")["decision"] is True
    world.clock.advance(days=1)
    assert world.decide(token)["decision"] is True


def test_once_is_once_for_each_data_set_and_then_the_grant_is_used_up(world: World) -> None:
    access = {"mode": "once", "valid_until": world.details()["access"]["valid_until"]}
    token = world.grant(world.details(access=access))
    assert world.decide(token)["decision"] is True
    assert reasons(world.decide(token)) == ["limit-reached"]
    assert world.decide(token, data_set="financial_statement")["decision"] is True
    assert "grant-used-up" in reasons(world.decide(token, data_set="financial_statement"))


def test_a_limit_holds_however_many_ask_at_once(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    bearer = world.bearer(world.erp)
    question = world.question(token, world.erp)
    permits: list[bool] = []

    def ask() -> None:
        permits.append(world.ask(world.erp, question, bearer=bearer).json["decision"])

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(permits) == [False] * 8 + [True] * 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"subject":{"type":"party","id":"x"}}',
        b'{"subject":5,"action":{"name":"read"},"resource":{"type":"dataset","id":"x"}}',
        b'{"subject":{"type":"party","id":5},"action":{"name":"read"},"resource":{"type":"dataset","id":"x"}}',
        b'{"subject":{"type":"","id":"x"},"action":{"name":"read"},"resource":{"type":"dataset","id":"x"}}',
        b'{"subject":{"type":"party","id":"x\\u0000"},"action":{"name":"read"},"resource":{"type":"d","id":"x"}}',
        b'{"subject":{"type":"party","id":"\xff"},"action":{"name":"read"},"resource":{"type":"d","id":"x"}}',
        b'{"subject":{"type":"p","id":"x"},"action":{"name":"read"},"resource":{"type":"d","id":"x"},"context":[]}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_request_is_400_with_a_sentence(world: World, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}", "Content-Type": "application/json"}
    answer = world.app.test_client().post(PATH, data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.mimetype == "text/plain"
    assert 5 < len(answer.text) < 300


def test_a_large_body_is_413(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}", "Content-Type": "application/json"}
    answer = world.app.test_client().post(PATH, data=b" " * 10_000_000, headers=headers)
    assert answer.status_code == 413


def test_strange_values_are_denied_and_recorded_not_crashed_on(world: World) -> None:
    token = world.grant()
    question = world.question(token, world.erp)
    question["context"] |= {"a": 1.5, "b": 10**40, "c": None, "d": {"x": [1, {"y": "ø"}]}, "e": "\ud800"}
    question["resource"]["properties"]["odd"] = float("1e300")
    body = json.dumps(question)
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}", "Content-Type": "application/json"}
    answer = world.app.test_client().post(PATH, data=body, headers=headers)
    assert answer.status_code in {200, 400}


def test_fields_not_understood_are_ignored_and_the_request_id_comes_back(world: World) -> None:
    question = world.question(world.grant(), world.erp) | {"options": {"x": 1}}
    question["subject"]["extra"] = True
    answer = world.ask(world.erp, question, headers={"X-Request-ID": "bfe9eb29-ab87"})
    assert answer.json["decision"] is True
    assert answer.headers["X-Request-ID"] == "bfe9eb29-ab87"


def test_who_does_not_authenticate_gets_401_and_who_may_not_ask_403(world: World) -> None:
    client = world.app.test_client()
    token = world.grant()
    for value in (
        "",
        "Bearer",
        "Bearer x",
        "Basic eA==",
        f"Bearer {token['access_token']}",
        f"DPoP {token['access_token']}",
    ):
        answer = client.post(PATH, json={}, headers={"Authorization": value} if value else {})
        assert answer.status_code == 401, value
        assert answer.headers["WWW-Authenticate"].startswith("DPoP" if "DPoP" in value else "Bearer")
    bearer = world.bearer(world.erp)
    world.clock.advance(minutes=10)
    assert client.post(PATH, json={}, headers={"Authorization": f"Bearer {bearer}"}).status_code == 401


def test_a_suspended_holder_s_token_is_no_longer_taken(world: World) -> None:
    bearer = world.bearer(world.erp)
    with world.app.app_context(), writing() as session:
        parties.set_standing(
            session, "0192:310052345", Standing.SUSPENDED, reason="test", now=world.clock.now()
        )
    answer = world.app.test_client().post(PATH, json={}, headers={"Authorization": f"Bearer {bearer}"})
    assert answer.status_code == 401


def test_what_can_t_be_recorded_is_denied(world: World) -> None:
    token = world.grant()
    bearer = world.bearer(world.erp)
    question = world.question(token, world.erp)
    with world.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DROP TABLE ledger_pending"))
    answer = world.ask(world.erp, question, bearer=bearer)
    assert answer.status_code == 200
    assert answer.json["decision"] is False
    assert reasons(answer.json) == ["ledger-unavailable"]
    assert answer.json["context"]["error"]["status"] == 503


def test_a_permit_is_in_the_ledger_before_the_answer_leaves(world: World) -> None:
    token = world.grant()
    with world.app.app_context():
        before = reading().scalar(select(func.count()).select_from(PendingRow))
    world.decide(token)
    world.decide(token, data_set="nothing")
    with world.app.app_context():
        assert reading().scalar(select(func.count()).select_from(PendingRow)) == before + 2


def test_the_metadata_names_the_endpoint(world: World) -> None:
    document = world.app.test_client().get("/.well-known/authzen-configuration").json
    assert document["policy_decision_point"] == "http://localhost"
    assert document["access_evaluation_endpoint"] == "http://localhost" + PATH


@pytest.mark.parametrize("other", ["another place", "no place"])
def test_who_has_no_part_in_a_grant_does_not_learn_that_it_is_there(world: World, other: str) -> None:
    stranger = world.register(
        ClientRole.HOLDER,
        "Another ERP",
        "0192:310034568",
        resource="https://other.example.no/api" if other == "another place" else "",
    )
    nobody = world.register(ClientRole.PARTY, "Another bank", "0192:310041238")
    token = world.grant()

    def told(party: Peer, holder: Peer = stranger, **changes: Any) -> dict[str, Any]:
        unnamed = {"party": party.client_id, "context": {"grant_id": None}}
        context = dict(world.decide(token, holder, **unnamed, **changes)["context"])
        return {name: value for name, value in context.items() if name not in {"id", "entry_id"}}

    asked: list[tuple[dict[str, Any], str]] = [
        ({}, "no-grant"),
        ({"data_set": "payroll_summary"}, "no-grant"),
        ({"properties": {"holder": world.erp.client_id}}, "holder-is-caller"),
    ]
    for changes, reason in asked:
        assert told(world.bank, **changes) == told(nobody, **changes)
        assert [one["policy"] for one in told(world.bank, **changes)["reasons"]] == [reason]
    named = world.decide(token, stranger, data_set="payroll_summary")  # who names it has seen the token
    assert reasons(named) == ["holder-serves"]
    page = world.sign_in().get("/activity").text
    assert "another data holder" in page  # and the owner sees all of it


def test_a_grant_is_a_party_s_and_nobody_s_of_another_type_with_its_name(world: World) -> None:
    question = world.question(world.grant(), world.erp)
    question["subject"]["type"] = "user"
    del question["context"]["grant_id"]
    answer = world.ask(world.erp, question).json
    assert reasons(answer) == ["malformed-request"]
    assert "grant_id" not in answer["context"]


@pytest.mark.parametrize("given", ["{7c9e}", "of the 3rd of May, the 2nd", "x" * 500, '"a" <b>'])
def test_the_request_id_is_an_arbitrary_string_and_comes_back_the_same(world: World, given: str) -> None:
    for question in (world.question({"grant_id": "none"}, world.erp), {}):
        answer = world.ask(world.erp, question, headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] == given
