"""RFC 9449 at the authorisation server; the proof's own rules are tested with the verifier."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.test import TestResponse

from consent_service.registry.model import ClientRole
from consent_service.verifier.dpop import DPoPKey
from tests.oauth.relying import Relying
from tests.world import REDIRECT, World, challenge

TOKEN = "/oauth/token"


def code_of(world: World, **push: str) -> str:
    return world.approve(world.sign_in(), world.bank.push(**push))["code"]


def test_a_proof_is_used_once(world: World) -> None:
    first = world.bank.redeem(code_of(world)).json
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    proof = world.bank.proof(TOKEN)
    assert world.bank.post(TOKEN, refresh, dpop=proof).status_code == 200
    assert world.bank.post(TOKEN, refresh, dpop=proof).json["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize(
    ("seconds", "accepted"),
    [(-11, True), (10, True), (-61, False), (61, False), (-3600, False), (3600, False)],
)
def test_iat_may_differ_a_little(world: World, seconds: int, accepted: bool) -> None:
    code = code_of(world)
    real = world.clock.moment
    world.clock.advance(seconds=seconds)
    proof = world.bank.proof(TOKEN)
    world.clock.moment = real
    assert (world.bank.redeem(code, dpop=proof).status_code == 200) is accepted


@pytest.mark.parametrize(("path", "method"), [("/oauth/par", "POST"), (TOKEN, "GET")])
def test_a_proof_for_another_call_is_refused(world: World, path: str, method: str) -> None:
    code = code_of(world)
    assert world.bank.redeem(code, dpop=world.bank.proof(path, method)).json["error"] == "invalid_dpop_proof"


def test_dpop_jkt_binds_the_code_to_the_key(world: World) -> None:
    code = code_of(world, dpop_jkt=DPoPKey(ec.generate_private_key(ec.SECP256R1())).jkt)
    assert world.bank.redeem(code).json["error"] == "invalid_dpop_proof"


def test_dpop_jkt_binds_the_code_of_a_request_that_was_not_pushed_too(world: World) -> None:
    relying, key = Relying.register(world), DPoPKey(ec.generate_private_key(ec.SECP256R1()))
    code = relying.sign_in(world.sign_in(), dpop_jkt=key.jkt)
    assert relying.redeem(code).json["error"] == "invalid_dpop_proof"


def pushed_form(world: World, **changes: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "code_challenge": challenge("v" * 64),
        "code_challenge_method": "S256",
        "authorization_details": json.dumps([world.details()]),
    } | changes


def test_a_proof_at_par_binds_the_code_to_its_key(world: World) -> None:
    other = DPoPKey(ec.generate_private_key(ec.SECP256R1()))
    proof = other.proof("POST", "http://localhost/oauth/par", world.clock.now())
    pushed = world.bank.post("/oauth/par", pushed_form(world), dpop=proof)
    code = world.approve(world.sign_in(), pushed)["code"]
    assert world.bank.redeem(code).json["error"] == "invalid_dpop_proof"


def test_dpop_jkt_and_proof_at_par_must_agree(world: World) -> None:
    answer = world.bank.post("/oauth/par", pushed_form(world, dpop_jkt="A" * 43), dpop=True)
    assert answer.json["error"] == "invalid_dpop_proof"


def test_refresh_tokens_of_confidential_clients_are_not_bound_to_the_dpop_key(world: World) -> None:
    first = world.bank.redeem(code_of(world)).json
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert world.bank.post(TOKEN, refresh).json["error"] == "invalid_dpop_proof"
    other = DPoPKey(ec.generate_private_key(ec.SECP256R1()))
    proof = other.proof("POST", "http://localhost" + TOKEN, world.clock.now())
    answer = world.bank.post(TOKEN, refresh, dpop=proof)
    assert answer.status_code == 200, answer.text
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": other.jkt}, "the new access token is bound to the new key"


def test_a_client_that_sends_a_secret_refreshes_with_the_same_dpop_key(world: World) -> None:
    relying = Relying.register(world)
    pair = base64.b64encode(f"{relying.client_id}:{relying.secret}".encode()).decode()
    key, other = (DPoPKey(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))

    def post(by: DPoPKey, **form: str) -> TestResponse:
        proof = by.proof("POST", "http://localhost" + TOKEN, world.clock.now())
        headers = {"Authorization": f"Basic {pair}", "DPoP": proof}
        return world.app.test_client().post(TOKEN, data=form, headers=headers)

    code = relying.sign_in(world.sign_in(), scope="openid offline_access", prompt="consent")
    first = post(key, grant_type="authorization_code", code=code, redirect_uri=relying.redirect_uri).json
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert post(other, **refresh).json["error"] == "invalid_dpop_proof"
    assert post(key, **refresh).json["token_type"] == "DPoP"


def test_a_refresh_token_is_not_rotated(world: World) -> None:
    first = world.bank.redeem(code_of(world)).json
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    for _ in range(2):
        answer = world.bank.post(TOKEN, refresh, dpop=True)
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json


def test_another_client_can_t_refresh(world: World) -> None:
    first = world.bank.redeem(code_of(world)).json
    other = world.register(ClientRole.PARTY, "Other Bank", "0007:5599980116")
    other.dpop = world.bank.dpop
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert other.post(TOKEN, refresh, dpop=True).json["error"] == "invalid_grant"


def test_an_access_token_is_no_refresh_token(world: World) -> None:
    first = world.bank.redeem(code_of(world)).json
    refresh = {"grant_type": "refresh_token", "refresh_token": first["access_token"]}
    assert world.bank.post(TOKEN, refresh, dpop=True).json["error"] == "invalid_grant"
