"""What people complain about elsewhere, and what must not be true here: one test for each."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text

from consent_service.db import reading, writing
from consent_service.ledger.model import Kind
from consent_service.ledger.store import payloads_of
from consent_service.registry import parties
from consent_service.registry.model import AuthMethod, ClientRole, Profile
from consent_service.registry.parties import Registration
from tests.oauth.grants import (
    SECOND,
    api_token,
    call,
    change,
    changed,
    introspect,
    machine,
    query,
    refresh,
    second_holder,
)
from tests.world import OWNER, REDIRECT, RESOURCE, World


def test_there_is_no_consent_without_an_end(world: World) -> None:
    access = world.details()["access"]
    del access["valid_until"]
    assert world.bank.push([world.details(access=access)]).json["error"] == "invalid_authorization_details"
    token = world.grant()
    world.clock.advance(days=91)
    assert world.decide(token)["decision"] is False
    assert query(world, token["grant_id"]).json["status"] == "expired"


def test_past_authorizations_are_listed_and_revoked_one_by_one(world: World) -> None:
    browser = world.sign_in()
    first, second, third = (world.grant(browser=browser) for _ in range(3))
    world.revoke(browser, second["grant_id"])
    listed, ended = browser.get("/grants").text, browser.get("/grants?show=ended").text
    for one, there in ((first, listed), (second, ended), (third, listed)):
        assert f"/grants/{one['grant_id']}" in there
    assert f"/grants/{second['grant_id']}" not in listed
    assert [world.decide(one)["decision"] for one in (first, second, third)] == [True, False, True]


def test_one_stable_id_joins_token_consent_and_the_holder_s_log(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    grant_id = token["grant_id"]
    assert introspect(world.erp, token["access_token"])["grant_id"] == grant_id
    assert world.decide(token)["context"]["grant_id"] == grant_id  # what the holder writes down
    with world.app.app_context():
        [row] = payloads_of(reading(), OWNER, [Kind.DECISION_PERMIT], grant_id=grant_id, limit=5)
    assert row.grant_id == grant_id
    assert grant_id in browser.get(f"/grants/{grant_id}").text
    sets = ["financial_statement", "trial_balance"]
    after = changed(world, browser, grant_id, "replace", world.details(), datatypes=sets)
    assert after["grant_id"] == refresh(world.bank, token).json["grant_id"] == grant_id  # for life


def test_revoking_consent_leaves_no_token_alive(world: World) -> None:
    second_holder(world)
    browser = world.sign_in()
    token = world.grant(world.details(locations=[RESOURCE, SECOND]), browser)
    of_machine = machine(world.bank, token["grant_id"]).json
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token["access_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "resource": SECOND,
    }
    exchanged = world.erp.post("/oauth/token", form, dpop=True).json
    world.revoke(browser, token["grant_id"])
    for one in (token["access_token"], token["refresh_token"], of_machine["access_token"]):
        assert introspect(world.bank, one) == {"active": False}
    assert introspect(world.erp, exchanged["access_token"]) == {"active": False}
    assert refresh(world.bank, token).json["error"] == "invalid_grant"
    assert machine(world.bank, token["grant_id"]).json["error"] == "invalid_grant"


def test_scopes_do_not_pile_up_on_a_stored_grant(world: World) -> None:
    browser = world.sign_in()
    first = world.grant(world.details(datatypes=["trial_balance"]), browser)
    asked = world.details(datatypes=["vat_return"])
    changed(world, browser, first["grant_id"], "replace", asked)
    [details] = query(world, first["grant_id"]).json["authorization_details"]
    assert details["datatypes"] == ["vat_return"]
    back = world.approve(browser, world.bank.push([asked]), datatypes=["vat_return"])
    second = world.bank.redeem(back["code"]).json
    assert second["grant_id"] != first["grant_id"]
    assert second["authorization_details"][0]["datatypes"] == ["vat_return"]
    assert world.bank.push(scope="trial_balance").json["error"] == "invalid_scope"


def test_a_second_request_widens_nothing_silently(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    wide = world.details(datatypes=["financial_statement", "trial_balance", "vat_return"])
    pushed = change(world, token["grant_id"], "merge", wide)
    _path, page = world.open_request(browser, pushed)
    assert "What would change" in page.text
    assert "VAT return" in page.text.partition("What would change")[2].partition("</section>")[0]
    assert world.decide(token, data_set="vat_return")["decision"] is False
    assert refresh(world.bank, token).json["authorization_details"] == token["authorization_details"]


def test_the_page_shows_the_details_that_were_asked_and_no_scope(world: World) -> None:
    _path, page = world.open_request(world.sign_in(), world.bank.push())
    shown = page.text
    for said in ("Trial balance", "Financial statement", "At most 4 times a day", "after 90 days"):
        assert said in shown
    assert "scope" not in shown.lower()
    assert "trial_balance" not in shown.replace('value="trial_balance"', "")


def test_what_the_person_may_not_give_is_not_shown(world: World) -> None:
    pushed = world.bank.push([world.details(owner=None)])
    _path, page = world.open_request(world.sign_in("ingrid"), pushed)
    assert OWNER in page.text
    assert "0007:5599980108" not in page.text  # somebody else's business
    stranger = world.sign_in("elsa")
    path, refused = world.open_request(stranger, world.bank.push())
    assert refused.status_code == 403
    assert "Trial balance" not in refused.text
    assert stranger.get(path).status_code == 403


def test_a_refresh_without_proof_of_the_key_gives_nothing(world: World) -> None:
    token = world.grant()
    asked = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    assert world.bank.post("/oauth/token", asked).json["error"] == "invalid_dpop_proof"
    thief = world.register(ClientRole.PARTY, "Another bank", "0007:5599980116")
    assert thief.post("/oauth/token", asked, dpop=True).json["error"] == "invalid_grant"
    proof = world.bank.proof("/oauth/token")
    stolen = {"assertion": thief.assertion(iss=world.bank.client_id, sub=world.bank.client_id), "dpop": proof}
    assert world.bank.post("/oauth/token", asked, **stolen).json["error"] == "invalid_client"
    assert world.bank.post("/oauth/token", asked, dpop=True).status_code == 200


def test_a_revoked_jwt_does_not_work_any_more(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    world.bank.post("/oauth/revoke", {"token": token["access_token"]})
    assert introspect(world.erp, token["access_token"]) == {"active": False}
    assert world.decide(token)["decision"] is True  # the grant is the owner's to end, and this does it:
    world.revoke(browser, token["grant_id"])
    assert world.decide(token)["decision"] is False


def test_no_secret_stands_in_clear_in_the_database(world: World) -> None:
    secret = parties.new_secret()
    registration = Registration(
        role=ClientRole.LOGIN,
        name="An ERP vendor",
        organisation="0007:5599980116",
        jwks={},
        redirect_uris=(REDIRECT,),
        profile=Profile.OIDC,
        auth_method=AuthMethod.CLIENT_SECRET_BASIC,
        secret=secret,
    )
    with world.app.app_context(), writing() as session:
        parties.register(session, registration, world.clock.now())
    browser = world.sign_in()
    pushed = world.bank.push()
    code = world.approve(browser, pushed)["code"]
    token = world.bank.redeem(code).json
    cookie = browser.get_cookie("__Host-session")
    assert cookie
    secrets = [secret, code, pushed.json["request_uri"], token["access_token"], token["refresh_token"]]
    kept = everything(world)
    assert world.bank.client_id in kept  # what is no secret is found
    for one in [*secrets, cookie.value]:
        assert one.removeprefix("urn:ietf:params:oauth:request_uri:") not in kept


def everything(world: World) -> str:
    """Every value of every table."""
    with world.app.app_context():
        session = reading()
        tables = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        rows: list[Any] = [session.execute(text(f'SELECT * FROM "{one}"')).all() for one in tables]
    return repr(rows)


def test_no_error_text_tells_whether_a_client_exists(world: World) -> None:
    known = world.bank.assertion(key=world.erp.key)  # the right name, the wrong key
    unknown = world.bank.assertion(iss="nobody", sub="nobody")
    for path in ("/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke"):
        form = {"token": "x", "grant_type": "client_credentials"}
        answers = [world.bank.post(path, form, assertion=one) for one in (known, unknown)]
        assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}
    token = world.grant()
    other = world.register(ClientRole.PARTY, "Another Bank", "0007:5599980116")
    bearer = api_token(other, "grant_management_query")
    said = [call(world, "GET", one, bearer) for one in (token["grant_id"], "none")]
    assert said[0].status_code == said[1].status_code == 404
    assert json.loads(said[0].text) == json.loads(said[1].text)
