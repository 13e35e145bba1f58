"""RFC 8693, token exchange: a holder asks another holder for what the same grant opens there."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import httpx2
import jwt
import pytest
from werkzeug.test import TestResponse

from consent_service.db import reading
from consent_service.ledger.model import Kind
from consent_service.ledger.store import payloads_of
from consent_service.registry.model import ClientRole
from consent_service.verifier.decision import DecisionClient
from consent_service.verifier.guard import Call, Guard, Unauthorized, Wanted
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service
from tests.oauth.grants import SECOND, changed, hand_back, introspect, refresh, second_holder
from tests.world import ISSUER, OWNER, RESOURCE, Peer, World

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
WANTED = Wanted(OWNER, "trial_balance", "2025-01-01", "2025-06-30")


@pytest.fixture
def second(world: World) -> Peer:
    return second_holder(world)


@pytest.fixture
def token(world: World, second: Peer) -> dict[str, Any]:
    """The bank's token for data at both holders."""
    return world.grant(world.details(locations=[RESOURCE, SECOND]))


def exchange(peer: Peer, subject_token: str, /, dpop: bool = True, **form: Any) -> TestResponse:
    asked = {
        "grant_type": EXCHANGE,
        "subject_token": subject_token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": SECOND,
    }
    return peer.post("/oauth/token", asked | form, dpop=dpop)


def claims_of(answer: dict[str, Any]) -> dict[str, Any]:
    return dict(jwt.decode(answer["access_token"], options={"verify_signature": False}))


def test_the_issued_token_names_the_actor_and_is_bound_to_its_own_key(
    world: World, token: dict[str, Any]
) -> None:
    answer = exchange(world.erp, token["access_token"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["issued_token_type"] == ACCESS_TOKEN
    assert answer.json["token_type"] == "DPoP"
    claims = claims_of(answer.json)
    assert claims["act"] == {"sub": world.erp.client_id}
    assert claims["client_id"] == world.erp.client_id
    assert claims["party"] == world.bank.client_id
    assert claims["sub"] == OWNER
    assert claims["aud"] == SECOND
    assert claims["cnf"] == {"jkt": world.erp.dpop.jkt}
    assert claims["grant_id"] == token["grant_id"]
    assert claims["authorization_details"][0]["locations"] == [SECOND]
    assert "refresh_token" not in answer.json


def test_it_never_outlives_the_subject_token(world: World, token: dict[str, Any]) -> None:
    world.clock.advance(minutes=8)
    answer = exchange(world.erp, token["access_token"]).json
    assert answer["expires_in"] <= 120
    assert claims_of(answer)["exp"] <= claims_of(token)["exp"]


def test_it_ends_with_the_subject_token_and_with_the_grant(
    world: World, second: Peer, token: dict[str, Any]
) -> None:
    first = exchange(world.erp, token["access_token"]).json["access_token"]
    assert introspect(second, first)["act"] == {"sub": world.erp.client_id}
    assert introspect(second, first)["party"] == world.bank.client_id
    world.bank.post("/oauth/revoke", {"token": token["access_token"]})
    assert introspect(second, first) == {"active": False}
    renewed = refresh(world.bank, token).json["access_token"]
    other = exchange(world.erp, renewed).json["access_token"]
    assert introspect(second, other)["active"] is True
    hand_back(world, token["grant_id"])
    assert introspect(second, other) == {"active": False}
    assert exchange(world.erp, renewed).json["error"] == "invalid_request"


def test_it_carries_no_more_than_the_subject_token(world: World, token: dict[str, Any]) -> None:
    [granted] = token["authorization_details"]
    less = json.dumps([granted | {"datatypes": ["trial_balance"]}])
    narrow = refresh(world.bank, token, authorization_details=less).json
    got = exchange(world.erp, narrow["access_token"]).json
    assert got["authorization_details"][0]["datatypes"] == ["trial_balance"]
    at_second = granted | {"locations": [SECOND]}
    more = exchange(world.erp, narrow["access_token"], authorization_details=json.dumps([at_second]))
    assert more.json["error"] == "invalid_authorization_details"
    at_second |= {"datatypes": ["trial_balance"], "period": {"from": "2025-01-01", "to": "2025-06-30"}}
    shorter = exchange(world.erp, narrow["access_token"], authorization_details=json.dumps([at_second]))
    assert shorter.json["authorization_details"][0]["period"]["to"] == "2025-06-30"


def test_only_a_holder_for_whom_the_subject_token_was_meant_exchanges_it(
    world: World, second: Peer, token: dict[str, Any]
) -> None:
    third = world.register(
        ClientRole.HOLDER, "Third", "0192:310052345", resource="https://third.example.no/api"
    )
    answer = exchange(third, token["access_token"])
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert answer.text == exchange(third, "nonsense").text
    for_erp = refresh(world.bank, token, resource=RESOURCE).json["access_token"]
    assert exchange(second, for_erp, resource=RESOURCE).json["error"] == "invalid_request"
    assert exchange(world.erp, for_erp).status_code == 200


def test_a_party_exchanges_nothing(world: World, token: dict[str, Any]) -> None:
    assert exchange(world.bank, token["access_token"]).json["error"] == "unauthorized_client"


def test_no_chaining_beyond_one_hop(world: World, second: Peer) -> None:
    third = "https://third.example.no/api"
    world.register(ClientRole.HOLDER, "Third", "0192:310052345", resource=third)
    token = world.grant(world.details(locations=[RESOURCE, SECOND, third]))
    once = exchange(world.erp, token["access_token"]).json["access_token"]
    assert exchange(second, once, resource=third).json["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"scope": "decisions"}, "invalid_scope"),
        ({"audience": "somebody"}, "invalid_target"),
        ({"resource": None}, "invalid_target"),
        ({"resource": "https://else.example"}, "invalid_target"),
        ({"resource": RESOURCE}, "invalid_target"),
        ({"resource": [SECOND, RESOURCE]}, "invalid_target"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
    ],
)
def test_what_a_request_gets_wrong_is_named(
    world: World, token: dict[str, Any], form: dict[str, Any], error: str
) -> None:
    answer = exchange(world.erp, token["access_token"], **form)
    assert (answer.status_code, answer.json["error"]) == (400, error)


def test_a_refresh_token_a_machine_s_token_and_a_dead_one_are_no_subject_tokens(
    world: World, token: dict[str, Any]
) -> None:
    assert exchange(world.erp, token["refresh_token"]).json["error"] == "invalid_request"
    assert exchange(world.erp, world.bearer(world.erp)).json["error"] == "invalid_request"
    world.clock.advance(minutes=10)
    assert exchange(world.erp, token["access_token"]).json["error"] == "invalid_request"


def test_without_proof_of_its_own_key_a_holder_gets_nothing(world: World, token: dict[str, Any]) -> None:
    assert exchange(world.erp, token["access_token"], dpop=False).json["error"] == "invalid_dpop_proof"


def test_a_location_that_the_owner_took_out_is_no_target_any_more(
    world: World, token: dict[str, Any]
) -> None:
    changed(world, world.sign_in(), token["grant_id"], "replace", world.details())
    assert exchange(world.erp, token["access_token"]).json["error"] == "invalid_target"


def test_an_exchange_is_in_the_ledger(world: World, token: dict[str, Any]) -> None:
    exchange(world.erp, token["access_token"])
    with world.app.app_context():
        [row] = payloads_of(reading(), OWNER, [Kind.TOKEN_EXCHANGED], grant_id=token["grant_id"], limit=5)
    told = json.loads(row.body or "{}")
    assert told["actor"] == world.erp.client_id
    assert told["client_id"] == world.bank.client_id
    assert told["resource"] == SECOND


def guard_of(world: World, peer: Peer, resource: str) -> Guard:
    """The verifier library at a holder, talking to the running service."""

    def route(request: httpx2.Request) -> httpx2.Response:
        answer = world.app.test_client().open(
            request.url.path,
            method=request.method,
            data=request.content,
            headers={name: value for name, value in request.headers.items() if name != "host"},
        )
        return httpx2.Response(answer.status_code, content=answer.data, headers=dict(answer.headers))

    http = httpx2.Client(transport=httpx2.MockTransport(route))
    holder = Authenticated(
        Service(ISSUER, http),
        peer.client_id,
        ClientKey(jwt.algorithms.ECAlgorithm.to_jwk(peer.key, as_dict=True)),
    )
    return Guard(holder, resource, DecisionClient(holder, http))


def as_read(peer: Peer, access_token: str, now: dt.datetime) -> Call:
    url = f"{SECOND}/{OWNER}/trial_balance"
    return Call("GET", url, [f"DPoP {access_token}"], [peer.dpop.proof("GET", url, now, access_token)])


def test_the_second_holder_decides_for_the_party_and_the_decision_names_both(
    world: World, second: Peer, token: dict[str, Any]
) -> None:
    answer = exchange(world.erp, token["access_token"]).json
    now = world.clock.now()
    guard = guard_of(world, second, SECOND)
    decision = guard.check(as_read(world.erp, answer["access_token"], now), WANTED, now)
    assert decision.permit, decision
    with world.app.app_context():
        [row] = payloads_of(reading(), OWNER, [Kind.DECISION_PERMIT], grant_id=token["grant_id"], limit=5)
    asked = json.loads(row.body or "{}")["asked"]
    assert (asked["party"], asked["actor"]) == (world.bank.client_id, world.erp.client_id)
    page = world.sign_in().get("/activity").text
    assert "Nordhavn Bank ASA" in page
    assert "through" in page
    assert "Skyregn Systemer AS" in page


def test_the_party_s_key_opens_nothing_with_the_holder_s_token(
    world: World, second: Peer, token: dict[str, Any]
) -> None:
    answer = exchange(world.erp, token["access_token"]).json
    now = world.clock.now()
    with pytest.raises(Unauthorized):
        guard_of(world, second, SECOND).check(as_read(world.bank, answer["access_token"], now), WANTED, now)
