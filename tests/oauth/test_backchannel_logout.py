"""OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from sqlalchemy import select

from consent_service.db import reading, writing
from consent_service.outbox import DeliveryRow
from consent_service.registry import enrolment
from tests.oauth.relying import Relying, verified
from tests.world import World, csrf

EVENT = "http://schemas.openid.net/event/backchannel-logout"
ADDRESS = "https://erp.example.no/backchannel"


def sent(world: World) -> list[DeliveryRow]:
    with world.app.app_context():
        return list(reading().scalars(select(DeliveryRow).order_by(DeliveryRow.url)))


def token_of(row: DeliveryRow) -> str:
    assert row.content_type == "application/x-www-form-urlencoded"
    form = parse_qs(row.body.decode())
    assert list(form) == ["logout_token"]
    return form["logout_token"][0]


def sign_out(browser: Any) -> None:
    done = browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/account"))})
    assert done.status_code == 303


def test_signing_out_tells_every_client_that_was_signed_in_to_with_the_session(both_worlds: World) -> None:
    world = both_worlds
    first = Relying.register(world, backchannel_logout_uri=ADDRESS)
    second = Relying.register(
        world, name="Another", backchannel_logout_uri=ADDRESS + "/2", id_token_signed_response_alg="ES256"
    )
    silent = Relying.register(world, name="Silent")
    unused = Relying.register(world, name="Unused", backchannel_logout_uri=ADDRESS + "/3")
    browser = world.sign_in()
    signed_in = [one.claims(one.tokens(browser)) for one in (first, second)]
    silent.tokens(browser)
    unused.tokens(world.sign_in())
    sign_out(browser)
    rows = sent(world)
    assert [row.url for row in rows] == [ADDRESS, ADDRESS + "/2"]
    now = int(world.clock.now().timestamp())
    for relying, row, id_token, algorithm in zip(
        (first, second), rows, signed_in, ("RS256", "ES256"), strict=True
    ):
        assert jwt.get_unverified_header(token_of(row))["typ"] == "logout+jwt"
        assert jwt.get_unverified_header(token_of(row))["alg"] == algorithm
        claims = verified(world, token_of(row), relying.client_id)
        assert claims["events"] == {EVENT: {}}
        assert (claims["sub"], claims["sid"]) == (id_token["sub"], id_token["sid"])
        assert (claims["iat"], claims["exp"]) == (now, now + 120)
        assert claims["jti"]
        assert "nonce" not in claims
    assert signed_in[0]["sid"] != signed_in[1]["sid"], "two clients can't compare their names of a session"


def test_a_session_keeps_its_name_when_its_person_signs_in_again(world: World) -> None:
    relying = Relying.register(world, backchannel_logout_uri=ADDRESS)
    browser = world.sign_in()
    before = relying.claims(relying.tokens(browser))["sid"]
    cookie = browser.get_cookie("__Host-session")
    world.sign_in_again(browser)
    assert browser.get_cookie("__Host-session").value != cookie.value
    assert relying.claims(relying.tokens(browser))["sid"] == before
    assert sent(world) == []
    sign_out(browser)
    assert verified(world, token_of(sent(world)[0]), relying.client_id)["sid"] == before


def test_another_person_in_the_same_browser_ends_the_session_of_the_one_before(world: World) -> None:
    relying = Relying.register(world, backchannel_logout_uri=ADDRESS)
    browser = world.sign_in()
    before = relying.claims(relying.tokens(browser))
    world.sign_in_again(browser, "odd")
    claims = verified(world, token_of(sent(world)[0]), relying.client_id)
    assert (claims["sub"], claims["sid"]) == (before["sub"], before["sid"])
    assert relying.claims(relying.tokens(browser))["sid"] != before["sid"]


def test_a_session_elsewhere_goes_on(world: World) -> None:
    relying = Relying.register(world, backchannel_logout_uri=ADDRESS)
    here, there = world.sign_in(), world.sign_in()
    relying.tokens(here)
    other = relying.claims(relying.tokens(there))["sid"]
    sign_out(here)
    rows = sent(world)
    assert len(rows) == 1
    assert verified(world, token_of(rows[0]), relying.client_id)["sid"] != other


def test_access_tokens_end_with_the_session_and_offline_access_does_not(both_worlds: World) -> None:
    world = both_worlds
    relying = Relying.register(world)
    browser = world.sign_in()
    online = relying.tokens(browser)
    offline = relying.tokens(browser, scope="openid offline_access")
    sign_out(browser)
    assert relying.userinfo(online).status_code == 401
    assert relying.userinfo(offline).status_code == 200
    again = relying.token({"grant_type": "refresh_token", "refresh_token": offline["refresh_token"]})
    assert again.status_code == 200


def test_a_logout_token_is_no_id_token_hint(world: World) -> None:
    relying = Relying.register(world, backchannel_logout_uri=ADDRESS)
    browser = world.sign_in()
    relying.tokens(browser)
    sign_out(browser)
    hint = token_of(sent(world)[0])
    assert browser.get("/oauth/logout", query_string={"id_token_hint": hint}).status_code == 400


@pytest.mark.parametrize("signs_out_first", [True, False])
def test_an_ended_client_is_told_nothing_any_more(both_worlds: World, signs_out_first: bool) -> None:
    world = both_worlds
    ended = Relying.register(world, backchannel_logout_uri=ADDRESS)
    stays = Relying.register(world, name="Another", backchannel_logout_uri=ADDRESS + "/2")
    browser = world.sign_in()
    for relying in (ended, stays):
        relying.tokens(browser)
    if signs_out_first:
        sign_out(browser)
        assert len(sent(world)) == 2
    with world.app.app_context(), writing() as session:
        enrolment.end(session, ended.client_id, "the operator", world.clock.now())
    if not signs_out_first:
        sign_out(browser)
    assert [row.url for row in sent(world)] == [ADDRESS + "/2"]


def test_a_logout_token_is_not_sent_after_it_has_expired(world: World) -> None:
    relying = Relying.register(world, backchannel_logout_uri=ADDRESS)
    browser = world.sign_in()
    relying.tokens(browser)
    sign_out(browser)
    claims = verified(world, token_of(sent(world)[0]), relying.client_id)
    assert int(sent(world)[0].ends_at.timestamp()) == claims["exp"]
