"""AuthZEN Authorization API 1.0 section 8: who may, to what, and what; and section 9's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwt.algorithms import ECAlgorithm
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from consent_service.db import reading
from consent_service.ledger.store import PendingRow
from consent_service.policy.publish import from_directory
from consent_service.policy.rulebook import Rulebook
from consent_service.policy.schemas import load_search
from consent_service.policy.search import search
from tests.world import OWNER, World


def ask(world: World, kind: str, body: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}"}
    return world.app.test_client().post(f"/access/v1/search/{kind}", json=body, headers=headers)


def question(world: World, **changes: Any) -> dict[str, Any]:
    properties = {"owner": OWNER, "holder": world.erp.client_id, "from": "2025-01-01", "to": "2025-06-30"}
    body = {
        "subject": {"type": "party", "id": world.bank.client_id},
        "action": {"name": "read"},
        "resource": {"type": "dataset", "id": "trial_balance", "properties": properties},
    } | changes
    return {name: value for name, value in body.items() if value is not None}


def test_who_may_read_my_trial_balance_for_what(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    token = world.grant(browser=browser)
    body = question(world, subject={"type": "party"})
    assert ask(world, "subject", body).json["results"] == [{"type": "party", "id": world.bank.client_id}]
    for context, found in (({"purpose": "credit_assessment"}, 1), ({"purpose": "statistics"}, 0)):
        assert len(ask(world, "subject", body | {"context": context}).json["results"]) == found
    world.revoke(browser, token["grant_id"])
    assert ask(world, "subject", body).json["results"] == []


def test_a_grant_whose_time_is_over_is_not_found_and_nothing_is_written(world: World) -> None:
    world.grant()
    world.clock.advance(days=91)
    bearer = {"Authorization": f"Bearer {world.bearer(world.erp)}"}
    with world.app.app_context():
        before = reading().scalar(select(func.count()).select_from(PendingRow))
    body = question(world, subject={"type": "party"})
    assert (
        world.app.test_client().post("/access/v1/search/subject", json=body, headers=bearer).json["results"]
        == []
    )
    with world.app.app_context():
        assert reading().scalar(select(func.count()).select_from(PendingRow)) == before


def test_every_result_of_a_search_is_then_permitted(world: World) -> None:
    token = world.grant()
    body = question(world, resource={**question(world)["resource"], "id": "ignored"})
    found = ask(world, "resource", body).json["results"]
    assert found == [
        {"type": "dataset", "id": "financial_statement"},
        {"type": "dataset", "id": "trial_balance"},
    ]
    for one in found:
        assert world.decide(token, data_set=one["id"])["decision"] is True


def test_what_may_be_done(world: World) -> None:
    world.grant()
    assert ask(world, "action", question(world, action=None)).json["results"] == [{"name": "read"}]
    stranger = question(world, action=None, subject={"type": "party", "id": "nobody"})
    assert ask(world, "action", stranger).json["results"] == []


def test_results_come_in_pages(world: World) -> None:
    world.grant()
    body = question(world) | {"page": {"limit": 1}}
    first = ask(world, "resource", body).json
    assert first["page"]["count"] == 1
    assert first["page"]["total"] == 2
    assert first["page"]["next_token"]
    second = ask(world, "resource", body | {"page": {"limit": 1, "token": first["page"]["next_token"]}}).json
    assert second["page"]["next_token"] == ""
    assert [one["id"] for one in first["results"] + second["results"]] == [
        "financial_statement",
        "trial_balance",
    ]
    for wrong in (
        body | {"page": {"limit": 2, "token": first["page"]["next_token"]}},
        body | {"page": {"limit": 1, "token": "nonsense"}},
        body | {"context": {"purpose": "x"}, "page": {"limit": 1, "token": first["page"]["next_token"]}},
    ):
        answer = ask(world, "resource", wrong)
        assert (answer.status_code, "page.token" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("subject", {"subject": None}),
        ("subject", {"subject": {}}),
        ("subject", {"action": None}),
        ("resource", {"resource": {"id": "x"}}),
        ("action", {"subject": {"type": "party"}}),
        ("subject", {"page": {"limit": -1}}),
        ("subject", {"page": {"limit": "many"}}),
        ("subject", {"page": []}),
    ],
)
def test_a_malformed_search_is_400(world: World, kind: str, change: dict[str, Any]) -> None:
    answer = ask(world, kind, question(world, **change))
    assert answer.status_code == 400
    assert answer.text


def test_there_are_three_searches_and_only_for_holders(world: World) -> None:
    assert ask(world, "owner", question(world)).status_code == 404
    assert world.app.test_client().post("/access/v1/search/subject", json={}).status_code == 401


def test_any_policy_directory_can_be_searched(tmp_path: Path, world: World) -> None:
    (tmp_path / "schema.cedarschema").write_text(
        "entity role; entity user in [role]; entity document = { confidential: Bool };"
        "action view, edit appliesTo { principal: [user], resource: [document] };"
    )
    (tmp_path / "all.cedar").write_text(
        '@id("editors")@explanation("Editors may.")permit (principal in role::"editor", action, resource);'
        '@id("open")@explanation("Open to all.")permit (principal, action == Action::"view", resource)'
        "when { !resource.confidential };"
    )
    users = {"ann": ["editor"], "bob": []}
    entities = [
        {
            "uid": {"type": "user", "id": name},
            "attrs": {},
            "parents": [{"type": "role", "id": one} for one in roles],
        }
        for name, roles in users.items()
    ]
    entities += [
        {"uid": {"type": "document", "id": name}, "attrs": {"confidential": secret}, "parents": []}
        for name, secret in (("plan", True), ("menu", False))
    ]
    (tmp_path / "entities.json").write_text(json.dumps(entities))
    book = Rulebook(from_directory(tmp_path))

    def found(kind: str, **parts: Any) -> list[str]:
        body = {
            "subject": {"type": "user", "id": "bob"},
            "action": {"name": "view"},
            "resource": {"type": "document", "id": "plan"},
        } | parts
        if kind == "action":
            del body["action"]
        with world.app.app_context():
            answer = search(
                kind, load_search(kind, body), world.erp.client_id, book, reading(), world.clock.now()
            )
        return [one.get("id") or one["name"] for one in answer["results"]]

    assert found("subject") == ["ann"]
    assert found("subject", resource={"type": "document", "id": "menu"}) == ["ann", "bob"]
    assert found("resource") == ["menu"]
    assert found("resource", subject={"type": "user", "id": "ann"}) == ["menu", "plan"]
    assert found("action", resource={"type": "document", "id": "menu"}) == ["view"]
    assert found("action", subject={"type": "user", "id": "ann"}) == ["edit", "view"]


def test_the_metadata_is_true_and_signed_by_a_published_key(world: World) -> None:
    http = world.app.test_client()
    document = http.get("/.well-known/authzen-configuration").json
    signed = document.pop("signed_metadata")
    [key] = [one for one in http.get("/oauth/jwks").json["keys"] if one["alg"] == "ES256"]
    claims = jwt.decode(
        signed, ECAlgorithm.from_jwk(json.dumps(key)), ["ES256"], options={"verify_iat": False}
    )
    assert claims["iss"] == document["policy_decision_point"]
    assert document.items() <= claims.items()
    assert "signed_metadata" not in claims
    for name, url in document.items():
        if name.endswith("_endpoint"):
            path = url.removeprefix(document["policy_decision_point"])
            assert http.post(path, json={}).status_code == 401, name


def test_a_token_that_was_revoked_finds_nothing_from_that_moment_on(both_worlds: World) -> None:
    world = both_worlds
    world.grant()
    bearer = world.bearer(world.erp)
    headers = {"Authorization": f"Bearer {bearer}"}
    body, client = question(world, subject={"type": "party"}), world.app.test_client()
    assert client.post("/access/v1/search/subject", json=body, headers=headers).json["results"]
    assert world.erp.post("/oauth/revoke", {"token": bearer}).status_code == 200
    assert client.post("/access/v1/search/subject", json=body, headers=headers).status_code == 401


def test_numbers_of_any_size_are_no_trouble(world: World) -> None:
    world.grant()
    large = 10**40
    body = question(world, context={"number": large}) | {"page": {"limit": 1}}
    first = ask(world, "resource", body)
    assert first.status_code == 200
    body["page"] = {"limit": 1, "token": first.json["page"]["next_token"]}
    assert len(ask(world, "resource", body).json["results"]) == 1
    body["page"]["limit"] = large
    assert ask(world, "resource", body).status_code == 400
