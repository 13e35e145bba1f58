"""JWT Secured Authorization Response Mode (JARM), in the query."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from consent_service import keys
from consent_service.db import reading
from consent_service.registry.model import ClientRole, Profile
from tests.oauth.test_rfc7591_registration import asked, invited, register
from tests.world import ISSUER, REDIRECT, Peer, World

MODES = ["jwt", "query.jwt"]


def opened(world: World, peer: Peer, response: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a signed answer, verified as the client does."""
    header = jwt.get_unverified_header(response)
    with world.app.app_context():
        published = keys.published(reading(), world.clock.now())["keys"]
    (key,) = [one for one in published if one["kid"] == header["kid"]]
    assert key["alg"] == header["alg"]
    claims = jwt.decode(response, jwt.PyJWK(key), [header["alg"]], audience=peer.client_id, issuer=ISSUER)
    return header, claims


@pytest.mark.parametrize("mode", MODES)
def test_the_answer_is_one_signed_jwt_and_nothing_beside_it(world: World, mode: str) -> None:
    back = world.approve(world.sign_in(), world.bank.push(response_mode=mode))
    assert set(back) == {"response"}
    header, claims = opened(world, world.bank, back["response"])
    assert header["alg"] == "ES256"
    assert claims["state"] == "the-state"
    assert (claims["iss"], claims["aud"]) == (ISSUER, world.bank.client_id)
    assert world.bank.redeem(claims["code"]).status_code == 200


def test_exp_should_be_at_most_ten_minutes_away(world: World) -> None:
    back = world.approve(world.sign_in(), world.bank.push(response_mode="jwt"))
    claims = opened(world, world.bank, back["response"])[1]
    assert 10 < claims["exp"] - world.clock.now().timestamp() <= 600


def test_without_state_there_is_none_in_the_answer(world: World) -> None:
    back = world.approve(world.sign_in(), world.bank.push(response_mode="jwt", state=None))
    assert set(opened(world, world.bank, back["response"])[1]) == {"iss", "aud", "exp", "iat", "code"}


def test_a_declined_request_is_answered_in_a_jwt_too(world: World) -> None:
    pushed = world.bank.push(response_mode="jwt")
    back = world.approve(world.sign_in(), pushed, answer="decline")
    assert set(back) == {"response"}
    claims = opened(world, world.bank, back["response"])[1]
    assert (claims["error"], claims["state"]) == ("access_denied", "the-state")
    assert "code" not in claims


@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
def test_it_is_signed_with_the_algorithm_that_the_client_registered(world: World, algorithm: str) -> None:
    peer = world.register(
        ClientRole.PARTY, "Bank", "0192:310041238", authorization_signed_response_alg=algorithm
    )
    pushed = peer.push(response_mode="jwt")
    browser = world.sign_in()
    path, page = world.open_request(browser, pushed, peer)
    returned = browser.get(world.answer(browser, path, page).location)
    response = returned.location.partition("response=")[2]
    assert opened(world, peer, response)[0]["alg"] == algorithm


def test_without_a_signed_mode_the_answer_stands_in_the_open_with_iss(world: World) -> None:
    back = world.approve(world.sign_in(), world.bank.push(response_mode="query"))
    assert set(back) == {"code", "state", "iss"}


@pytest.mark.parametrize("mode", ["form_post", "form_post.jwt", "fragment.jwt", "fragment", "JWT", ""])
def test_other_modes_are_refused(world: World, mode: str) -> None:
    answer = world.bank.push(response_mode=mode)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert "response_mode" in answer.json["error_description"]


def test_the_metadata_say_so(world: World) -> None:
    said = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert said["response_modes_supported"] == ["query", "query.jwt", "jwt"]
    assert said["authorization_signing_alg_values_supported"] == ["ES256", "PS256"]


@pytest.mark.parametrize(
    ("change", "error"),
    [({"prompt": "none"}, "login_required"), ({"scope": "nothing"}, "invalid_scope")],
)
def test_an_error_that_needs_no_answer_of_a_person_is_signed_too(
    world: World, change: dict[str, str], error: str
) -> None:
    token = invited(world, role=ClientRole.LOGIN, profile=Profile.OIDC)
    client_id = register(world, token, asked(token_endpoint_auth_method=None, jwks=None)).json["client_id"]
    query = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid",
        "state": "the-state",
        "response_mode": "query.jwt",
    }
    browser = world.app.test_client()
    answer = browser.get("/oauth/authorize", query_string=query | change)
    while answer.status_code == 303 and not answer.location.startswith(REDIRECT):
        answer = browser.get(answer.location)
    back = parse_qs(urlsplit(answer.location).query)
    assert set(back) == {"response"}, answer.text
    claims = opened(world, Peer(world, client_id, None), back["response"][0])[1]
    assert (claims["error"], claims["state"]) == (error, "the-state")
