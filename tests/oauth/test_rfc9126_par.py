"""RFC 9126, pushed authorization requests, and what FAPI 2.0 asks of them."""

from __future__ import annotations

import pytest

from consent_service.db import writing
from consent_service.registry import enrolment
from consent_service.registry.store import ClientRow
from tests.world import REDIRECT, World


def test_a_request_uri_is_returned_with_201_and_a_life_under_600_seconds(world: World) -> None:
    answer = world.bank.push()
    assert answer.status_code == 201
    assert answer.json["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 5 <= answer.json["expires_in"] < 600
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("change", "error", "names"),
    [
        ({"request_uri": "urn:x"}, "invalid_request", "request_uri"),
        ({"request": "eyJ"}, "invalid_request_object", "request"),
        ({"client_id": "somebody-else"}, "invalid_client", ""),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_request", "redirect_uri"),
        ({"redirect_uri": None}, "invalid_request", "redirect_uri"),
        ({"response_type": "token"}, "unsupported_response_type", "response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type", "response_type"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
        ({"code_challenge": None}, "invalid_request", "code_challenge"),
        ({"code_challenge": "short"}, "invalid_request", "code_challenge"),
        ({"code_challenge_method": "plain"}, "invalid_request", "code_challenge_method"),
        ({"code_challenge_method": None}, "invalid_request", "code_challenge_method"),
        ({"scope": "decisions"}, "invalid_scope", "scope"),
        ({"scope": "openid email"}, "invalid_scope", "scope"),
        ({"scope": "offline_access"}, "invalid_scope", "scope"),
        ({"resource": "https://other.example"}, "invalid_target", "resource"),
        ({"dpop_jkt": "x"}, "invalid_request", "dpop_jkt"),
        ({"state": "s" * 5000}, "invalid_request", "state"),
        ({"state": ["one", "two"]}, "invalid_request", "state"),
        ({"state": "a\x00b"}, "invalid_request", "state"),
    ],
)
def test_what_is_wrong_is_named(world: World, change: dict[str, object], error: str, names: str) -> None:
    answer = world.bank.push(**change)
    assert answer.json["error"] == error
    assert names in answer.json["error_description"]
    assert 400 <= answer.status_code < 500


def test_a_state_of_a_thousand_characters_comes_back_whole(world: World) -> None:
    state = "s" * 1200
    assert world.approve(world.sign_in(), world.bank.push(state=state))["state"] == state


def test_parameters_in_the_query_are_refused(world: World) -> None:
    answer = world.bank.post("/oauth/par?state=x", {})
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_a_body_that_is_not_a_form_is_refused(world: World) -> None:
    answer = world.app.test_client().post("/oauth/par", json={})
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_a_holder_asks_no_owner(world: World) -> None:
    assert world.erp.push().json["error"] == "unauthorized_client"


def test_only_the_client_that_pushed_may_use_the_request_uri(world: World) -> None:
    query = {"client_id": world.erp.client_id, "request_uri": world.bank.push().json["request_uri"]}
    assert world.app.test_client().get("/oauth/authorize", query_string=query).status_code == 400


def test_a_request_uri_must_be_used_in_time(world: World) -> None:
    pushed = world.bank.push()
    world.clock.advance(seconds=pushed.json["expires_in"])
    query = {"client_id": world.bank.client_id, "request_uri": pushed.json["request_uri"]}
    assert world.app.test_client().get("/oauth/authorize", query_string=query).status_code == 400


def test_loading_the_page_does_not_use_the_request_uri_up_but_answering_does(world: World) -> None:
    browser, pushed = world.sign_in(), world.bank.push()
    world.open_request(browser, pushed)
    world.approve(browser, pushed)
    query = {"client_id": world.bank.client_id, "request_uri": pushed.json["request_uri"]}
    assert browser.get("/oauth/authorize", query_string=query).status_code == 400


def test_the_authorization_endpoint_takes_nothing_but_pushed_requests(world: World) -> None:
    query = {"client_id": world.bank.client_id, "response_type": "code", "redirect_uri": REDIRECT}
    answer = world.app.test_client().get("/oauth/authorize", query_string=query)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_an_answer_goes_to_no_address_that_the_client_took_out_meanwhile(world: World) -> None:
    browser = world.sign_in()
    path, page = world.open_request(browser, world.bank.push())
    answered = world.answer(browser, path, page)
    with world.app.app_context(), writing() as session:
        row = session.get_one(ClientRow, world.bank.client_id)
        row.redirect_uris = ["https://new.bank.example.no/callback"]
    returned = browser.get(answered.location)
    assert (returned.status_code, returned.location) == (400, None)


def test_nobody_is_sent_to_a_client_that_has_ended(world: World) -> None:
    browser = world.sign_in()
    path, page = world.open_request(browser, world.bank.push())
    pushed = world.bank.push()
    answered = world.answer(browser, path, page)
    with world.app.app_context(), writing() as session:
        enrolment.end(session, world.bank.client_id, "the operator", world.clock.now())
    assert browser.get(answered.location).status_code == 400
    query = {"client_id": world.bank.client_id, "request_uri": pushed.json["request_uri"]}
    assert browser.get("/oauth/authorize", query_string=query).status_code == 400
