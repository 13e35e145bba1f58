"""``jwks_uri`` (RFC 7591 section 2): keys that clients publish themselves."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.outgoing import Outgoing
from consent_service.registry import parties, remote_keys
from consent_service.registry.model import AuthMethod, ClientRole
from consent_service.registry.parties import Registration
from consent_service.registry.remote_keys import LONGEST, OUTAGE, USUAL, KeysWanted
from tests.oauth.conftest import Host
from tests.oauth.test_rfc7591_registration import asked, invited, public, refused, register
from tests.oauth.test_rfc7592_management import call, sent
from tests.oauth.test_rfc9101_jar import claims
from tests.world import REDIRECT, Peer, World

BANK = "0192:310041238"


def peer_at(world: World, uri: str) -> Peer:
    """A bank that publishes its keys itself, registered by the operator."""
    return world.register(ClientRole.PARTY, "Bank", BANK, jwks_uri=uri)


def works(peer: Peer, kid: str = "one", key: Any = None) -> bool:
    """Whether an assertion by this key authenticates the client."""
    shown = peer.assertion(key=key or peer.key, headers={"kid": kid})
    return peer.push(client_assertion=shown).status_code == 201


@pytest.fixture
def peer(world: World, host: Host) -> Peer:
    made = peer_at(world, f"{host.origin}/keys")
    host.serve("/keys", {"keys": [public(made.key)]})
    return made


def test_a_client_authenticates_with_keys_that_it_serves(both_worlds: World, host: Host) -> None:
    peer = peer_at(both_worlds, f"{host.origin}/keys")
    host.serve("/keys", {"keys": [public(peer.key)]})
    assert works(peer)


def test_keys_are_fetched_once_for_many_calls(peer: Peer, host: Host) -> None:
    assert all(works(peer) for _ in range(3))
    assert host.asked == ["/keys"]


def test_an_assertion_is_still_used_once_when_keys_were_fetched_for_it(peer: Peer) -> None:
    shown = peer.assertion(headers={"kid": "one"})
    assert [peer.push(client_assertion=shown).status_code for _ in range(2)] == [201, 401]


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ({}, USUAL.total_seconds()),
        ({"Cache_Control": "max-age=120"}, 120),
        ({"Cache_Control": "public, max-age=120, immutable"}, 120),
        ({"Cache_Control": "max-age=0"}, 60),
        ({"Cache_Control": "no-store"}, 60),
        ({"Cache_Control": "no-cache, max-age=600"}, 60),
        ({"Cache_Control": "max-age=999999999"}, 3600),
        ({"Cache_Control": "max-age=never"}, USUAL.total_seconds()),
    ],
)
def test_max_age_counts_within_bounds(
    world: World, peer: Peer, host: Host, control: dict[str, str], seconds: float
) -> None:
    host.serve("/keys", {"keys": [public(peer.key)]}, **control)
    assert works(peer)
    world.clock.advance(seconds=seconds - 1)
    assert works(peer)
    assert len(host.asked) == 1
    world.clock.advance(seconds=1)
    assert works(peer)
    assert len(host.asked) == 2


def test_a_new_key_is_found_by_its_id_at_once(world: World, peer: Peer, host: Host) -> None:
    new = ec.generate_private_key(ec.SECP256R1())
    assert works(peer)
    world.clock.advance(minutes=1)
    host.serve("/keys", {"keys": [public(peer.key), public(new, "two")]})
    assert works(peer, "two", new)
    assert works(peer)
    assert len(host.asked) == 2


def test_an_unknown_key_id_causes_one_look_a_minute_at_most(world: World, peer: Peer, host: Host) -> None:
    assert works(peer)
    for _ in range(5):
        assert not works(peer, "made-up")
    assert len(host.asked) == 1
    world.clock.advance(minutes=1)
    for name in ("another", "and another"):
        assert not works(peer, name)
    assert len(host.asked) == 2
    assert works(peer)


def test_a_key_that_is_taken_away_is_dead_when_the_cache_is_old(world: World, peer: Peer, host: Host) -> None:
    assert works(peer)
    host.serve("/keys", {"keys": [public(ec.generate_private_key(ec.SECP256R1()))]})
    world.clock.advance(seconds=USUAL.total_seconds())
    assert not works(peer)


def test_an_outage_of_the_clients_server_is_lived_through_for_an_hour(
    world: World, peer: Peer, host: Host
) -> None:
    assert works(peer)
    host.serve("/keys", {}, status=500)
    world.clock.advance(seconds=(USUAL + OUTAGE).total_seconds() - 1)
    assert works(peer)
    assert len(host.asked) == 2
    world.clock.advance(seconds=1)
    assert not works(peer)
    host.serve("/keys", {"keys": [public(peer.key)]})
    world.clock.advance(minutes=1)
    assert works(peer)


def test_a_server_that_serves_nothing_is_asked_once_a_minute(world: World, host: Host) -> None:
    peer = peer_at(world, f"{host.origin}/none")
    assert not any(works(peer) for _ in range(3))
    assert host.asked == ["/none"]
    world.clock.advance(minutes=1)
    assert not works(peer)
    assert host.asked == ["/none", "/none"]


def test_no_more_is_known_of_a_client_whose_keys_are_out_of_reach(world: World, host: Host) -> None:
    peer = peer_at(world, f"{host.origin}/none")
    unknown = Peer(world, "nobody", peer.key)
    assert peer.push().json == unknown.push().json


@pytest.mark.parametrize(
    "document",
    [
        b"no JSON",
        [],
        {"keys": []},
        {"keys": "x"},
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        {"keys": [7, None]},
        b"[" * 60_000,
        b" " * 70_000,
    ],
)
def test_what_is_no_set_of_public_keys_is_not_taken(world: World, host: Host, document: Any) -> None:
    uri = host.serve("/keys", document)
    with pytest.raises(ServiceError, match="invalid_client_metadata"):
        remote_keys.served(Outgoing(sandbox=True), uri)


def test_keys_that_can_not_be_used_are_passed_over(peer: Peer, host: Host) -> None:
    """RFC 7517 section 5."""
    others = [{"kty": "oct", "k": "AAAA"}, {"kty": "new", "kid": "x"}, "text"]
    host.serve("/keys", {"keys": [*others, public(peer.key)]})
    assert works(peer)


def test_no_more_than_twenty_keys_are_taken(host: Host) -> None:
    many = [public(ec.generate_private_key(ec.SECP256R1()), str(number)) for number in range(25)]
    taken, _ = remote_keys.served(Outgoing(sandbox=True), host.serve("/keys", {"keys": many}))
    assert len(taken["keys"]) == 20


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1/keys",
        "https://10.0.0.1/keys",
        "https://[::1]/keys",
        "https://169.254.169.254/keys",
        "http://localhost:1/keys",
    ],
)
def test_private_addresses_are_never_asked_outside_the_sandbox(uri: str) -> None:
    with pytest.raises(ServiceError, match="invalid_client_metadata"):
        remote_keys.served(Outgoing(sandbox=False), uri)


def test_a_redirect_is_not_followed(peer: Peer, host: Host) -> None:
    other = host.serve("/elsewhere", {"keys": [public(peer.key)]})
    host.serve("/keys", b"", status=302, Location=other)
    assert not works(peer)
    assert host.asked == ["/keys"]


def test_others_write_while_a_slow_server_is_waited_for(world: World) -> None:
    """SQLite has one writer: a client's server must not hold it."""
    held, asked_for = threading.Event(), threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_for.set()
            held.wait(10)
            self.send_error(500)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    peer = peer_at(world, f"http://localhost:{server.server_port}/keys")
    waiting = threading.Thread(target=lambda: works(peer))
    waiting.start()
    try:
        assert asked_for.wait(10)
        assert world.bank.push().status_code == 201
        assert waiting.is_alive()
    finally:
        held.set()
        waiting.join()
        server.shutdown()
        server.server_close()


def test_a_signed_request_is_checked_with_served_keys(world: World, peer: Peer, host: Host) -> None:
    new = ec.generate_private_key(ec.SECP256R1())
    assert works(peer)
    host.serve("/keys", {"keys": [public(peer.key), public(new, "two")]})
    world.clock.advance(minutes=1)
    request = jwt.encode(claims(peer), new, "ES256", headers={"typ": "oauth-authz-req+jwt", "kid": "two"})
    shown = peer.assertion(headers={"kid": "one"})
    answer = peer.post("/oauth/par", {"request": request}, assertion=shown)
    assert answer.status_code == 201, answer.text
    assert len(host.asked) == 2


def test_a_self_signed_certificate_is_found_among_served_keys(world: World, host: Host) -> None:
    """RFC 8705 section 2.2.2."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank")])
    now = world.clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    uri = host.serve("/keys", {"keys": [{**public(key), "x5c": [der]}]})
    method = AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH
    registration = Registration(
        ClientRole.PARTY, "Bank", BANK, {}, [REDIRECT], auth_method=method, metadata={"jwks_uri": uri}
    )
    with world.app.app_context(), writing() as session:
        client = parties.register(session, registration, now)
    with world.app.app_context():
        with pytest.raises(KeysWanted):
            remote_keys.with_keys(reading(), client, now)
        remote_keys.fetch(writing, Outgoing(sandbox=True), uri, now)
        found = remote_keys.with_keys(reading(), client, now)
    assert found.jwks["keys"][0]["x5c"] == [der]


def test_who_comes_second_does_not_ask_again(world: World, peer: Peer, host: Host) -> None:
    uri = f"{host.origin}/keys"
    with world.app.app_context():
        for _ in range(3):
            remote_keys.fetch(writing, Outgoing(sandbox=True), uri, world.clock.now())
    assert host.asked == ["/keys"]


def test_registering_looks_whether_the_keys_are_there(world: World, host: Host) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    uri = host.serve("/keys", {"keys": [public(key)]})
    token = invited(world, 3)
    told = register(world, token, asked(jwks=None, jwks_uri=uri)).json
    assert told["jwks_uri"] == uri
    assert "jwks" not in told
    peer = Peer(world, told["client_id"], key)
    assert works(peer)
    assert host.asked == ["/keys"]
    for wrong in (f"{host.origin}/none", "https://169.254.169.254/keys", "https://keys.invalid/"):
        answer = register(world, token, asked(jwks=None, jwks_uri=wrong))
        refused(answer, "invalid_client_metadata", "jwks_uri")


def test_a_change_looks_at_a_new_address_only(world: World, host: Host) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    uri = host.serve("/keys", {"keys": [public(key)]})
    told = register(world, invited(world), asked(jwks=None, jwks_uri=uri)).json
    assert call(world, "PUT", told, json=sent(told, client_name="Same keys")).status_code == 200
    assert host.asked == ["/keys"]
    other = host.serve("/others", {"keys": [public(key)]})
    assert call(world, "PUT", told, json=sent(told, jwks_uri=other)).json["jwks_uri"] == other
    assert host.asked == ["/keys", "/others"]


def test_keys_count_no_longer_than_said() -> None:
    assert dt.timedelta(hours=2) >= LONGEST + OUTAGE


def test_a_key_id_that_is_no_text_is_none_that_is_looked_for(peer: Peer, host: Host) -> None:
    assert works(peer)
    header = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": ["one"]}).encode()).rstrip(b"=")
    _, payload, signature = peer.assertion().split(".")
    answer = peer.push(client_assertion=f"{header.decode()}.{payload}.{signature}")
    assert answer.status_code == 401
    assert len(host.asked) == 1
