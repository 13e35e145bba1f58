"""What the metadata says of requests for data and their answers: probes by member."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import jwt

from consent_service.db import writing
from consent_service.registry.model import ClientRole
from consent_service.registry.store import ClientRow
from tests.metadata.clients import (
    ALL,
    Row,
    client,
    error_of,
    header_of,
    key_of,
    may_register,
    only,
    public,
)
from tests.oauth.grants import api_token, call, query
from tests.oauth.relying import Relying
from tests.oauth.test_ciba import form
from tests.oauth.test_rfc9101_jar import claims as request_claims
from tests.oauth.test_rfc9701_signed_introspection import introspect
from tests.world import ISSUER, World

TOKEN = "/oauth/token"
GRANT_TYPES = (
    *("authorization_code", "refresh_token", "client_credentials"),
    *("urn:ietf:params:oauth:grant-type:token-exchange", "urn:openid:params:grant-type:ciba"),
)
SCOPES = (
    *("openid", "profile", "organisations", "offline_access", "decisions", "ledger"),
    *("grant_management_query", "grant_management_revoke", "ssf.manage", "ssf.read"),
)
CREDENTIALS = {"grant_type": "client_credentials"}


def response_types(world: World, value: Any) -> None:
    tried = ("code", "token", "id_token", "code id_token", "none", "code token")
    only(value, tried, lambda one: world.bank.push(response_type=one).status_code == 201)


def response_modes(world: World, value: Any) -> None:
    tried = (
        "query",
        "jwt",
        "query.jwt",
        "fragment",
        "form_post",
        "fragment.jwt",
        "form_post.jwt",
        "web_message",
    )
    only(value, tried, lambda one: world.bank.push(response_mode=one).status_code == 201)
    for mode in value:
        back = world.approve(world.sign_in(), world.bank.push(response_mode=mode))
        assert set(back) == ({"code", "state", "iss"} if mode == "query" else {"response"})


def authorization_algorithms(world: World, value: Any) -> None:
    name = "authorization_signed_response_alg"
    only(value, ALL, lambda one: may_register(world, **{name: one}))
    for algorithm in value:
        peer = client(world, **{name: algorithm})
        pushed = peer.push(response_mode="jwt")
        path, page = world.open_request(browser := world.sign_in(), pushed, peer)
        answered = world.answer(browser, path, page)
        location = browser.get(answered.location).location
        assert header_of(location.partition("response=")[2])["alg"] == algorithm


def no_signature_is_required(world: World, value: Any) -> None:
    assert value is False
    assert world.bank.push().status_code == 201


def request_algorithms(world: World, value: Any) -> None:
    """RS256 is for clients of the profile ``oidc``; that it is for no other, RFC 9101's tests say."""

    def works(algorithm: str) -> bool:
        if algorithm == "RS256":
            return pushed_for_a_sign_in(world, algorithm)
        peer = client(world, algorithm="ES256" if algorithm == "HS256" else algorithm)
        header = {"typ": "oauth-authz-req+jwt", "kid": algorithm}
        request = jwt.encode(request_claims(peer), key_of(algorithm), algorithm, headers=header)
        by = client_assertion_of(peer)
        return peer.post("/oauth/par", {"request": request}, **by).status_code == 201

    def client_assertion_of(peer: Any) -> dict[str, Any]:
        return {} if peer.algorithm in value else {"assertion": _other_way_in(world, peer)}

    only(value, ALL, works)


def pushed_for_a_sign_in(world: World, algorithm: str) -> bool:
    relying = Relying.register(world)
    with world.app.app_context(), writing() as session:
        session.get_one(ClientRow, relying.client_id).jwks = {"keys": [public(algorithm)]}
    now = int(world.clock.now().timestamp())
    about = {"iss": relying.client_id, "aud": ISSUER, "nbf": now, "exp": now + 300}
    request = jwt.encode(
        relying.parameters() | about, key_of(algorithm), algorithm, headers={"kid": algorithm}
    )
    form = {"request": request}
    pair = base64.b64encode(f"{relying.client_id}:{relying.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}
    return world.app.test_client().post("/oauth/par", data=form, headers=headers).status_code == 201


def _other_way_in(world: World, peer: Any) -> str:
    """An assertion that counts, by a key that the client has beside the one that is tried."""
    with world.app.app_context(), writing() as session:
        row = session.get_one(ClientRow, peer.client_id)
        row.jwks = {"keys": [*row.jwks["keys"], public("ES256")]}
    return str(peer.assertion("ES256", key_of("ES256"), {"kid": "ES256"}))


def introspection_algorithms(world: World, value: Any) -> None:
    name = "introspection_signed_response_alg"
    only(value, ALL, lambda one: may_register(world, **{name: one}))
    for algorithm in value:
        holder = client(world, ClientRole.HOLDER, **{name: algorithm})
        assert header_of(introspect(holder, world.bearer(holder)).text)["alg"] == algorithm


def grant_types(world: World, value: Any) -> None:
    tried = ("password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer")
    more = ("urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:saml2-bearer")

    def works(grant_type: str) -> bool:
        answer = world.bank.post(TOKEN, {"grant_type": grant_type})
        return error_of(answer) != "unsupported_grant_type"

    only(value, (*GRANT_TYPES, *tried, *more), works)


def challenge_methods(world: World, value: Any) -> None:
    tried = ("S256", "plain", "S512")
    only(value, tried, lambda one: world.bank.push(code_challenge_method=one).status_code == 201)


def issuer_in_the_answer(world: World, value: Any) -> None:
    assert value is True
    for answer in ("approve", "decline"):
        back = world.approve(world.sign_in(), world.bank.push(), answer=answer)
        assert back["iss"] == ISSUER


def details_types(world: World, value: Any) -> None:
    only(
        value,
        ("business_data", "payment_initiation", "account_information"),
        lambda one: world.bank.push([world.details(type=one)]).status_code == 201,
    )


def actions(world: World, value: Any) -> None:
    def works(action: str) -> bool:
        token = world.grant()
        if action == "query":
            return query(world, token["grant_id"]).status_code == 200
        if action == "revoke":
            bearer = api_token(world.bank, "grant_management_revoke")
            return call(world, "DELETE", token["grant_id"], bearer).status_code == 204
        named = {} if action == "create" else {"grant_id": token["grant_id"]}
        wide = world.details(datatypes=["financial_statement", "trial_balance", "vat_return"])
        wide["access"] = token["authorization_details"][0]["access"]
        pushed = world.bank.push([wide], grant_management_action=action, **named)
        return pushed.status_code == 201

    only(value, ("create", "merge", "replace", "query", "revoke", "update", "delete"), works)


def no_action_is_required(world: World, value: Any) -> None:
    assert value is False
    assert world.bank.push().status_code == 201


def named_in_the_catalogue(member: str) -> Row:
    """Purposes and data sets: what is not named is refused for that, and what is named never is."""

    def works(world: World, name: str) -> bool:
        said = [name] if member == "datatypes" else name
        answer = world.bank.push([world.details(**{member: said})])
        return "is not in the catalogue" not in answer.text

    return lambda world, value: only(
        value, (*NAMED[member], "marketing", "nothing"), lambda one: works(world, one)
    )


NAMED = {
    "purpose": ("credit_assessment", "trade", "vat_reporting"),
    "datatypes": ("trial_balance", "e_invoice", "waste"),
}


def scopes(world: World, value: Any) -> None:
    people = {"openid", "profile", "organisations", "offline_access"}

    def works(scope: str) -> bool:
        if scope in people:
            asking = {"authorization_details": None, "scope": f"openid {scope}"}
            return world.bank.push(**asking).status_code == 201
        peers = (world.bank, world.erp)
        return any(error_of(peer.post(TOKEN, {**CREDENTIALS, "scope": scope})) == "" for peer in peers)

    only(value, (*SCOPES, "email", "address", "phone", "admin"), works)
    token = Relying.register(world).tokens(world.sign_in(), scope="openid email address phone")
    assert token["scope"] == "openid", "a scope that is not known is not given"


def dpop_algorithms(world: World, value: Any) -> None:
    def works(algorithm: str) -> bool:
        now = world.clock.now()
        header = {"typ": "dpop+jwt", "jwk": {**public(algorithm)}}
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": "POST",
            "htu": ISSUER + TOKEN,
            "iat": int(now.timestamp()),
        }
        proof = jwt.encode(claims, key_of(algorithm), algorithm, headers=header)
        answer = world.bank.post(TOKEN, {**CREDENTIALS, "scope": "ledger"}, dpop=proof)
        return answer.status_code == 200 and answer.json["token_type"] == "DPoP"

    only(value, ALL, works)


def delivery_modes(world: World, value: Any) -> None:
    def works(mode: str) -> bool:
        ping = {"backchannel_client_notification_endpoint": "https://bank.example.no/ping"}
        return may_register(world, backchannel_token_delivery_mode=mode, **ping)

    only(value, ("poll", "ping", "push"), works)


def ciba_algorithms(world: World, value: Any) -> None:
    def works(algorithm: str) -> bool:
        peer = client(world, algorithm=algorithm, backchannel_token_delivery_mode="poll")
        now = int(world.clock.now().timestamp())
        about = {"iss": peer.client_id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 300}
        claims = {**about, "jti": secrets.token_urlsafe(16), **form(world)}
        request = jwt.encode(claims, key_of(algorithm), algorithm, headers={"kid": algorithm})
        by = {} if algorithm in value else {"assertion": _other_way_in(world, peer)}
        return peer.post("/oauth/backchannel", {"request": request}, **by).status_code == 200

    only(value, ALL, works)


def no_user_code(world: World, value: Any) -> None:
    assert value is False
    peer = client(world, backchannel_token_delivery_mode="poll")
    assert error_of(peer.post("/oauth/backchannel", form(world, user_code="1234"))) == "invalid_request"
    assert not may_register(world, backchannel_user_code_parameter=True)


ROWS: dict[str, Row] = {
    "response_types_supported": response_types,
    "response_modes_supported": response_modes,
    "authorization_signing_alg_values_supported": authorization_algorithms,
    "require_signed_request_object": no_signature_is_required,
    "request_object_signing_alg_values_supported": request_algorithms,
    "introspection_signing_alg_values_supported": introspection_algorithms,
    "grant_types_supported": grant_types,
    "code_challenge_methods_supported": challenge_methods,
    "authorization_response_iss_parameter_supported": issuer_in_the_answer,
    "authorization_details_types_supported": details_types,
    "grant_management_actions_supported": actions,
    "grant_management_action_required": no_action_is_required,
    "business_data_purposes_supported": named_in_the_catalogue("purpose"),
    "business_data_datatypes_supported": named_in_the_catalogue("datatypes"),
    "scopes_supported": scopes,
    "dpop_signing_alg_values_supported": dpop_algorithms,
    "backchannel_token_delivery_modes_supported": delivery_modes,
    "backchannel_authentication_request_signing_alg_values_supported": ciba_algorithms,
    "backchannel_user_code_parameter_supported": no_user_code,
}
