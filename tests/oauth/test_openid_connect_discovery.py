"""OpenID Connect Discovery 1.0, and a client that nobody here wrote."""

from __future__ import annotations

from typing import Any

import httpx2
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

from consent_service.oauth.metadata import OURS
from tests.oauth.relying import HOME, HTML, LEFT, Relying, follow
from tests.world import ISSUER, World


def test_both_addresses_serve_one_document_and_it_has_what_discovery_requires(world: World) -> None:
    client = world.app.test_client()
    found = client.get("/.well-known/openid-configuration")
    assert found.mimetype == "application/json"
    document = found.json
    whole = client.get("/.well-known/oauth-authorization-server").json
    assert {name: value for name, value in whole.items() if name not in OURS} == document
    assert set(whole) - set(document) == OURS, "what is not registered stands in RFC 8414's document alone"
    assert document["issuer"] == ISSUER
    for name in ("authorization", "token", "userinfo", "end_session", "pushed_authorization_request"):
        assert document[f"{name}_endpoint"].startswith(f"{ISSUER}/oauth/")
    assert document["response_types_supported"] == ["code"]
    assert set(document["subject_types_supported"]) == {"pairwise", "public"}
    assert set(document["id_token_signing_alg_values_supported"]) == {"RS256", "ES256", "PS256"}
    assert document["claims_parameter_supported"] is True
    assert document["request_parameter_supported"] is False
    assert document["request_uri_parameter_supported"] is False
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True
    assert {"openid", "profile", "organisations", "offline_access"} <= set(document["scopes_supported"])
    assert not {"email", "address", "phone"} & set(document["scopes_supported"])


def test_claims_and_acr_values_are_those_that_are_given(world: World) -> None:
    document = world.app.test_client().get("/.well-known/openid-configuration").json
    relying = Relying.register(world)
    token = relying.tokens(world.sign_in(), scope="openid profile organisations")
    claims = relying.claims(token)
    given = set(claims) | set(relying.userinfo(token).json)
    assert given <= set(document["claims_supported"])
    assert claims["acr"] in document["acr_values_supported"]


def test_the_key_set_has_a_key_for_each_algorithm_that_is_claimed(world: World) -> None:
    client = world.app.test_client()
    claimed = client.get("/.well-known/openid-configuration").json["id_token_signing_alg_values_supported"]
    keys = client.get("/oauth/jwks").json["keys"]
    assert {one["alg"] for one in keys} == set(claimed)
    assert all("d" not in one for one in keys)


def test_authlib_s_own_client_completes_the_flow(world: World) -> None:
    relying = Relying.register(world)
    http: dict[str, Any] = {"transport": httpx2.WSGITransport(app=world.app), "base_url": ISSUER}
    document = httpx2.Client(**http).get("/.well-known/openid-configuration").json()
    with OAuth2Client(
        client_id=relying.client_id,
        client_secret=relying.secret,
        redirect_uri=HOME,
        scope="openid profile offline_access",
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
        **http,
    ) as client:
        url, state = client.create_authorization_url(
            document["authorization_endpoint"], nonce="a-nonce", code_verifier="w" * 64
        )
        browser = world.sign_in()
        page = follow(browser, browser.get(url, headers=HTML))
        back = relying.answer(browser, page)
        token = client.fetch_token(
            document["token_endpoint"],
            authorization_response=back.location,
            state=state,
            code_verifier="w" * 64,
        )
        keys = KeySet.import_key_set(client.get(document["jwks_uri"]).json())
        claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
        assert (claims["aud"], claims["nonce"]) == (relying.client_id, "a-nonce")
        told = client.get(document["userinfo_endpoint"]).json()
        assert told == {"sub": claims["sub"], "name": "Ingrid Hauge"}
        renewed = client.refresh_token(document["token_endpoint"])
        assert renewed["access_token"] != token["access_token"]
    out = {"id_token_hint": token["id_token"], "post_logout_redirect_uri": LEFT}
    assert follow(browser, browser.get(document["end_session_endpoint"], query_string=out)).status_code == 200
