"""RFC 9701, introspection responses as signed JWTs."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from consent_service import keys
from consent_service.db import reading
from consent_service.registry.model import ClientRole
from tests.world import ISSUER, Peer, World

SIGNED = "application/token-introspection+jwt"


def introspect(peer: Peer, token: str, accept: str | None = SIGNED) -> TestResponse:
    headers = {"Accept": accept} if accept is not None else {}
    return peer.post("/oauth/introspect", {"token": token}, headers=headers)


def opened(world: World, answer: TestResponse) -> tuple[dict[str, Any], dict[str, Any]]:
    header = jwt.get_unverified_header(answer.text)
    with world.app.app_context():
        published = keys.published(reading(), world.clock.now())["keys"]
    (key,) = [one for one in published if one["kid"] == header["kid"]]
    return header, jwt.decode(answer.text, jwt.PyJWK(key), [header["alg"]], options={"verify_aud": False})


def test_who_accepts_the_jwt_gets_it_signed_with_issuer_audience_and_time(world: World) -> None:
    token = world.bearer(world.erp)
    answer = introspect(world.erp, token)
    assert (answer.status_code, answer.mimetype) == (200, SIGNED)
    assert answer.headers["Cache-Control"] == "no-store"
    header, claims = opened(world, answer)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", "ES256")
    assert (claims["iss"], claims["aud"]) == (ISSUER, world.erp.client_id)
    assert claims["iat"] == int(world.clock.now().timestamp())
    assert claims["token_introspection"] == introspect(world.erp, token, None).json
    assert claims["token_introspection"]["active"] is True


def test_sub_and_exp_must_not_stand_at_the_top(world: World) -> None:
    _, claims = opened(world, introspect(world.erp, world.bearer(world.erp)))
    assert set(claims) == {"iss", "aud", "iat", "token_introspection"}


def test_a_token_that_is_not_for_the_caller_is_a_signed_no(world: World) -> None:
    for token in (world.bearer(world.erp), "no token"):
        _, claims = opened(world, introspect(world.bank, token))
        assert claims["token_introspection"] == {"active": False}


@pytest.mark.parametrize(
    ("accept", "is_signed"),
    [
        (SIGNED, True),
        (f"{SIGNED}, application/json;q=0.5", True),
        (f"{SIGNED}, application/json", True),
        (f"{SIGNED};q=0.5, application/json", False),
        (f"{SIGNED};q=0", False),
        ("application/json", False),
        ("*/*", False),
        ("application/*", False),
        (None, False),
        ("nonsense", False),
    ],
)
def test_json_stays_the_answer_for_whoever_does_not_ask_for_the_jwt(
    world: World, accept: str | None, *, is_signed: bool
) -> None:
    answer = introspect(world.erp, world.bearer(world.erp), accept)
    assert answer.mimetype == (SIGNED if is_signed else "application/json")
    assert "Accept" in answer.headers["Vary"]


def test_it_is_signed_with_the_algorithm_that_the_client_registered(world: World) -> None:
    peer = world.register(
        ClientRole.HOLDER, "ERP", "0192:310052345", introspection_signed_response_alg="PS256"
    )
    header, _ = opened(world, introspect(peer, world.bearer(peer)))
    assert header["alg"] == "PS256"


def test_an_unauthenticated_caller_gets_an_error_in_json(world: World) -> None:
    answer = world.app.test_client().post(
        "/oauth/introspect", data={"token": "x"}, headers={"Accept": SIGNED}
    )
    assert (answer.status_code, answer.mimetype) == (401, "application/json")


def test_a_signed_answer_is_no_access_token(world: World) -> None:
    answer = introspect(world.erp, world.bearer(world.erp))
    asked = world.app.test_client().post(
        "/access/v1/evaluation", json={}, headers={"Authorization": f"Bearer {answer.text}"}
    )
    assert asked.status_code == 401


def test_the_metadata_say_so(world: World) -> None:
    said = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert said["introspection_signing_alg_values_supported"] == ["ES256", "PS256"]
