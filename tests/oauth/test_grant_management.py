"""Grant Management for OAuth 2.0: a grant keeps its id, the owner is asked again, nothing widens unseen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from consent_service.cli import main
from consent_service.config import POLICIES
from consent_service.db import db, writing
from consent_service.grants.store import RequestRow
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish
from consent_service.registry.model import ClientRole
from consent_service.upkeep.purge import purge
from tests.oauth.grants import (
    api_token,
    call,
    change,
    changed,
    hand_back,
    introspect,
    machine,
    query,
    recurring,
    refresh,
    until,
)
from tests.world import Peer, World

ELSE = "0007:5599980108"


def refused(world: World, code: str, **form: Any) -> str:
    answer = world.bank.push(**form)
    assert (answer.status_code, answer.json["error"]) == (400, code), answer.text
    return str(answer.json["error_description"])


def replayed(world: World) -> dict[str, Any]:
    with world.app.app_context():
        url = db.engine.url.render_as_string(hide_password=False)
    answer = CliRunner().invoke(main, ["ledger", "replay", "--database", url, "--json"])
    return dict(json.loads(answer.output))


def merge_vat(world: World, token: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The details of a merge that adds one data set to what was granted."""
    [granted] = token["authorization_details"]
    kept = {name: value for name, value in granted.items() if name != "grant_id"}
    return kept | {"datatypes": ["vat_return"]} | changes


def test_merge_keeps_the_grant_id_and_adds_what_the_owner_agreed_to(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    before = world.grant(browser=browser)
    assert world.decide(before, data_set="vat_return")["decision"] is False
    sets = ["financial_statement", "trial_balance", "vat_return"]
    after = changed(world, browser, before["grant_id"], "merge", merge_vat(world, before), datatypes=sets)
    assert after["grant_id"] == before["grant_id"]
    assert after["authorization_details"][0]["datatypes"] == sets
    assert world.decide(after, data_set="vat_return")["decision"] is True
    assert world.decide(after)["decision"] is True


def test_replace_leaves_only_what_was_asked_and_agreed_to_now(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    asked = world.details(datatypes=["vat_return"], retention="P30D", access=recurring(world, 30, 2))
    after = changed(world, browser, before["grant_id"], "replace", asked)
    assert after["grant_id"] == before["grant_id"]
    assert after["authorization_details"][0]["retention"] == "P30D"
    assert world.decide(after, data_set="vat_return")["decision"] is True
    assert world.decide(before)["decision"] is False


def test_the_owner_is_asked_again_and_shown_what_changes(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    asked = world.details(
        datatypes=["vat_return", "trial_balance"],
        period={"from": "2024-01-01", "to": "2026-03-31"},
        access=recurring(world, 30, 9, "month"),
        retention="P30D",
        onward_sharing=["0007:5599980116"],
        locations=["https://erp.example.no/api", "https://second.example.se/api"],
    )
    pushed = change(world, before["grant_id"], "replace", asked)
    _path, page = world.open_request(browser, pushed)
    text = " ".join(page.text.split())
    assert "wants to change what it may read" in text
    [changes] = [part.split("</section>")[0] for part in text.split('aria-labelledby="changes"')[1:]]
    for said in (
        "VAT return",
        'No longer: <bdi class="name">Financial statement',
        "At most 4 times a day",
        "At most 9 times a month",
        "Deletes its copy after 90 days",
        "Deletes its copy after 30 days",
        "Not passed on to anyone",
        "second.example.se",
        "2026",
    ):
        assert said in changes
    assert "Trial balance" not in changes  # it stays
    assert world.decide(before)["decision"] is True  # nothing is changed by asking


def test_the_owner_can_give_less_than_the_change_asks_for(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    after = changed(
        world, browser, before["grant_id"], "merge", merge_vat(world, before), datatypes=["vat_return"]
    )
    assert after["authorization_details"][0]["datatypes"] == ["vat_return"]
    assert world.decide(before)["decision"] is False


def test_the_old_version_lives_until_the_new_one_stands(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    pushed = change(world, before["grant_id"], "merge", merge_vat(world, before))
    path, page = world.open_request(browser, pushed)
    assert world.decide(before)["decision"] is True
    declined = world.answer(browser, path, page, answer="decline")
    assert "error=access_denied" in browser.get(declined.location).location
    assert world.decide(before)["decision"] is True
    assert query(world, before["grant_id"]).json["version"] == 1


def test_reads_that_were_counted_stay_counted(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    assert [world.decide(before)["decision"] for _ in range(3)] == [True] * 3
    sets = ["financial_statement", "trial_balance", "vat_return"]
    changed(world, browser, before["grant_id"], "merge", merge_vat(world, before), datatypes=sets)
    assert [world.decide(before)["decision"] for _ in range(2)] == [True, False]
    assert world.decide(before, data_set="vat_return")["decision"] is True


def test_a_once_only_grant_that_is_extended_opens_nothing_twice(world: World) -> None:
    browser = world.sign_in()
    access = {"mode": "once", "valid_until": until(world, 30)}
    before = world.grant(world.details(access=access), browser)
    assert world.decide(before)["decision"] is True
    sets = ["financial_statement", "trial_balance", "vat_return"]
    changed(world, browser, before["grant_id"], "merge", merge_vat(world, before), datatypes=sets)
    assert world.decide(before)["decision"] is False
    assert world.decide(before, data_set="vat_return")["decision"] is True


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"purpose": "accounting_services"}, "purpose"),
        ({"retention": "P30D"}, "retention"),
        ({"onward_sharing": ["0007:5599980116"]}, "onward_sharing"),
        ({"owner": {"authority": "iso6523-actorid-upis", "ID": ELSE}}, "owner"),
        ({"period": {"from": "2020-01-01", "to": "2020-12-31"}}, "touch"),
        ({"period": {"from": "2024-01-01", "to": "2026-03-31"}}, "datatypes, period"),
    ],
)
def test_what_can_t_be_said_as_one_union_is_refused(
    world: World, changes: dict[str, Any], names: str
) -> None:
    before = world.grant()
    answer = change(world, before["grant_id"], "merge", merge_vat(world, before, **changes))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_authorization_details")
    assert names in answer.json["error_description"]


def test_a_merge_never_gives_more_often(world: World) -> None:
    before = world.grant()
    often = merge_vat(world, before, access=recurring(world, 90, 40))
    assert "access" in change(world, before["grant_id"], "merge", often).json["error_description"]


@pytest.mark.parametrize("action", ["merge", "replace"])
def test_merge_and_replace_must_name_a_grant(world: World, action: str) -> None:
    assert "grant_id" in refused(world, "invalid_request", grant_management_action=action)


def test_create_and_no_action_must_not_name_a_grant(world: World) -> None:
    token = world.grant()
    refused(world, "invalid_request", grant_id=token["grant_id"])
    refused(world, "invalid_request", grant_id=token["grant_id"], grant_management_action="create")


def test_create_gives_another_grant_beside_the_first(world: World) -> None:
    browser = world.sign_in()
    first = world.grant(browser=browser)
    back = world.approve(browser, world.bank.push(grant_management_action="create"))
    second = world.bank.redeem(back["code"]).json
    assert second["grant_id"] != first["grant_id"]
    assert world.decide(first)["decision"] is world.decide(second)["decision"] is True


def test_an_action_that_is_not_supported_is_an_invalid_request(world: World) -> None:
    for action in ("update", "MERGE", "query"):
        refused(world, "invalid_request", grant_management_action=action, grant_id="x")


def test_every_reason_against_a_grant_id_has_the_same_answer(world: World) -> None:
    browser = world.sign_in()
    mine, ended = world.grant(browser=browser), world.grant(browser=browser)
    world.revoke(browser, ended["grant_id"])
    other = world.register(ClientRole.PARTY, "Another Bank", "0007:5599980116")
    said = set()
    for peer, grant_id in (
        (other, mine["grant_id"]),
        (world.bank, ended["grant_id"]),
        (world.bank, "00000000-0000-4000-8000-000000000000"),
        (world.bank, "æ\u2028"),
    ):
        answer = change(world, grant_id, "merge", world.details(), peer)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant_id")
        said.add(answer.json["error_description"])
    assert len(said) == 1
    world.clock.advance(days=91)
    answer = change(world, mine["grant_id"], "merge", world.details(access=recurring(world, 90)))
    assert answer.json["error"] == "invalid_grant_id"


def invoked(world: World) -> tuple[Peer, dict[str, Any]]:
    """An authority, and what a law opens for it."""
    tax = world.register(ClientRole.PARTY, "Skatteetaten", "0192:974761076")
    details = world.details(
        purpose="vat_reporting",
        datatypes=["vat_return"],
        legal_basis="no_tax",
        retention="P10Y",
        message=None,
    )
    form = {"grant_type": "client_credentials", "authorization_details": json.dumps([details])}
    answer = tax.post("/oauth/token", form, dpop=True)
    assert answer.status_code == 200, answer.text
    return tax, dict(answer.json)


def test_what_a_law_gave_is_not_the_owner_s_to_change_and_ends_when_handed_back(world: World) -> None:
    tax, token = invoked(world)
    asked = world.details(purpose="vat_reporting", datatypes=["vat_return"])
    answer = change(world, token["grant_id"], "replace", asked, tax)
    assert answer.json["error"] == "invalid_grant_id"
    assert query(world, token["grant_id"], tax).json["status"] == "active"
    assert hand_back(world, token["grant_id"], tax).status_code == 204
    assert query(world, token["grant_id"], tax).json["status"] == "ended"


def test_a_change_that_the_grant_has_outrun_is_not_made(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    first = change(world, before["grant_id"], "merge", merge_vat(world, before))
    path, page = world.open_request(browser, first)
    narrower = world.details(datatypes=["trial_balance"])
    changed(world, browser, before["grant_id"], "replace", narrower)
    late = world.answer(browser, path, page, datatypes=["financial_statement", "vat_return"])
    assert late.status_code == 409
    assert "has changed meanwhile" in late.text
    assert "error=access_denied" in browser.get(f"/oauth/authorize/{path[10:]}/return").location
    assert query(world, before["grant_id"]).json["authorization_details"][0]["datatypes"] == ["trial_balance"]


def test_a_revoked_grant_is_not_brought_back_by_a_waiting_change(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    path, page = world.open_request(
        browser, change(world, before["grant_id"], "merge", merge_vat(world, before))
    )
    world.revoke(browser, before["grant_id"])
    assert world.answer(browser, path, page, datatypes=["vat_return"]).status_code == 409
    assert world.decide(before)["decision"] is False


def test_a_token_of_the_old_version_is_good_for_what_both_versions_give(world: World) -> None:
    browser = world.sign_in()
    before = world.grant(browser=browser)
    sets = ["vat_return", "trial_balance"]
    changed(world, browser, before["grant_id"], "replace", world.details(datatypes=sets))
    [told] = introspect(world.bank, before["access_token"])["authorization_details"]
    assert told["datatypes"] == ["trial_balance"]
    changed(world, browser, before["grant_id"], "replace", world.details(datatypes=["vat_return"]))
    assert introspect(world.bank, before["access_token"]) == {"active": False}
    [renewed] = refresh(world.bank, before).json["authorization_details"]
    assert renewed["datatypes"] == ["vat_return"]  # the owner agreed to it for this grant


def test_replay_holds_over_changes_and_hand_backs(world: World) -> None:
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    browser = world.sign_in()
    before = world.grant(browser=browser)
    world.decide(before)
    sets = ["financial_statement", "trial_balance", "vat_return"]
    changed(world, browser, before["grant_id"], "merge", merge_vat(world, before), datatypes=sets)
    world.decide(before, data_set="vat_return")
    world.decide(before)
    changed(world, browser, before["grant_id"], "replace", world.details(access=recurring(world, 20, 1)))
    world.decide(before)
    hand_back(world, before["grant_id"])
    world.decide(before)
    world.sequence()
    found = replayed(world)
    assert found["decisions"] == 5
    assert found["differences"] == []


def test_query_answers_the_client_that_holds_the_grant(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    first = query(world, token["grant_id"])
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "no-store"
    assert first.json["status"] == "active"
    assert first.json["authorization_details"] == token["authorization_details"]
    world.clock.advance(seconds=5)
    sets = ["financial_statement", "trial_balance", "vat_return"]
    changed(world, browser, token["grant_id"], "merge", merge_vat(world, token), datatypes=sets)
    second = query(world, token["grant_id"]).json
    assert second["version"] == 2
    assert second["created_at"] == first.json["created_at"] < second["last_updated_at"]
    assert second["authorization_details"][0]["datatypes"] == sets


def test_somebody_else_s_grant_and_none_are_the_same_404(world: World) -> None:
    token = world.grant()
    other = world.register(ClientRole.PARTY, "Another Bank", "0007:5599980116")
    answers = [
        call(world, method, grant_id, api_token(peer, scope))
        for method, scope in (("GET", "grant_management_query"), ("DELETE", "grant_management_revoke"))
        for peer, grant_id in ((other, token["grant_id"]), (world.bank, "nothing"), (world.bank, "\u00e6"))
    ]
    assert {(one.status_code, one.text) for one in answers} == {(404, answers[0].text)}
    assert world.decide(token)["decision"] is True


def test_delete_ends_the_grant_and_every_token_of_it(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    token = world.grant(browser=browser)
    gone = hand_back(world, token["grant_id"])
    assert (gone.status_code, gone.data) == (204, b"")
    assert [one["policy"] for one in world.decide(token)["context"]["reasons"]] == ["grant-handed-back"]
    assert refresh(world.bank, token).json["error"] == "invalid_grant"
    assert introspect(world.erp, token["access_token"]) == {"active": False}
    assert machine(world.bank, token["grant_id"]).json["error"] == "invalid_grant"
    assert query(world, token["grant_id"]).json["status"] == "terminated"
    page = browser.get(f"/grants/{token['grant_id']}").text
    assert "Handed back" in page
    assert "Nordhavn Bank ASA" in page.partition('aria-labelledby="history"')[2]


def test_delete_of_what_has_ended_changes_nothing(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    world.revoke(browser, token["grant_id"])
    assert hand_back(world, token["grant_id"]).status_code == 204
    assert query(world, token["grant_id"]).json["status"] == "revoked"


def test_the_api_takes_its_own_scopes_only(world: World) -> None:
    token = world.grant()
    for method, scope in (
        ("GET", "grant_management_revoke"),
        ("DELETE", "grant_management_query"),
        ("GET", "ledger"),
        ("DELETE", "ledger"),
    ):
        answer = call(world, method, token["grant_id"], api_token(world.bank, scope))
        assert (answer.status_code, answer.json["error"]) == (403, "insufficient_scope")
    both = api_token(world.bank, "grant_management_query grant_management_revoke")
    assert call(world, "GET", token["grant_id"], both).status_code == 200
    assert call(world, "DELETE", token["grant_id"], both).status_code == 204


def test_a_call_without_a_valid_token_is_401(world: World) -> None:
    token = world.grant()
    path = f"/oauth/grants/{token['grant_id']}"
    bare = world.app.test_client().get(path)
    assert (bare.status_code, bare.json["error"]) == (401, "invalid_token")
    assert bare.headers["WWW-Authenticate"].startswith("Bearer")
    assert call(world, "GET", token["grant_id"], "nonsense").status_code == 401
    assert call(world, "GET", token["grant_id"], token["access_token"]).status_code == 401  # a bound one


def test_a_bound_token_needs_its_key_s_proof_at_the_api(world: World) -> None:
    token = world.grant()
    path = f"/oauth/grants/{token['grant_id']}"
    bound = api_token(world.bank, "grant_management_query", dpop=True)
    assert call(world, "GET", token["grant_id"], bound).status_code == 401
    proof = world.bank.dpop.proof("GET", f"http://localhost{path}", world.clock.now(), bound)
    headers = {"Authorization": f"DPoP {bound}", "DPoP": proof}
    assert world.app.test_client().get(path, headers=headers).status_code == 200
    assert world.app.test_client().get(path, headers=headers).status_code == 401  # the proof is used


def test_scopes_of_two_apis_are_of_two_tokens(world: World) -> None:
    form = {"grant_type": "client_credentials", "scope": "ledger grant_management_query"}
    assert world.bank.post("/oauth/token", form).json["error"] == "invalid_scope"
    form["scope"] = "grant_management_query"
    assert world.erp.post("/oauth/token", form).json["error"] == "invalid_scope"


def test_the_metadata_says_what_is_built(world: World) -> None:
    document = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert set(document["grant_management_actions_supported"]) == {
        "query",
        "revoke",
        "create",
        "merge",
        "replace",
    }
    assert document["grant_management_endpoint"].endswith("/oauth/grants")
    assert document["grant_management_action_required"] is False
    assert {"grant_management_query", "grant_management_revoke"} <= set(document["scopes_supported"])


def test_the_grant_s_page_tells_what_each_version_changed(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    changed(
        world,
        browser,
        token["grant_id"],
        "replace",
        world.details(datatypes=["vat_return"], retention="P30D"),
    )
    history = browser.get(f"/grants/{token['grant_id']}").text.partition('aria-labelledby="history"')[2]
    assert "Changed" in history
    assert "version 2" in history
    assert "version 1" in history
    assert "Deletes its copy after 30 days" in history


def test_a_standing_grant_is_renewed_long_after_its_request_was_forgotten(world: World) -> None:
    token = world.grant()
    world.clock.advance(days=60)
    with world.app.app_context():
        deleted, all_of_it = purge(db.engine, world.clock.now(), wait=lambda _seconds: False)
        assert deleted > 0
        assert all_of_it
        with writing() as session:  # it is kept while its grant lives; a renewal needs it no more than a read
            session.execute(delete(RequestRow))
    renewed = refresh(world.bank, token)
    assert renewed.status_code == 200, renewed.text
    assert renewed.json["authorization_details"] == token["authorization_details"]
    assert query(world, token["grant_id"]).json["status"] == "active"
