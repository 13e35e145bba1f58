"""Shared Signals Framework 1.0 sections 4 and 7, CAEP Interoperability Profile 2.3: what the transmitter says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.signals.conftest import POLL, PUSH, Receiver
from tests.world import ISSUER, World


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    answer = world.app.test_client().get("/.well-known/ssf-configuration")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    return dict(answer.json)


def test_the_issuer_is_the_one_whose_configuration_it_is(document: dict[str, Any]) -> None:
    assert document["issuer"] == ISSUER


def test_the_version_is_the_final_one(document: dict[str, Any]) -> None:
    assert document["spec_version"] == "1_0"


def test_both_delivery_methods_are_there(document: dict[str, Any]) -> None:
    assert set(document["delivery_methods_supported"]) == {PUSH, POLL}


def test_oauth_is_the_way_to_authorize(document: dict[str, Any]) -> None:
    assert {"spec_urn": "urn:ietf:rfc:6749"} in document["authorization_schemes"]


def test_default_subjects_is_all_as_caep_interop_receivers_assume(document: dict[str, Any]) -> None:
    assert document["default_subjects"] == "ALL"


def test_no_claim_is_an_empty_array(document: dict[str, Any]) -> None:
    assert not [name for name, value in document.items() if value == []]


def test_every_endpoint_of_the_metadata_answers_and_asks_for_a_token(
    world: World, document: dict[str, Any]
) -> None:
    client = world.app.test_client()
    methods = {
        "configuration_endpoint": ("GET", "POST", "PATCH", "PUT", "DELETE"),
        "status_endpoint": ("GET", "POST"),
        "add_subject_endpoint": ("POST",),
        "remove_subject_endpoint": ("POST",),
        "verification_endpoint": ("POST",),
    }
    for name, verbs in methods.items():
        for verb in verbs:
            answer = client.open(document[name].removeprefix(ISSUER), method=verb, json={})
            assert answer.status_code == 401, (name, verb)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_keys_that_sign_events_are_published_with_at_least_2048_bits(
    world: World, document: dict[str, Any]
) -> None:
    keys = world.app.test_client().get(document["jwks_uri"].removeprefix(ISSUER)).json["keys"]
    [key] = [one for one in keys if one["alg"] == "RS256"]
    assert key["kty"] == "RSA"
    assert len(key["n"]) * 6 >= 2048
    assert {one for key in keys for one in key} <= {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"}


def test_the_authorization_server_says_which_scopes_there_are(receiver: Receiver) -> None:
    metadata = receiver.world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert {"ssf.read", "ssf.manage"} <= set(metadata["scopes_supported"])
