"""OpenID Connect beside FAPI 2.0: a party that asks who answers, alone or together with data."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from tests.oauth.relying import HTML, follow, returned, verified
from tests.world import ISSUER, OWNER, REDIRECT, World, csrf


def begin(world: World, browser: Any, **changes: Any) -> Any:
    """PAR, and the page to which the browser comes."""
    pushed = world.bank.push(**changes)
    assert pushed.status_code == 201, pushed.text
    query = {"client_id": world.bank.client_id, "request_uri": pushed.json["request_uri"]}
    return follow(browser, browser.get("/oauth/authorize", query_string=query, headers=HTML))


def answered(browser: Any, page: Any, **form: Any) -> dict[str, str]:
    filled = {"csrf_token": csrf(page), "answer": "approve"} | form
    return returned(follow(browser, browser.post(f"{page.request.path}/answer", data=filled)), REDIRECT)


def userinfo(world: World, token: dict[str, Any]) -> TestResponse:
    value = token["access_token"]
    proof = world.bank.dpop.proof("GET", f"{ISSUER}/oauth/userinfo", world.clock.now(), value)
    headers = {"Authorization": f"DPoP {value}", "DPoP": proof}
    return world.app.test_client().get("/oauth/userinfo", headers=headers)


def sign_out(browser: Any) -> None:
    token = csrf(browser.get("/account", headers=HTML))
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 303


def log_in(world: World, scope: str, **changes: Any) -> dict[str, Any]:
    """The token response of a sign-in alone, at the bank."""
    browser = world.sign_in()
    page = begin(world, browser, scope=scope, authorization_details=None, **changes)
    answer = world.bank.redeem(answered(browser, page)["code"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def test_a_party_asks_who_somebody_is_and_gets_a_bound_token_and_an_es256_id_token(
    both_worlds: World,
) -> None:
    token = log_in(both_worlds, "openid", nonce="n" * 64)
    assert token["token_type"] == "DPoP"
    assert token["scope"] == "openid"
    assert jwt.get_unverified_header(token["id_token"])["alg"] == "ES256"
    claims = verified(both_worlds, token["id_token"], both_worlds.bank.client_id)
    assert claims["nonce"] == "n" * 64
    access = verified(both_worlds, token["access_token"], f"{ISSUER}/oauth/userinfo")
    assert access["sub"] == claims["sub"]
    assert "authorization_details" not in access


def test_a_bound_refresh_token_is_not_rotated(world: World) -> None:
    token = log_in(world, "openid offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    assert "error" in world.bank.post("/oauth/token", form).json
    for _ in range(2):
        answer = world.bank.post("/oauth/token", form, dpop=True)
        assert answer.status_code == 200, answer.text
        assert "refresh_token" not in answer.json
        assert "id_token" in answer.json


def test_one_answer_gives_data_and_says_who_answered_and_the_page_says_so(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    page = begin(world, browser, scope="openid profile")
    assert page.request.path.startswith("/requests/")
    assert "it was you who answered" in page.text
    assert "Your name" in page.text
    back = answered(browser, page, datatypes=["trial_balance"], owner=OWNER)
    token = world.bank.redeem(back["code"]).json
    access = verified(world, token["access_token"], f"{ISSUER}/oauth/userinfo")
    assert access["sub"] == OWNER
    claims = verified(world, token["id_token"], world.bank.client_id)
    assert claims["sub"] != OWNER
    assert world.decide(token)["decision"] is True
    told = userinfo(world, token)
    assert told.json == {"sub": claims["sub"], "name": "Ingrid Hauge"}


def test_without_openid_nothing_is_said_of_who_answered(world: World) -> None:
    browser = world.sign_in()
    page = begin(world, browser)
    assert "it was you who answered" not in page.text
    token = world.bank.redeem(answered(browser, page, datatypes=["trial_balance"])["code"]).json
    assert "id_token" not in token
    assert "scope" not in token


def test_declining_declines_both(world: World) -> None:
    browser = world.sign_in()
    page = begin(world, browser, scope="openid")
    assert answered(browser, page, answer="decline")["error"] == "access_denied"


def test_an_owner_is_always_asked_for_data(world: World) -> None:
    browser = world.sign_in()
    answer = begin(world, browser, scope="openid", prompt="none")
    assert returned(answer, REDIRECT)["error"] == "consent_required"


def test_prompt_login_holds_for_a_request_for_data_too(world: World) -> None:
    browser = world.sign_in()
    page = begin(world, browser, scope="openid", prompt="login")
    assert page.request.path == "/sign-in"
    request_id = page.request.args["next"].split("/")[3]
    around = follow(browser, browser.get(f"/requests/{request_id}", headers=HTML))
    assert around.request.path == "/sign-in", "nor is it met by going to the page another way"


def test_taking_the_sign_in_back_leaves_the_grant(world: World) -> None:
    browser = world.sign_in()
    page = begin(world, browser, scope="openid")
    token = world.bank.redeem(answered(browser, page, datatypes=["trial_balance"])["code"]).json
    account = browser.get("/account")
    browser.post(f"/account/consents/{world.bank.client_id}/forget", data={"csrf_token": csrf(account)})
    assert world.decide(token)["decision"] is True
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    refreshed = world.bank.post("/oauth/token", form, dpop=True)
    assert refreshed.status_code == 200, refreshed.text
    assert "id_token" not in refreshed.json


@pytest.mark.parametrize("scope", ["profile", "organisations profile offline_access"])
def test_without_openid_it_is_oauth_alone_a_token_for_userinfo_and_no_id_token(
    world: World, scope: str
) -> None:
    token = log_in(world, scope, nonce=None)
    assert "id_token" not in token
    assert token["scope"] == scope
    assert ("refresh_token" in token) is ("offline_access" in scope)
    value = token["access_token"]
    proof = world.bank.dpop.proof("GET", f"{ISSUER}/oauth/userinfo", world.clock.now(), value)
    headers = {"Authorization": f"DPoP {value}", "DPoP": proof}
    told = world.app.test_client().get("/oauth/userinfo", headers=headers)
    assert told.status_code == 200
    assert told.json["name"] == "Ingrid Hauge"


@pytest.mark.parametrize("scope", ["openid email", "offline_access", "openid decisions", "OPENID"])
def test_a_party_asks_with_no_other_scope(world: World, scope: str) -> None:
    assert world.bank.push(scope=scope).json["error"] == "invalid_scope"


def test_a_party_s_requests_are_pushed_or_refused_on_a_page(world: World) -> None:
    asked = {
        "client_id": world.bank.client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid",
    }
    answer = world.sign_in().get("/oauth/authorize", query_string=asked)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize("lasting", [False, True])
def test_when_the_session_ends_the_grant_goes_on_and_says_nothing_more_of_the_person(
    both_worlds: World, lasting: bool
) -> None:
    """Back-Channel Logout section 2.7: what was asked for with offline_access is kept."""
    world, browser = both_worlds, both_worlds.sign_in()
    scope = "openid profile offline_access" if lasting else "openid profile"
    token = world.bank.redeem(world.approve(browser, world.bank.push(scope=scope))["code"]).json
    assert userinfo(world, token).status_code == 200
    sign_out(browser)
    assert (userinfo(world, token).status_code == 200) is lasting
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    again = world.bank.post("/oauth/token", form, dpop=True)
    assert again.status_code == 200, again.text
    assert ("id_token" in again.json) is lasting
    assert (userinfo(world, again.json).status_code == 200) is lasting
    assert world.decide(again.json)["decision"] is True


def test_a_code_of_a_session_that_has_ended_says_nothing_of_the_person(world: World) -> None:
    browser = world.sign_in()
    alone = answered(browser, begin(world, browser, scope="openid", authorization_details=None))
    with_data = world.approve(browser, world.bank.push(scope="openid"))
    sign_out(browser)
    assert world.bank.redeem(alone["code"]).json["error"] == "invalid_grant"
    token = world.bank.redeem(with_data["code"]).json
    assert token["grant_id"]
    assert "id_token" not in token
