"""RFC 9440 section 4: what a TLS terminating proxy must drop, and say, about the client's certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_service.web.client_cert import decode
from tests.certificates import issue
from tests.listener.conftest import SECRET, Front, Fronts

GET = b"GET /x?a=1 HTTP/1.1\r\nHost: consent.example.no\r\nConnection: close\r\n"


def fields(request: bytes) -> list[tuple[str, str]]:
    lines = request.decode().partition("\r\n\r\n")[0].split("\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def field(front: Front, name: str) -> list[str]:
    [request] = front.received
    return [value for one, value in fields(request) if one == name]


def test_a_self_signed_certificate_is_handed_on_whoever_issued_it(front: Front, tmp_path: Path) -> None:
    shown = issue()
    assert b"200 OK" in front.say(GET + b"\r\n", client=shown.write(tmp_path, "client"))
    [value] = field(front, "client-cert")
    assert decode(value) == shown.der
    assert field(front, "x-listener-secret") == [SECRET]


def test_a_client_without_a_certificate_is_served_and_no_header_is_said(front: Front) -> None:
    assert b"200 OK" in front.say(GET + b"\r\n")
    assert field(front, "client-cert") == []
    assert field(front, "x-forwarded-for") == ["127.0.0.1"]
    assert field(front, "x-forwarded-proto") == ["https"]


@pytest.mark.parametrize(
    "spoofed",
    [
        b"Client-Cert: :AAAA:",
        b"client-cert: :AAAA:",
        b"CLIENT_CERT: :AAAA:",
        b"Client_Cert: :AAAA:",
        b"Client-Cert-Chain: :AAAA:",
        b"X-Listener-Secret: " + SECRET.encode(),
        b"X_Listener_Secret: " + SECRET.encode(),
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Forwarded-Host: evil.example",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Prefix: /x",
        b"x_forwarded_host: evil.example",
        b"Forwarded: for=10.0.0.1",
        b"X-Real-IP: 10.0.0.1",
    ],
)
def test_such_a_header_from_outside_must_be_dropped(front: Front, spoofed: bytes) -> None:
    assert b"200 OK" in front.say(GET + spoofed + b"\r\n\r\n")
    [request] = front.received
    assert b"AAAA" not in request
    assert b"evil" not in request
    assert b"10.0.0.1" not in request
    assert request.count(SECRET.encode()) == 1
    assert field(front, "x-forwarded-proto") == ["https"]


def test_connection_can_t_name_away_what_we_say(front: Front, tmp_path: Path) -> None:
    shown = issue().write(tmp_path, "client")
    named = (
        b"Connection: close, Client-Cert, X-Listener-Secret, Host, Authorization\r\nAuthorization: x\r\n\r\n"
    )
    front.say(GET.replace(b"Connection: close\r\n", b"") + named, client=shown)
    assert len(field(front, "client-cert")) == 1
    assert len(field(front, "x-listener-secret")) == 1
    assert field(front, "host") == ["consent.example.no"]
    assert field(front, "authorization") == []


def test_each_connection_speaks_of_its_own_certificate(front: Front, tmp_path: Path) -> None:
    one, two = issue(), issue()
    for each in (one, two):
        front.say(GET + b"\r\n", client=each.write(tmp_path, "client"))
    front.say(GET + b"\r\n")
    said = [dict(fields(request)).get("client-cert") for request in front.received]
    assert [value and decode(value) for value in said] == [one.der, two.der, None]


def test_no_session_is_resumed_so_a_certificate_is_shown_on_every_connection(
    front: Front, tmp_path: Path
) -> None:
    context = front.tls(issue().write(tmp_path, "client"))
    with front.connect(context) as first:
        first.sendall(GET + b"\r\n")
        first.recv(1000)
        session = first.session
    if session is not None:  # TLS 1.3 hands out nothing where the server keeps nothing
        import socket

        plain = socket.create_connection(("127.0.0.1", front.port), timeout=5)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as second:
            assert not second.session_reused


def test_behind_a_proxy_the_proxy_s_word_goes_on_and_no_certificate_is_asked_for(
    fronts: Fronts, tmp_path: Path
) -> None:
    front = fronts.make(secret="")
    own = issue().write(tmp_path, "proxy")
    said = b"Client-Cert: :AAAA:\r\nX-Forwarded-For: 10.0.0.1\r\nX-Listener-Secret: theirs\r\nClient_Cert: :BBBB:\r\n\r\n"
    assert b"200 OK" in front.say(GET + said, client=own)
    assert field(front, "client-cert") == [":AAAA:"]
    assert field(front, "x-forwarded-for") == ["10.0.0.1"]
    assert field(front, "x-listener-secret") == ["theirs"]
    assert field(front, "client_cert") == []


def test_where_clients_with_certificates_have_a_name_of_their_own_nobody_else_is_asked(
    fronts: Fronts, tmp_path: Path
) -> None:
    front, shown = fronts.make(ask="mtls.example.no"), issue()
    files = shown.write(tmp_path, "client")
    for name in ("consent.example.no", "mtls.example.no", "MTLS.example.no", "x.mtls.example.no"):
        assert b"200 OK" in front.say(GET + b"\r\n", client=files, name=name)
    said = ["client-cert" in dict(fields(request)) for request in front.received]
    assert said == [False, True, True, False]
