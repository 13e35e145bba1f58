"""RFC 9449 section 8: nonces of the server, at the endpoints and for who uses our library."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import httpx2
import jwt
import pytest
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from consent_service.config import ConfigurationError, from_environ
from consent_service.registry.nonces import Nonces
from consent_service.verifier.client import PartyClient
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service
from tests.world import ISSUER, World

TOKEN = "/oauth/token"
FORM = {"grant_type": "client_credentials"}
NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def proof(world: World, nonce: str) -> str:
    return world.bank.dpop.proof("POST", ISSUER + TOKEN, world.clock.now(), nonce=nonce)


def require(world: World) -> None:
    shelf = world.app.extensions["consent_service"]
    shelf[Nonces] = Nonces.of("k" * 40, required=True)


def test_an_answer_to_a_proof_carries_a_nonce_that_the_next_proof_can_have(world: World) -> None:
    first = world.bank.post(TOKEN, FORM, dpop=True)
    assert first.status_code == 200
    nonce = first.headers["DPoP-Nonce"]
    assert world.bank.post(TOKEN, FORM, dpop=proof(world, nonce)).status_code == 200


def test_who_shows_no_proof_gets_no_nonce(world: World) -> None:
    assert "DPoP-Nonce" not in world.bank.post(TOKEN, FORM).headers


@pytest.mark.parametrize("nonce", ["made up", "A" * 32, "AAAAAAAAAAAAAAAA" * 9, "æ"])
def test_a_nonce_that_the_server_did_not_give_is_refused_with_a_new_one(world: World, nonce: str) -> None:
    answer = world.bank.post(TOKEN, FORM, dpop=proof(world, nonce))
    assert (answer.status_code, answer.json["error"]) == (400, "use_dpop_nonce")
    again = world.bank.post(TOKEN, FORM, dpop=proof(world, answer.headers["DPoP-Nonce"]))
    assert again.status_code == 200


@pytest.mark.parametrize(("seconds", "accepted"), [(0, True), (200, True), (360, False), (-120, False)])
def test_a_nonce_is_fresh_for_minutes(seconds: int, accepted: bool) -> None:
    nonces = Nonces.of("k" * 40, required=False)
    assert nonces.fresh(nonces.make(NOW), NOW + dt.timedelta(seconds=seconds)) is accepted


def test_another_service_s_nonce_is_none_of_ours() -> None:
    assert not Nonces.of("k" * 40, required=False).fresh(Nonces.of("j" * 40, required=False).make(NOW), NOW)


@pytest.mark.parametrize("path", [TOKEN, "/oauth/par"])
def test_where_nonces_are_required_a_proof_without_one_is_told_so(world: World, path: str) -> None:
    require(world)
    answer = world.bank.post(TOKEN, FORM, dpop=True) if path == TOKEN else world.bank.push(dpop=True)
    assert (answer.status_code, answer.json["error"]) == (400, "use_dpop_nonce")
    assert answer.headers["DPoP-Nonce"]


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """The service on a port of its own, under the issuer's name."""
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_our_own_client_brings_the_nonce_that_it_is_asked_for(world: World, address: str) -> None:
    require(world)
    grant = world.bank.push()
    back = world.approve(world.sign_in(), grant)

    def to_the_port(request: httpx2.Request) -> None:
        request.url = request.url.copy_with(host="127.0.0.1", port=int(address.rpartition(":")[2]))

    http = httpx2.Client(event_hooks={"request": [to_the_port]})
    key = ClientKey(jwt.algorithms.ECAlgorithm.to_jwk(world.bank.key, as_dict=True))
    party = Authenticated(Service(ISSUER, http), world.bank.client_id, key)
    client = PartyClient(party, world.bank.dpop, http)
    form = {
        "grant_type": "authorization_code",
        "code": back["code"],
        "redirect_uri": "https://bank.example.no/callback",
        "code_verifier": "v" * 64,
    }
    assert client._token(form, world.clock.now()).grant_id
    http.close()


def test_the_setting_has_two_values() -> None:
    environ = {"CONSENT_ISSUER": "https://c.example", "CONSENT_SECRET_KEY": "k" * 40}
    assert from_environ(environ | {"CONSENT_DPOP_NONCE": "required"}).dpop_nonce_required
    assert not from_environ(environ).dpop_nonce_required
    with pytest.raises(ConfigurationError, match="CONSENT_DPOP_NONCE"):
        from_environ(environ | {"CONSENT_DPOP_NONCE": "sometimes"})


def test_a_protected_resource_of_ours_offers_a_nonce_and_takes_none_that_is_made_up(world: World) -> None:
    """Section 9. Where nonces are required at the token endpoint, a resource still demands none."""
    token = world.grant()["access_token"]
    require(world)
    for path in ("/oauth/userinfo", "/oauth/grants/none"):

        def told(nonce: str = "", path: str = path) -> TestResponse:
            made = world.bank.dpop.proof("GET", ISSUER + path, world.clock.now(), token, nonce)
            headers = {"Authorization": f"DPoP {token}", "DPoP": made}
            return world.app.test_client().get(path, headers=headers)

        without = told()
        assert without.status_code == 403, "the proof is good, and the token is for something else"
        assert told(without.headers["DPoP-Nonce"]).status_code == 403
        refused = told("made up")
        assert refused.status_code == 401
        assert 'error="use_dpop_nonce"' in refused.headers["WWW-Authenticate"]
        assert refused.headers["DPoP-Nonce"]
