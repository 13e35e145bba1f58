"""Holders at the decision API: bearer tokens (RFC 6750), and tokens bound to a key (RFC 9449)."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from werkzeug.test import TestResponse

from consent_service.db import writing
from consent_service.registry.model import ClientRole
from consent_service.registry.parties import Registration, register
from consent_service.registry.store import ClientRow
from consent_service.verifier.decision import DecisionClient
from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service
from tests.world import ISSUER, Peer, World

PATH = "/access/v1/evaluation"


@pytest.fixture
def bound(world: World) -> Peer:
    """The ERP system, registered for tokens that are bound to a key."""
    with world.app.app_context(), writing() as session:
        row = session.get(ClientRow, world.erp.client_id)
        assert row
        row.dpop_bound = True
    return world.erp


def token_of(peer: Peer, *, dpop: bool = True) -> dict[str, Any]:
    return dict(peer.post("/oauth/token", {"grant_type": "client_credentials"}, dpop=dpop).json)


def ask(world: World, peer: Peer, scheme: str, token: str, *proofs: str) -> Any:
    question = world.question({"grant_id": "none"}, peer)
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
    return world.app.test_client().post(PATH, json=question, headers=headers)


def proof(world: World, peer: Peer, token: str, key: DPoPKey | None = None, path: str = PATH) -> str:
    return (key or peer.dpop).proof("POST", ISSUER + path, world.clock.now(), token)


def test_a_bound_token_counts_with_a_proof_of_its_key(world: World, bound: Peer) -> None:
    token = token_of(bound)
    assert token["token_type"] == "DPoP"
    value = token["access_token"]
    for _ in range(3):  # looked up once, remembered after that
        assert ask(world, bound, "DPoP", value, proof(world, bound, value)).status_code == 200


def test_a_holder_is_offered_a_nonce_and_the_one_that_it_brings_must_be_fresh(
    world: World, bound: Peer
) -> None:
    """RFC 9449 section 9: optional here, and never demanded."""
    value = token_of(bound)["access_token"]
    first = ask(world, bound, "DPoP", value, proof(world, bound, value))
    assert first.status_code == 200

    def bringing(nonce: str) -> TestResponse:
        url, now = ISSUER + PATH, world.clock.now()
        return ask(world, bound, "DPoP", value, bound.dpop.proof("POST", url, now, value, nonce))

    assert bringing(first.headers["DPoP-Nonce"]).status_code == 200
    stale = bringing("made up")
    assert stale.status_code == 401
    assert 'error="use_dpop_nonce"' in stale.headers["WWW-Authenticate"]
    assert bringing(stale.headers["DPoP-Nonce"]).status_code == 200
    world.clock.advance(minutes=6)
    assert bringing(first.headers["DPoP-Nonce"]).status_code == 401


def test_each_proof_is_for_one_request(world: World, bound: Peer) -> None:
    value = token_of(bound)["access_token"]
    once = proof(world, bound, value)
    assert ask(world, bound, "DPoP", value, once).status_code == 200
    again = ask(world, bound, "DPoP", value, once)
    assert again.status_code == 401
    assert again.headers["WWW-Authenticate"].startswith("DPoP ")
    assert 'error="invalid_dpop_proof"' in again.headers["WWW-Authenticate"]
    assert 'algs="ES256 PS256 EdDSA"' in again.headers["WWW-Authenticate"]


def test_several_questions_are_one_request(world: World, bound: Peer) -> None:
    value = token_of(bound)["access_token"]
    path = "/access/v1/evaluations"
    headers = {"Authorization": f"DPoP {value}", "DPoP": proof(world, bound, value, path=path)}
    question = world.question({"grant_id": "none"}, bound)
    bad = {"subject": {"type": "party"}}  # splits the list into two runs
    body = {**question, "evaluations": [{}, bad, {}]}
    answer = world.app.test_client().post(path, json=body, headers=headers)
    assert answer.status_code == 200
    assert len(answer.json["evaluations"]) == 3


@pytest.mark.parametrize("fault", ["bearer", "none", "two", "other key", "other token", "other path", "old"])
def test_a_bound_token_without_its_proof_is_refused(world: World, bound: Peer, fault: str) -> None:
    value = token_of(bound)["access_token"]
    good = proof(world, bound, value)
    another = DPoPKey(ec.generate_private_key(ec.SECP256R1()))
    proofs = {
        "bearer": [good],
        "none": [],
        "two": [good, proof(world, bound, value)],
        "other key": [proof(world, bound, value, another)],
        "other token": [proof(world, bound, "another")],
        "other path": [proof(world, bound, value, path="/access/v1/evaluations")],
        "old": [bound.dpop.proof("POST", ISSUER + PATH, world.clock.now() - dt.timedelta(hours=1), value)],
    }[fault]
    answer = ask(world, bound, "Bearer" if fault == "bearer" else "DPoP", value, *proofs)
    assert answer.status_code == 401
    # And what was refused spoils nothing.
    assert ask(world, bound, "DPoP", value, proof(world, bound, value)).status_code == 200


def test_who_is_registered_for_bound_tokens_gets_no_other(world: World, bound: Peer) -> None:
    assert token_of(bound, dpop=False)["error"] == "invalid_dpop_proof"


def test_a_bearer_token_of_before_counts_no_more(world: World) -> None:
    value = world.bearer(world.erp)
    assert ask(world, world.erp, "Bearer", value).status_code == 200
    with world.app.app_context(), writing() as session:
        row = session.get(ClientRow, world.erp.client_id)
        assert row
        row.dpop_bound = True
        register(session, another_client(world), world.clock.now())  # any change of the registry
    assert ask(world, world.erp, "Bearer", value).status_code == 401


def another_client(world: World) -> Registration:
    jwk = world.erp.dpop.public_jwk
    return Registration(ClientRole.HOLDER, "Other", "0192:310034568", {"keys": [jwk]})


def test_a_bearer_token_is_not_a_dpop_token(world: World) -> None:
    value = world.bearer(world.erp)
    assert ask(world, world.erp, "DPoP", value, proof(world, world.erp, value)).status_code == 401


def test_whoever_wants_may_bind_a_token(world: World) -> None:
    value = token_of(world.erp)["access_token"]
    assert ask(world, world.erp, "Bearer", value).status_code == 401
    assert ask(world, world.erp, "DPoP", value, proof(world, world.erp, value)).status_code == 200


def test_the_verifier_asks_with_bound_tokens(world: World, bound: Peer) -> None:
    granted = world.grant()
    http = httpx2.Client(transport=httpx2.WSGITransport(app=world.app), base_url=ISSUER)
    service = Service(ISSUER, http)
    holder = Authenticated(service, bound.client_id, ClientKey(json.loads(ECAlgorithm.to_jwk(bound.key))))
    asking = DecisionClient(holder, http, dpop=bound.dpop)
    for _ in range(2):
        decision = asking.ask(world.question(granted, bound), world.clock.now())
        assert decision, decision.reasons
    assert not replace(decision, permit=False)
