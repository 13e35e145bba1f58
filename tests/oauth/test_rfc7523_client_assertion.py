"""RFC 7523 and FAPI 2.0: who signs what, for whom, once."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from consent_service.db import writing
from consent_service.registry import parties
from consent_service.registry.model import ClientRole, Profile, Standing
from consent_service.registry.parties import Registration
from tests.oauth.relying import HOME, Relying
from tests.world import ASSERTION_TYPE, ISSUER, Peer, World

FORM = {"grant_type": "client_credentials"}


def unauthenticated(world: World, assertion: str) -> None:
    answer = world.erp.post("/oauth/token", FORM, assertion=assertion)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.json["error_description"] == "Client authentication failed."


@pytest.mark.parametrize(
    "change",
    [
        {"aud": [ISSUER]},
        {"aud": f"{ISSUER}/oauth/token"},
        {"aud": "https://other.example"},
        {"aud": None},
        {"iss": "somebody"},
        {"sub": "somebody"},
        {"sub": None},
        {"sub": 5},
        {"iat": None},
        {"exp": None},
        {"jti": None},
        {"jti": 7},
        {"jti": "j" * 300},
        {"exp": True},
    ],
)
def test_claims_that_don_t_fit_are_refused(world: World, change: dict[str, Any]) -> None:
    unauthenticated(world, world.erp.assertion(**change))


@pytest.mark.parametrize(("seconds", "accepted"), [(0, True), (9, True), (61, False), (3600, False)])
@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_clocks_may_be_ten_seconds_ahead(world: World, seconds: int, accepted: bool, claim: str) -> None:
    now = int(world.clock.now().timestamp())
    answer = world.erp.post("/oauth/token", FORM, assertion=world.erp.assertion(**{claim: now + seconds}))
    assert (answer.status_code == 200) is accepted


def test_an_assertion_that_lives_ten_years_is_refused(world: World) -> None:
    now = int(world.clock.now().timestamp())
    unauthenticated(world, world.erp.assertion(exp=now + 10 * 365 * 86400))


def test_an_expired_assertion_is_refused(world: World) -> None:
    now = int(world.clock.now().timestamp())
    unauthenticated(world, world.erp.assertion(iat=now - 120, exp=now - 60))


def test_a_jti_is_used_once(world: World) -> None:
    assertion = world.erp.assertion()
    assert world.erp.post("/oauth/token", FORM, assertion=assertion).status_code == 200
    unauthenticated(world, assertion)


def test_a_jti_stays_used_when_the_request_failed(world: World) -> None:
    assertion = world.erp.assertion()
    assert (
        world.erp.post("/oauth/token", FORM | {"scope": "x"}, assertion=assertion).json["error"]
        == "invalid_scope"
    )
    unauthenticated(world, assertion)


def test_another_s_key_does_not_sign(world: World) -> None:
    unauthenticated(world, world.erp.assertion(key=world.bank.key))


def test_none_and_symmetric_algorithms_are_refused(world: World) -> None:
    good = world.erp.assertion()
    header, payload, _ = good.split(".")
    none = jwt.utils.base64url_encode(b'{"alg":"none"}').decode()
    unauthenticated(world, f"{none}.{payload}.")
    unauthenticated(world, f"{header}.{payload}.")
    unauthenticated(world, "x.y.z")
    unauthenticated(world, jwt.encode({"iss": world.erp.client_id, "sub": world.erp.client_id}, "k" * 32))


def register(world: World, key: Any, algorithm: type[Any]) -> Any:
    registration = Registration(
        ClientRole.HOLDER,
        "Other",
        "0192:310052345",
        {"keys": [algorithm.to_jwk(key.public_key(), as_dict=True)]},
    )
    with world.app.app_context(), writing() as session:
        client = parties.register(session, registration, world.clock.now())
    from tests.world import Peer

    return Peer(world, client.client_id, key)


@pytest.mark.parametrize(("algorithm", "accepted"), [("PS256", True), ("RS256", False), ("PS384", False)])
def test_rsa_signs_with_ps256_alone(world: World, algorithm: str, accepted: bool) -> None:
    peer = register(world, rsa.generate_private_key(65537, 2048), jwt.algorithms.RSAAlgorithm)
    answer = peer.post("/oauth/token", FORM, assertion=peer.assertion(algorithm))
    assert (answer.status_code == 200) is accepted


def test_eddsa_signs(world: World) -> None:
    peer = register(world, ed25519.Ed25519PrivateKey.generate(), jwt.algorithms.OKPAlgorithm)
    assert peer.post("/oauth/token", FORM, assertion=peer.assertion("EdDSA")).status_code == 200


def test_a_client_id_beside_the_assertion_must_agree(world: World) -> None:
    answer = world.erp.post("/oauth/token", FORM | {"client_id": world.bank.client_id})
    assert answer.json["error"] == "invalid_client"


def test_no_client_authentication_at_all_is_refused(world: World) -> None:
    form = FORM | {"client_id": world.erp.client_id}
    answer = world.app.test_client().post("/oauth/token", data=form)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_a_client_that_does_not_exist_gets_the_same_answer(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    unauthenticated(world, world.erp.assertion(key=key, iss="nobody", sub="nobody"))


def test_a_suspended_organisation_s_client_is_refused(world: World) -> None:
    with world.app.app_context(), writing() as session:
        parties.set_standing(
            session, "0192:310052345", Standing.SUSPENDED, reason="test", now=world.clock.now()
        )
    unauthenticated(world, world.erp.assertion())


def test_another_assertion_type_is_refused(world: World) -> None:
    data = FORM | {"client_assertion_type": ASSERTION_TYPE + "x", "client_assertion": world.erp.assertion()}
    assert world.app.test_client().post("/oauth/token", data=data).status_code == 401


def test_a_client_of_the_profile_oidc_may_mean_the_token_endpoint_and_nobody_else_may(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    registration = Registration(
        role=ClientRole.LOGIN,
        name="Skyregn",
        organisation="0192:310052345",
        jwks={"keys": [jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)]},
        redirect_uris=(HOME,),
        profile=Profile.OIDC,
    )
    with world.app.app_context(), writing() as session:
        client = parties.register(session, registration, world.clock.now())
    peer, relying = Peer(world, client.client_id, key), Relying(world, client.client_id, "")
    form = {"grant_type": "authorization_code", "redirect_uri": HOME}
    browser = world.sign_in()
    for audience in (ISSUER, f"{ISSUER}/oauth/token"):
        code = relying.sign_in(browser)
        signed = peer.assertion(aud=audience)
        assert peer.post("/oauth/token", form | {"code": code}, assertion=signed).status_code == 200
    for audience in (f"{ISSUER}/oauth/par", [ISSUER], "https://other.example"):
        signed = peer.assertion(aud=audience)
        assert peer.post("/oauth/token", form | {"code": "x"}, assertion=signed).status_code == 401
    signed = world.erp.assertion(aud=f"{ISSUER}/oauth/token")
    answer = world.erp.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=signed)
    assert answer.status_code == 401
