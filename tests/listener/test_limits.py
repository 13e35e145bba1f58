"""What a slow or greedy client can cost: time, memory, connections; each has an end."""

from __future__ import annotations

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from OpenSSL import SSL

from tests.certificates import SERVER, issue
from tests.listener.conftest import Front, Fronts, read_all

HEAD = b"POST / HTTP/1.1\r\nHost: consent.example.no\r\n"
GET = b"GET / HTTP/1.1\r\nHost: consent.example.no\r\nConnection: close\r\n\r\n"


def ends(connection: socket.socket, drip: bytes = b"", within: float = 4) -> bytes:
    """What comes until the listener hangs up, while a byte is sent now and then."""
    until, answer = time.monotonic() + within, b""
    connection.settimeout(0.1)
    while time.monotonic() < until:
        try:
            if drip:
                connection.sendall(drip)
            data = connection.recv(65536)
        except TimeoutError:
            continue
        except (ConnectionError, ssl.SSLError):
            return answer
        if not data:
            return answer
        answer += data
    raise AssertionError("the listener still holds the connection")


def test_who_never_finishes_the_handshake_is_hung_up_on(fronts: Fronts) -> None:
    front = fronts.make(handshake_seconds=0.4)
    with socket.create_connection(("127.0.0.1", front.port)) as plain:
        assert ends(plain) == b""


def test_who_sends_a_header_byte_by_byte_is_answered_408(fronts: Fronts) -> None:
    front = fronts.make(header_seconds=0.6)
    with front.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
        assert b" 408 " in ends(connection, drip=b"a")
    assert front.received == []


def test_who_sends_a_body_byte_by_byte_is_answered_408_and_holds_no_worker(fronts: Fronts) -> None:
    front = fronts.make(body_seconds=0.6)
    with front.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        assert b" 408 " in ends(connection, drip=b"a")
    assert front.received == []


def test_who_asks_nothing_is_hung_up_on(fronts: Fronts) -> None:
    front = fronts.make(idle_seconds=0.4)
    with front.connect() as connection:
        assert ends(connection) == b""


def test_who_takes_no_answer_is_hung_up_on(fronts: Fronts) -> None:
    front = fronts.make(write_seconds=0.5)
    front.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 30_000_000
    with front.connect() as connection:
        connection.sendall(GET)
        time.sleep(2)
        assert len(read_all(connection)) < 30_000_000


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"Content-Length: 5000\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1388\r\n" + b"a" * 5000 + b"\r\n0\r\n\r\n",
    ],
)
def test_a_body_over_the_limit_is_a_413(fronts: Fronts, request_: bytes) -> None:
    front = fronts.make(body_bytes=4000)
    assert front.status(request_) == 413
    assert front.received == []


def test_a_header_over_the_limit_is_refused(fronts: Fronts) -> None:
    front = fronts.make(header_bytes=4000)
    assert front.status(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 8000 + b"\r\n") == 431
    assert front.received == []


def test_bodies_together_are_bounded_and_what_is_given_back_can_be_held_again(fronts: Fronts) -> None:
    front = fronts.make(held_bytes=6000)
    body = HEAD + b"Connection: close\r\nContent-Length: 4000\r\n\r\n" + b"a" * 4000
    with front.connect() as slow:
        slow.sendall(body[:-1])
        time.sleep(0.3)
        assert front.status(body) == 503
        slow.sendall(body[-1:])
        assert b"200 OK" in read_all(slow)
    assert front.status(body) == 200


def test_connections_are_counted_in_all_and_from_one_address(fronts: Fronts) -> None:
    for limit in ("connections", "from_one_address"):
        front = fronts.make(**{limit: 2})
        inside = [front.connect(), front.connect()]
        with pytest.raises((ConnectionError, ssl.SSLError)):
            front.connect()
        inside.pop().close()
        time.sleep(0.3)
        assert front.status(GET) == 200
        inside.pop().close()


def test_many_at_one_time_are_all_answered(front: Front) -> None:
    with ThreadPoolExecutor(20) as many:
        assert set(many.map(lambda _: front.status(GET), range(60))) == {200}


def test_a_client_that_vanishes_harms_nobody(front: Front) -> None:
    for cut in (b"", b"GET", HEAD + b"Content-Length: 9\r\n\r\nabc"):
        connection = front.connect()
        connection.sendall(cut)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    assert front.status(GET) == 200


@pytest.mark.parametrize(
    ("version", "suite"),
    [
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (ssl.TLSVersion.TLSv1_3, "TLS_AES_256_GCM_SHA384"),
    ],
)
def test_fapi_2_s_suites_are_spoken(front: Front, version: ssl.TLSVersion, suite: str) -> None:
    context = front.tls()
    context.minimum_version = context.maximum_version = version
    if version is ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(suite)
    with front.connect(context) as connection:
        agreed = connection.cipher()
        assert agreed is not None
        assert agreed[0] == suite or version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "AES128-GCM-SHA256",
    ],
)
def test_no_other_suite_is_spoken_in_tls_1_2(front: Front, suite: str) -> None:
    context = front.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        front.connect(context)


def test_tls_1_1_is_not_spoken(front: Front) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_1_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    plain = socket.create_connection(("127.0.0.1", front.port))
    plain.settimeout(None)
    connection = SSL.Connection(context, plain)
    connection.set_connect_state()
    with pytest.raises(SSL.Error):
        connection.do_handshake()
    connection.close()


def test_a_renewed_certificate_is_used_by_the_next_connection_and_a_broken_one_is_not(front: Front) -> None:
    def served() -> bytes | None:
        with front.connect() as connection:
            return connection.getpeercert(binary_form=True)

    assert served() == front.server.der
    renewed = issue(usage=[SERVER])
    renewed.write(front.files[0].parent, "server")
    front.contexts.look()
    assert served() == renewed.der
    front.files[0].write_bytes(b"half a certi")
    with pytest.raises(SSL.Error):
        front.contexts.look()
    assert served() == renewed.der
