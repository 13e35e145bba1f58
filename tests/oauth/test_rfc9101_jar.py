"""RFC 9101, signed authorization requests, as FAPI 2.0 Message Signing section 5.3 has them, pushed."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from werkzeug.test import TestResponse

from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.oauth import request_object
from consent_service.oauth.request_object import BACKCHANNEL, Receiver
from consent_service.registry import parties
from consent_service.registry.model import ClientRole
from tests.oauth.relying import Relying
from tests.world import ISSUER, REDIRECT, Peer, World, challenge

TYP = "oauth-authz-req+jwt"
HOUR = 3600


def claims(peer: Peer, **changes: Any) -> dict[str, Any]:
    """A request object's claims, as a client makes them; None leaves one out."""
    now = int(peer.world.clock.now().timestamp())
    made = {
        "iss": peer.client_id,
        "aud": ISSUER,
        "nbf": now,
        "exp": now + 300,
        "client_id": peer.client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "state": "the-state",
        "code_challenge": challenge("v" * 64),
        "code_challenge_method": "S256",
        "authorization_details": [peer.world.details()],
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def signed(peer: Peer, algorithm: str = "ES256", key: Any = None, typ: Any = TYP, **changes: Any) -> str:
    return jwt.encode(claims(peer, **changes), key or peer.key, algorithm, headers={"typ": typ})


def push(peer: Peer, request: str, **form: Any) -> TestResponse:
    return peer.post("/oauth/par", {"request": request, **form})


def refused(answer: TestResponse, *says: str) -> None:
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request_object"), answer.text
    assert all(word in answer.json["error_description"] for word in says), answer.text


def test_a_signed_request_is_pushed_and_answered_like_any_other(world: World) -> None:
    back = world.approve(world.sign_in(), push(world.bank, signed(world.bank)))
    assert (back["state"], back["iss"]) == ("the-state", ISSUER)
    assert world.bank.redeem(back["code"]).status_code == 200


def test_parameters_must_only_be_taken_from_the_request_object(world: World) -> None:
    beside = {"state": "another", "redirect_uri": "https://thief.example/", "response_mode": "jwt"}
    back = world.approve(world.sign_in(), push(world.bank, signed(world.bank), **beside))
    assert back["state"] == "the-state"


def test_a_state_that_stands_only_beside_the_request_object_is_not_used(world: World) -> None:
    pushed = push(world.bank, signed(world.bank, state=None), state="outside")
    assert "state" not in world.approve(world.sign_in(), pushed)


def test_what_is_missing_inside_is_not_made_up_from_beside(world: World) -> None:
    answer = push(world.bank, signed(world.bank, redirect_uri=None), redirect_uri=REDIRECT)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("typ", [TYP, f"application/{TYP}", "OAuth-Authz-Req+JWT", "JWT", None])
def test_the_type_is_that_of_a_request_object_or_not_stated(world: World, typ: str | None) -> None:
    request = signed(world.bank, typ=typ)
    if typ is None:
        assert "typ" not in jwt.get_unverified_header(request)
    assert push(world.bank, request).status_code == 201


@pytest.mark.parametrize("typ", ["at+jwt", "client-authentication+jwt", "dpop+jwt"])
def test_a_jwt_that_says_it_is_something_else_is_refused(world: World, typ: str) -> None:
    refused(push(world.bank, signed(world.bank, typ=typ)), "typ")


@pytest.mark.parametrize("aud", [ISSUER, [ISSUER], ["https://other.example", ISSUER]])
def test_aud_is_the_issuer_or_a_list_with_it(world: World, aud: Any) -> None:
    assert push(world.bank, signed(world.bank, aud=aud)).status_code == 201


@pytest.mark.parametrize("seconds", [0, 8, -HOUR + 5])
def test_nbf_may_be_a_little_ahead_and_up_to_an_hour_back(world: World, seconds: int) -> None:
    now = int(world.clock.now().timestamp())
    request = signed(world.bank, nbf=now + seconds, exp=now + seconds + HOUR)
    assert push(world.bank, request).status_code == 201


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"aud": None}, "aud is missing"),
        ({"aud": f"{ISSUER}/oauth/par"}, "aud"),
        ({"aud": ["https://other.example"]}, "aud"),
        ({"aud": {}}, "aud"),
        ({"iss": "another"}, "iss"),
        ({"client_id": None}, "client_id is missing"),
        ({"client_id": "another"}, "client_id"),
        ({"nbf": None}, "nbf is missing"),
        ({"exp": None}, "exp is missing"),
        ({"nbf": "now"}, "times"),
        ({"exp": True}, "times"),
        ({"exp": 1e300}, "times"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri"),
        ({"request": "eyJ"}, "request"),
        ({"state": "a\x00b"}, "control character"),
        ({"max_age": 1.5}, "max_age"),
    ],
)
def test_a_wrong_claim_is_refused_by_name(world: World, change: dict[str, Any], says: str) -> None:
    refused(push(world.bank, signed(world.bank, **change)), says)


@pytest.mark.parametrize(
    ("begins", "ends", "says"),
    [
        (-120, -1, "expired"),
        (-120, 0, "expired"),
        (60, 120, "not valid yet"),
        (-HOUR - 1, 10, "60 minutes ago"),
        (-70 * 60, 10, "60 minutes ago"),
        (0, HOUR + 1, "60 minutes after"),
        (0, 70 * 60, "60 minutes after"),
    ],
)
def test_the_times_must_be_narrow(world: World, begins: int, ends: int, says: str) -> None:
    now = int(world.clock.now().timestamp())
    refused(push(world.bank, signed(world.bank, nbf=now + begins, exp=now + ends)), says)


def test_sub_must_not_be_the_client_as_it_could_pass_for_a_client_assertion(world: World) -> None:
    refused(push(world.bank, signed(world.bank, sub=world.bank.client_id)), "sub")


@pytest.mark.parametrize("typ", [TYP, "at+jwt", "dpop+jwt", 7])
def test_a_request_object_is_no_client_assertion(world: World, typ: Any) -> None:
    now = int(world.clock.now().timestamp())
    shown = world.bank.assertion(headers={"typ": typ}, nbf=now)
    answer = world.bank.push(client_assertion=shown)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_alg_none_must_not_be_accepted(world: World) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": TYP}).encode()).rstrip(b"=").decode()
    payload = base64.urlsafe_b64encode(json.dumps(claims(world.bank)).encode()).rstrip(b"=").decode()
    refused(push(world.bank, f"{header}.{payload}."))


def test_rs256_must_not_be_accepted(world: World) -> None:
    key = rsa.generate_private_key(65537, 2048)
    peer = world.register(ClientRole.PARTY, "RSA", "0192:310041238")
    with world.app.app_context(), writing() as session:
        row = session.get_one(parties.ClientRow, peer.client_id)
        row.jwks = {"keys": [jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)]}
    peer.key = key
    for algorithm, works in (("RS256", False), ("PS256", True)):
        answer = peer.post(
            "/oauth/par",
            {"request": signed(peer, algorithm)},
            assertion=peer.assertion("PS256"),
        )
        assert (answer.status_code == 201) is works, answer.text


def test_discovery_s_rs256_is_for_clients_of_the_profile_oidc_alone(world: World) -> None:
    key = rsa.generate_private_key(65537, 2048)
    relying = Relying.register(world)
    with world.app.app_context(), writing() as session:
        row = session.get_one(parties.ClientRow, relying.client_id)
        row.jwks = {"keys": [jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)]}
    now = int(world.clock.now().timestamp())
    about = {"iss": relying.client_id, "aud": ISSUER, "nbf": now, "exp": now + 300}
    text = jwt.encode(relying.parameters() | about, key, "RS256", headers={"typ": TYP})
    pair = base64.b64encode(f"{relying.client_id}:{relying.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}
    pushed = world.app.test_client().post("/oauth/par", data={"request": text}, headers=headers)
    assert pushed.status_code == 201, pushed.text
    claimed = world.app.test_client().get("/.well-known/openid-configuration").json
    assert "RS256" in claimed["request_object_signing_alg_values_supported"]


def test_a_symmetric_key_must_not_be_accepted(world: World) -> None:
    refused(push(world.bank, signed(world.bank, "HS256", "a secret that is long enough for HS256")))


def test_a_signature_by_another_clients_key_is_refused(world: World) -> None:
    other = world.register(ClientRole.PARTY, "Another", "0192:310041238")
    refused(push(world.bank, signed(world.bank, key=other.key)))
    refused(push(world.bank, signed(other)))


def test_a_changed_signature_is_refused(world: World) -> None:
    head, body, signature = signed(world.bank).split(".")
    turned = "A" if signature[5] != "A" else "B"
    refused(push(world.bank, f"{head}.{body}.{signature[:5]}{turned}{signature[6:]}"))


def test_an_encrypted_request_object_is_refused_clearly(world: World) -> None:
    refused(push(world.bank, "eyJ.a.b.c.d"), "encrypted")


@pytest.mark.parametrize("request_", ["", "x", "a.b.c", "eyJhbGciOiJFUzI1NiJ9.W10.AAAA"])
def test_what_is_no_jwt_is_refused(world: World, request_: str) -> None:
    refused(push(world.bank, request_))


def test_a_payload_that_is_no_object_or_has_a_member_twice_is_refused(world: World) -> None:
    for payload in (b"[]", b'"text"', json.dumps(claims(world.bank)).encode()[:-1] + b',"state":"x"}'):
        refused(push(world.bank, jwt.PyJWS().encode(payload, world.bank.key, "ES256", headers={"typ": TYP})))


def test_request_uri_beside_a_request_is_refused(world: World) -> None:
    answer = push(world.bank, signed(world.bank), request_uri="urn:x")
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_the_rules_for_a_request_hold_for_a_signed_one(world: World) -> None:
    for change in ({"code_challenge": None}, {"response_type": "token"}, {"redirect_uri": f"{REDIRECT}/"}):
        answer = push(world.bank, signed(world.bank, **change))
        assert answer.json["error"] in {"invalid_request", "unsupported_response_type"}


def test_a_client_that_must_sign_has_no_other_request(world: World) -> None:
    peer = world.register(ClientRole.PARTY, "Bank", "0192:310041238", require_signed_request_object=True)
    unsigned = peer.push()
    assert (unsigned.status_code, unsigned.json["error"]) == (400, "invalid_request")
    assert "signed" in unsigned.json["error_description"]
    assert push(peer, signed(peer)).status_code == 201


def test_a_client_that_registered_an_algorithm_uses_no_other(world: World) -> None:
    peer = world.register(ClientRole.PARTY, "Bank", "0192:310041238", request_object_signing_alg="PS256")
    refused(push(peer, signed(peer)))


def test_dpop_jkt_inside_binds_the_code(world: World) -> None:
    pushed = push(world.bank, signed(world.bank, dpop_jkt="A" * 43))
    code = world.approve(world.sign_in(), pushed)["code"]
    assert world.bank.redeem(code).json["error"] == "invalid_dpop_proof"


def test_numbers_lists_and_objects_are_read_as_a_form_would_have_them(world: World) -> None:
    made = claims(world.bank, max_age=600, claims={"userinfo": {"name": None}}, prompt_once=True)
    with world.app.app_context(), writing() as session:
        client = parties.find(session, world.bank.client_id)
        assert client
        opened, about = request_object.opened(
            jwt.encode(made, world.bank.key, "ES256", headers={"typ": TYP}),
            client,
            Receiver(session, ISSUER, world.clock.now()),
            request_object.PUSHED,
        )
    assert opened["max_age"] == "600"
    assert opened["prompt_once"] == "true"
    assert json.loads(opened["claims"]) == {"userinfo": {"name": None}}
    assert json.loads(opened["authorization_details"]) == [world.details()]
    assert set(about) == {"iss", "aud", "nbf", "exp"}
    assert not set(about) & set(opened)


@pytest.mark.parametrize("missing", [None, "iss", "aud", "exp", "iat", "nbf", "jti"])
def test_a_backchannel_request_must_have_six_claims(world: World, missing: str | None) -> None:
    """OpenID Connect CIBA Core section 7.1.1."""
    now = int(world.clock.now().timestamp())
    asked = {"iat": now, "jti": "one", "client_id": None, "login_hint": "x"} | (
        {missing: None} if missing else {}
    )
    with world.app.app_context(), writing() as session:
        client = parties.find(session, world.bank.client_id)
        assert client
        receiver = Receiver(session, ISSUER, world.clock.now())
        if missing is None:
            opened, about = request_object.opened(signed(world.bank, **asked), client, receiver, BACKCHANNEL)
            assert (opened["login_hint"], about["jti"]) == ("x", "one")
            return
        with pytest.raises(ServiceError, match=f"{missing} is missing"):
            request_object.opened(signed(world.bank, **asked), client, receiver, BACKCHANNEL)


def test_the_metadata_say_what_is_taken(world: World) -> None:
    said = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert said["request_object_signing_alg_values_supported"] == ["PS256", "ES256", "EdDSA", "RS256"]
    assert said["request_parameter_supported"] is False
    assert said["request_uri_parameter_supported"] is False
    assert said["require_signed_request_object"] is False


def test_a_request_by_a_key_on_another_curve_is_refused(world: World) -> None:
    refused(push(world.bank, signed(world.bank, "ES384", ec.generate_private_key(ec.SECP384R1()))))


@pytest.mark.parametrize("resource", ["[", "[x", "[" * 10_000, '["\\ud800"'])
def test_a_resource_that_begins_like_an_array_and_is_none_is_an_invalid_target(
    world: World, resource: str
) -> None:
    answer = push(world.bank, signed(world.bank, resource=resource))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_target"), answer.text


@pytest.mark.parametrize("name", ["state", "nonce", "login_hint", "acr_values"])
def test_a_lone_surrogate_which_json_can_write_and_utf_8_can_not_is_refused(
    both_worlds: World, name: str
) -> None:
    bank = both_worlds.bank
    refused(push(bank, signed(bank, scope="openid", **{name: "a\ud800"})), "surrogate")
