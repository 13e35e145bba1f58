"""OpenID Connect Core 1.0 section 5.3 and RFC 6750: userinfo."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.oauth.relying import Relying, verified
from tests.oauth.test_openid_connect_fapi import log_in
from tests.world import ISSUER, World

PATH = "/oauth/userinfo"


def test_userinfo_says_the_same_subject_as_the_id_token_and_what_was_agreed_to(both_worlds: World) -> None:
    relying = Relying.register(both_worlds)
    token = relying.tokens(both_worlds.sign_in(), scope="openid profile")
    answer = relying.userinfo(token)
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {"sub": relying.claims(token)["sub"], "name": "Ingrid Hauge"}


def test_a_token_can_come_by_post_in_the_header_or_in_the_body(world: World) -> None:
    relying = Relying.register(world)
    token = relying.tokens(world.sign_in())["access_token"]
    client = world.app.test_client()
    assert client.post(PATH, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.post(PATH, data={"access_token": token}).status_code == 200
    in_the_address = client.get(PATH, query_string={"access_token": token})
    assert in_the_address.status_code == 401, "addresses are logged"


def test_a_token_shown_in_two_ways_is_refused(world: World) -> None:
    token = Relying.register(world).tokens(world.sign_in())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = world.app.test_client().post(PATH, headers=headers, data={"access_token": token})
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]


def test_without_a_token_the_challenge_names_no_error(world: World) -> None:
    answer = world.app.test_client().get(PATH)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="userinfo"'


@pytest.mark.parametrize("token", ["nonsense", "\xff", "x" * 9000])
def test_a_token_that_is_not_ours_is_401_invalid_token(world: World, token: str) -> None:
    answer = world.app.test_client().get(PATH, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_past_its_end_is_401(world: World) -> None:
    relying = Relying.register(world)
    token = relying.tokens(world.sign_in())
    world.clock.advance(minutes=10)
    assert relying.userinfo(token).status_code == 401


def test_a_token_for_something_else_is_403_insufficient_scope(world: World) -> None:
    answer = world.app.test_client().get(PATH, headers={"Authorization": f"Bearer {world.bearer(world.erp)}"})
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256"])
def test_userinfo_is_signed_where_the_client_registered_it(world: World, algorithm: str) -> None:
    relying = Relying.register(world, userinfo_signed_response_alg=algorithm)
    token = relying.tokens(world.sign_in())
    answer = relying.userinfo(token)
    assert answer.mimetype == "application/jwt"
    claims = verified(world, answer.text, relying.client_id)
    assert (claims["iss"], claims["sub"]) == (ISSUER, relying.claims(token)["sub"])


def test_signed_userinfo_is_no_id_token_hint(world: World) -> None:
    relying = Relying.register(world, userinfo_signed_response_alg="RS256")
    hint = relying.userinfo(relying.tokens(world.sign_in())).text
    answer = world.app.test_client().get("/oauth/logout", query_string={"id_token_hint": hint})
    assert answer.status_code == 400


def test_a_bound_token_needs_the_proof_of_its_key(world: World) -> None:
    token = log_in(world, "openid profile")
    client, bank = world.app.test_client(), world.bank
    value = token["access_token"]
    for headers in (
        {"Authorization": f"Bearer {value}"},
        {"Authorization": f"DPoP {value}"},
        {"Authorization": f"DPoP {value}", "DPoP": world.erp.proof(PATH, "GET")},
    ):
        assert client.get(PATH, headers=headers).status_code == 401
    assert client.post(PATH, data={"access_token": value}).status_code == 401
    proof = bank.dpop.proof("GET", ISSUER + PATH, world.clock.now(), value)
    answer = client.get(PATH, headers={"Authorization": f"DPoP {value}", "DPoP": proof})
    assert answer.json["name"] == "Ingrid Hauge"


def test_organisations_are_those_of_this_moment(world: World) -> None:
    relying = Relying.register(world)
    form = {"organisations": ["0192:310028142", "0192:310034568"]}
    token = relying.tokens(world.sign_in(), form, scope="openid organisations offline_access")
    world.clock.advance(hours=2)  # what the register said last no longer counts: it is asked again
    refreshed = relying.token({"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}).json
    assert len(relying.userinfo(refreshed).json["organisations"]) == 2


def test_a_resource_server_shall_send_the_client_s_interaction_id_back_or_one_of_its_own(
    world: World,
) -> None:
    """FAPI 1.0 Baseline section 6.2.1, which FAPI-CIBA keeps."""
    client, name = world.app.test_client(), "x-fapi-interaction-id"
    sent = "c770aef3-6784-41f7-8e0e-ff5f97bddb3a"
    assert client.get(PATH, headers={name: sent}).headers[name] == sent
    made = [
        client.get(PATH, headers=headers).headers[name] for headers in ({}, {}, {name: "x\u00e6"}, {name: ""})
    ]
    assert len(set(made)) == 4
    assert all(str(UUID(one)) == one for one in made)
