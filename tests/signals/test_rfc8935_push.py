"""RFC 8935: push-based delivery of security event tokens."""

from __future__ import annotations

import pytest

from tests.outgoing.conftest import Peer as Server
from tests.outgoing.conftest import answer
from tests.signals.conftest import VERIFICATION, Receiver, deliver


def test_a_set_is_posted_alone_as_secevent_jwt_and_json_is_accepted(
    both_receivers: Receiver, server: Server
) -> None:
    both_receivers.push_to(server)
    both_receivers.verify(state="s")
    assert deliver(both_receivers.world) == 1
    [seen] = server.seen
    assert (seen.method, seen.path) == ("POST", "/events")
    assert seen.headers["Content-Type"] == "application/secevent+jwt"
    assert seen.headers["Accept"] == "application/json"
    assert both_receivers.claims(seen.body.decode())["events"] == {VERIFICATION: {"state": "s"}}


def test_the_authorization_header_goes_along_as_it_was_given(receiver: Receiver, server: Server) -> None:
    receiver.push_to(server, authorization_header="Bearer push_token_1")
    receiver.verify()
    deliver(receiver.world)
    assert server.seen[0].headers["Authorization"] == "Bearer push_token_1"


def test_without_one_there_is_none(receiver: Receiver, server: Server) -> None:
    receiver.push_to(server)
    receiver.verify()
    deliver(receiver.world)
    assert "Authorization" not in server.seen[0].headers


def test_a_set_that_was_taken_is_not_sent_again(both_receivers: Receiver, server: Server) -> None:
    both_receivers.push_to(server)
    both_receivers.verify()
    assert (deliver(both_receivers.world), deliver(both_receivers.world)) == (1, 0)
    both_receivers.world.clock.advance(hours=5)
    assert deliver(both_receivers.world) == 0
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_a_set_that_could_not_be_taken_is_sent_again_the_same(
    receiver: Receiver, server: Server, status: int
) -> None:
    server.behave = lambda handler: answer(handler, status)
    receiver.push_to(server)
    receiver.verify()
    deliver(receiver.world)
    server.behave = lambda handler: answer(handler, 202)
    receiver.world.clock.advance(minutes=1)
    assert deliver(receiver.world) == 1
    first, second = server.seen
    assert first.body == second.body


def test_a_set_that_is_refused_with_400_is_not_sent_again(receiver: Receiver, server: Server) -> None:
    server.behave = lambda handler: answer(handler, 400, b'{"err": "invalid_key", "description": "x"}')
    receiver.push_to(server)
    receiver.verify()
    deliver(receiver.world)
    receiver.world.clock.advance(hours=1)
    assert deliver(receiver.world) == 0


def test_a_push_stream_is_not_polled(receiver: Receiver, server: Server) -> None:
    stream_id = receiver.push_to(server)["stream_id"]
    assert receiver.call("POST", f"/ssf/poll/{stream_id}", json={}).status_code == 404


def test_another_address_gets_what_the_first_did_not_take(both_receivers: Receiver, server: Server) -> None:
    from tests.outgoing.conftest import closed_port

    dead = f"http://127.0.0.1:{closed_port()}/"
    stream = both_receivers.create(delivery={"method": "urn:ietf:rfc:8935", "endpoint_url": dead})
    both_receivers.verify()
    deliver(both_receivers.world)
    moved = {"method": "urn:ietf:rfc:8935", "endpoint_url": server.url}
    both_receivers.call("PATCH", "/ssf/stream", json={"stream_id": stream["stream_id"], "delivery": moved})
    assert deliver(both_receivers.world) == 1
    assert len(server.seen) == 1
