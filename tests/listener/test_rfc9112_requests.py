"""RFC 9112: one request is one request, whatever a client sends (section 11.2, request smuggling)."""

from __future__ import annotations

import socket

import pytest

from tests.listener.conftest import Front, read_all

HOST = b"Host: consent.example.no\r\n"
CLOSE = b"Connection: close\r\n"
POST = b"POST /oauth/token HTTP/1.1\r\n" + HOST


def test_requests_behind_each_other_are_answered_in_order(front: Front) -> None:
    two = b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n" + b"GET /2 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
    assert front.say(two).count(b"200 OK") == 2
    assert [request.split()[1] for request in front.received] == [b"/1", b"/2"]


def test_a_connection_is_kept_for_the_next_request(front: Front) -> None:
    with front.connect() as connection:
        for number in range(3):
            connection.sendall(b"GET /%d HTTP/1.1\r\n" % number + HOST + b"\r\n")
            assert connection.recv(65536).endswith(b"ok")
    assert len(front.received) == 3


def test_a_chunked_body_goes_on_with_one_length(front: Front) -> None:
    chunks = b"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\na=b\r\n4;x=y\r\n&c=d\r\n0\r\nX-Forwarded-For: 1\r\n\r\n"
    assert front.status(POST + CLOSE + chunks) == 200
    [request] = front.received
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == b"a=b&c=d"
    assert b"content-length: 7" in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert b"trailer" not in head.lower()


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\naaaaaa",
        POST + b"Content-Length: 5, 6\r\n\r\naaaaaa",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +5\r\n\r\naaaaa",
        POST + b"Content-Length : 5\r\n\r\naaaaa",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
        POST + b"X: a\r\n b\x00\r\n\r\n",
        POST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET evil HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\x16\x03\x01\r\n\r\n",
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused_and_the_connection_ends(
    front: Front, request_: bytes
) -> None:
    answer = front.say(request_ + b"GET /smuggled HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert answer.split()[1][:1] in {b"4", b"5"}
    assert answer.count(b"HTTP/1.1 ") == 1
    assert front.received == []


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_line_ends_are_written_anew(front: Front, ending: bytes) -> None:
    lines = [b"GET /x HTTP/1.1", HOST.strip(), b"A: 1", CLOSE.strip(), b"", b""]
    assert front.status(ending.join(lines)) == 200
    [request] = front.received
    assert b"\n" not in request.replace(b"\r\n", b"")


def test_a_folded_line_becomes_one(front: Front) -> None:
    front.say(b"GET /x HTTP/1.1\r\n" + HOST + CLOSE + b"A: 1\r\n Client-Cert: :AAAA:\r\n\r\n")
    assert all(b"\nclient-cert" not in request.lower() for request in front.received)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(front: Front) -> None:
    with front.connect() as connection:
        connection.sendall(POST + CLOSE + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(b"a=b")
        assert b"200 OK" in read_all(connection)
    assert b"expect" not in front.received[0].lower()


def test_an_upgrade_is_not_passed_on(front: Front) -> None:
    upgrade = b"Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n"
    with front.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + upgrade)
        assert b"200 OK" in connection.recv(1000)
    assert b"upgrade" not in front.received[0].lower()
    assert b"http2-settings" not in front.received[0].lower()


def test_a_large_answer_comes_whole_and_without_a_length_it_ends_with_the_last_chunk(front: Front) -> None:
    body = b"x" * 3_000_000
    front.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    answer = front.say(b"GET / HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert answer.count(b"x") == len(body)
    assert answer.endswith(b"0\r\n\r\n")


def test_an_answer_to_head_has_no_body(front: Front) -> None:
    front.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\n"
    answer = front.say(b"HEAD / HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert b"content-length: 900" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
def test_an_application_that_gives_no_answer_is_a_502(front: Front, answer: bytes) -> None:
    front.answer = answer
    assert front.status(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") == 502


def test_an_answer_that_is_cut_off_is_not_made_to_look_whole(front: Front) -> None:
    front.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\nabc"
    answer = front.say(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b"content-length: 900" in answer
    assert answer.endswith(b"abc")


def test_plain_http_on_the_tls_port_is_hung_up_on(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"HTTP" not in read_all(plain)
    assert front.received == []
