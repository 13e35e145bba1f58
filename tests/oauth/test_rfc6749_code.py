"""RFC 6749 section 4.1, RFC 7636 and RFC 9207: the code, its verifier, its way back."""

from __future__ import annotations

import threading
from typing import Any

import jwt
import pytest
from sqlalchemy import select

from consent_service.db import reading
from consent_service.oauth.store import AuthorizationRow
from consent_service.registry.store import TokenRow
from tests.world import ISSUER, RESOURCE, World


def test_the_browser_returns_with_code_state_and_iss(world: World) -> None:
    back = world.approve(world.sign_in(), world.bank.push())
    assert set(back) == {"code", "state", "iss"}
    assert back["state"] == "the-state"
    assert back["iss"] == ISSUER
    assert len(back["code"]) >= 22  # 128 bits


def test_a_decline_returns_access_denied(world: World) -> None:
    back = world.approve(world.sign_in(), world.bank.push(), answer="decline")
    assert back["error"] == "access_denied"
    assert back["iss"] == ISSUER
    assert "code" not in back


def test_the_access_token_is_an_at_jwt_bound_to_the_dpop_key(world: World) -> None:
    answer = world.grant()
    header = jwt.get_unverified_header(answer["access_token"])
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (header["typ"], header["alg"], answer["token_type"]) == ("at+jwt", "ES256", "DPoP")
    assert claims["iss"] == ISSUER
    assert claims["aud"] == RESOURCE
    assert claims["client_id"] == world.bank.client_id
    assert claims["cnf"] == {"jkt": world.bank.dpop.jkt}
    assert claims["exp"] - claims["iat"] == answer["expires_in"] <= 600
    published = world.app.test_client().get("/oauth/jwks").json
    [key] = [one for one in published["keys"] if one["kid"] == header["kid"]]
    assert not {"d", "p", "q"} & set(key)
    jwt.decode(answer["access_token"], jwt.PyJWK(key), ["ES256"], audience=RESOURCE, issuer=ISSUER)


def test_a_token_never_outlives_its_grant(world: World) -> None:
    until = world.clock.now().replace(microsecond=0)
    until += type(until - until)(minutes=3)
    access = {"mode": "standing", "valid_until": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert world.grant(world.details(access=access))["expires_in"] <= 180


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "https://evil.example"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"dpop": False}, "invalid_dpop_proof"),
        ({"dpop": "garbage"}, "invalid_dpop_proof"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "decisions"}, "invalid_scope"),
        ({"grant_type": None}, "unsupported_grant_type"),
    ],
)
def test_a_redemption_that_does_not_fit_is_refused(world: World, change: dict[str, Any], error: str) -> None:
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    answer = world.bank.redeem(**({"code": code} | change))
    assert answer.json["error"] == error
    assert 400 <= answer.status_code < 500


def test_a_refused_redemption_does_not_burn_the_code(world: World) -> None:
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    assert world.bank.redeem(code, code_verifier="w" * 64).status_code == 400
    assert world.bank.redeem(code).status_code == 200


def test_a_code_lives_60_seconds(world: World) -> None:
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    world.clock.advance(seconds=60)
    assert world.bank.redeem(code).json["error"] == "invalid_grant"


def test_a_code_used_twice_kills_the_tokens_it_gave(world: World) -> None:
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    first = world.bank.redeem(code).json
    assert world.bank.redeem(code).json["error"] == "invalid_grant"
    introspection = world.bank.post("/oauth/introspect", {"token": first["access_token"]}).json
    assert introspection == {"active": False}
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert world.bank.post("/oauth/token", refresh, dpop=True).json["error"] == "invalid_grant"


def test_another_client_can_t_redeem_the_code(world: World) -> None:
    from consent_service.registry.model import ClientRole

    other = world.register(ClientRole.PARTY, "Other Bank", "0007:5599980116")
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    assert other.redeem(code).json["error"] == "invalid_grant"
    assert world.bank.redeem(code).status_code == 200


def test_a_code_is_redeemed_once_however_many_try_at_once(both_worlds: World) -> None:
    world = both_worlds
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(world.bank.redeem(code).status_code)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [400] * 7


def test_nothing_secret_lies_in_clear(world: World) -> None:
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    answer = world.bank.redeem(code).json
    with world.app.app_context():
        rows = [*reading().scalars(select(AuthorizationRow)), *reading().scalars(select(TokenRow))]
        stored = " ".join(str(value) for row in rows for value in vars(row).values())
    for secret in (code, answer["access_token"], answer["refresh_token"]):
        assert secret not in stored


def test_another_browser_does_not_take_the_answer_back(world: World) -> None:
    browser, pushed = world.sign_in(), world.bank.push()
    path, page = world.open_request(browser, pushed)
    answered = world.answer(browser, path, page)
    assert world.sign_in().get(answered.location).status_code == 400
    assert browser.get(answered.location).status_code == 303


def test_the_answer_is_brought_back_once(world: World) -> None:
    browser, pushed = world.sign_in(), world.bank.push()
    path, page = world.open_request(browser, pushed)
    answered = world.answer(browser, path, page)
    assert browser.get(answered.location).status_code == 303
    assert browser.get(answered.location).status_code == 400


def test_a_request_that_was_not_answered_gives_no_code(world: World) -> None:
    browser, pushed = world.sign_in(), world.bank.push()
    path, _page = world.open_request(browser, pushed)
    request_id = path.rpartition("/")[2]
    answer = browser.get(f"/oauth/authorize/{request_id}/return")
    assert answer.status_code == 400
    assert "Location" not in answer.headers
