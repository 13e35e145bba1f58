"""Addresses that others name: asked only where they may lead, and never for long."""

from __future__ import annotations

import time

import pytest

from consent_service.addresses import NotAllowed, problem
from consent_service.outgoing import Outgoing, Unanswered
from tests.outgoing.conftest import (
    NAME,
    Authority,
    Peer,
    answer,
    closed_port,
    drip_body,
    drip_header,
    huge,
    loopback,
    serve,
)


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/",
        "http://127.0.0.1/",
        "ftp://receiver.example/",
        "//receiver.example/",
        "https://",
        "https:///path",
        "https://user:pass@receiver.example/",
        "https://user@receiver.example/",
        "https://receiver.example/#fragment",
        "https://receiver.example:0/",
        "https://receiver.example:99999/",
        "https://receiver.example/ space",
        "https://receiver.example/\r\nX: y",
        "https://receiver.example/\x00",
        "https://rëceiver.example/",
        "https://receiver.example/" + "x" * 2000,
        "https://[::1/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://172.16.5.4/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://[ff02::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "",
    ],
)
def test_an_address_that_is_not_a_public_https_url_is_refused(url: str) -> None:
    assert problem(url, sandbox=False)
    with pytest.raises(NotAllowed):
        Outgoing().get(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example/",
        "https://receiver.example:8443/a?b=c",
        "https://8.8.8.8/",
        "https://[2001:4860:4860::8888]/",
        "https://[64:ff9b::808:808]/",
    ],
)
def test_a_public_https_url_may_be_named(url: str) -> None:
    assert problem(url, sandbox=False) is None


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"],
)
def test_a_name_that_leads_to_a_private_address_is_not_asked(authority: Authority, address: str) -> None:
    out = Outgoing(resolve=lambda _host, _port: [address], tls=authority.trusting())
    with pytest.raises(NotAllowed):
        out.get(f"https://{NAME}/")


def test_one_private_address_among_public_ones_is_enough_to_refuse(authority: Authority) -> None:
    out = Outgoing(resolve=lambda _host, _port: ["8.8.8.8", "127.0.0.1"], tls=authority.trusting())
    with pytest.raises(NotAllowed):
        out.get(f"https://{NAME}/")


def test_nothing_is_sent_to_a_private_address_outside_the_sandbox(authority: Authority) -> None:
    peer, server = serve(authority.server(NAME))
    out = Outgoing(resolve=loopback, tls=authority.trusting())
    with pytest.raises(NotAllowed):
        out.post(f"https://{NAME}:{peer.port}/", b"secret", "text/plain")
    server.shutdown()
    server.server_close()
    assert peer.seen == []


def test_link_local_addresses_are_asked_not_even_in_the_sandbox() -> None:
    for url in ("https://169.254.169.254/", "https://[fe80::1]/", "https://224.0.0.1/"):
        assert problem(url, sandbox=True)


def test_plain_http_is_for_this_machine_in_the_sandbox_only(peer: Peer) -> None:
    assert Outgoing(sandbox=True).get(peer.url) == b"{}"
    assert problem(peer.url, sandbox=False) == "must be https"
    assert problem("http://receiver.example/", sandbox=True)
    named = Outgoing(sandbox=True, resolve=lambda _host, _port: ["10.0.0.1"])
    with pytest.raises(NotAllowed):
        named.get(f"http://localhost:{peer.port}/")


def test_the_name_is_resolved_once_and_what_was_looked_at_is_connected_to(authority: Authority) -> None:
    """DNS rebinding: the second answer would be another address, and nobody asks for it."""
    peer, server = serve(authority.server(NAME))
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    out = Outgoing(sandbox=True, resolve=resolve, tls=authority.trusting())
    assert out.get(f"https://{NAME}:{peer.port}/keys") == b"{}"
    server.shutdown()
    server.server_close()
    assert asked == [NAME]
    assert [(one.path, one.headers["Host"]) for one in peer.seen] == [("/keys", f"{NAME}:{peer.port}")]


def test_the_certificate_is_held_against_the_name_and_not_the_address(authority: Authority) -> None:
    peer, server = serve(authority.server("other.example"))
    out = Outgoing(sandbox=True, resolve=loopback, tls=authority.trusting())
    with pytest.raises(Unanswered):
        out.get(f"https://{NAME}:{peer.port}/")
    assert out.get(f"https://other.example:{peer.port}/") == b"{}"
    untrusting = Outgoing(sandbox=True, resolve=loopback)
    with pytest.raises(Unanswered):
        untrusting.get(f"https://other.example:{peer.port}/")
    server.shutdown()
    server.server_close()


def test_another_address_of_the_name_is_tried_when_the_first_does_not_answer(peer: Peer) -> None:
    out = Outgoing(sandbox=True, resolve=lambda _host, _port: ["127.0.0.9", "127.0.0.1"])
    assert out.get(f"http://localhost:{peer.port}/") == b"{}"


def test_a_redirect_is_not_followed(peer: Peer) -> None:
    peer.behave = lambda handler: answer(handler, 302, Location="http://127.0.0.1:1/")
    with pytest.raises(Unanswered, match="302"):
        Outgoing(sandbox=True).get(peer.url)
    assert Outgoing(sandbox=True).post(peer.url, b"{}", "application/json").status == 302
    assert len(peer.seen) == 2


@pytest.mark.parametrize("behaviour", [drip_body, drip_header, lambda _handler: time.sleep(5)])
def test_a_peer_that_drips_or_sleeps_is_left_at_the_time_limit(peer: Peer, behaviour: object) -> None:
    peer.behave = behaviour  # type: ignore[assignment]
    begun = time.monotonic()
    with pytest.raises(Unanswered):
        Outgoing(sandbox=True).get(peer.url, seconds=0.5)
    assert time.monotonic() - begun < 2


def test_a_resolver_that_hangs_is_left_at_the_time_limit() -> None:
    def slow(_host: str, _port: int) -> list[str]:
        time.sleep(1.5)
        return ["8.8.8.8"]

    begun = time.monotonic()
    with pytest.raises(Unanswered):
        Outgoing(resolve=slow).get(f"https://{NAME}/", seconds=0.3)
    assert time.monotonic() - begun < 1


def test_an_answer_that_is_too_long_is_not_read(peer: Peer) -> None:
    peer.behave = huge
    begun = time.monotonic()
    with pytest.raises(Unanswered, match="too long"):
        Outgoing(sandbox=True).get(peer.url, most=10_000)
    assert time.monotonic() - begun < 2
    peer.behave = lambda handler: answer(handler, 200, b"x" * 10_000)
    assert len(Outgoing(sandbox=True).get(peer.url, most=10_000)) == 10_000


def test_names_that_don_t_resolve_and_doors_that_are_shut_are_unanswered() -> None:
    for resolved in ([], ["nonsense"]):
        with pytest.raises(Unanswered, match="resolved"):
            Outgoing(resolve=lambda _host, _port, found=resolved: found).get(f"https://{NAME}/")
    with pytest.raises(Unanswered):
        Outgoing(sandbox=True).get(f"http://127.0.0.1:{closed_port()}/")


def test_a_peer_that_speaks_no_http_is_unanswered(peer: Peer) -> None:
    peer.behave = lambda handler: handler.wfile.write(b"\x00\x01garbage\r\n\r\n")
    with pytest.raises(Unanswered):
        Outgoing(sandbox=True).get(peer.url)


def test_what_is_posted_arrives_as_it_was_given(peer: Peer) -> None:
    peer.behave = lambda handler: answer(handler, 202)
    sent = Outgoing(sandbox=True).post(
        peer.url, b"logout_token=x", "application/x-www-form-urlencoded", {"Authorization": "Bearer y"}
    )
    [seen] = peer.seen
    assert (sent.status, seen.method, seen.body) == (202, "POST", b"logout_token=x")
    assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert seen.headers["Authorization"] == "Bearer y"
    assert seen.headers["Content-Length"] == "14"


def test_a_proxy_in_the_environment_is_not_used(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert Outgoing(sandbox=True).get(peer.url) == b"{}"
