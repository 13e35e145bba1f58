"""The operator's commands for streams, and sending by hand in the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from consent_service.cli import main
from consent_service.db import db
from tests.outgoing.conftest import Peer as Server
from tests.signals.conftest import CREDENTIAL, REVOKED, UPDATED, Receiver, deliver
from tests.world import World


def run(world: World, *arguments: str, **changes: str) -> Result:
    with world.app.app_context():
        url = db.engine.url.render_as_string(hide_password=False)
    environ = {
        "CONSENT_ISSUER": "http://localhost",
        "CONSENT_SECRET_KEY": "k" * 40,
        "CONSENT_SANDBOX": "1",
        "CONSENT_DATABASE_URL": url.replace("+psycopg", ""),
    }
    return CliRunner().invoke(main, ["signal", *arguments], env=environ | changes)


def test_events_sent_by_hand_arrive_with_all_that_true_ones_have(
    both_receivers: Receiver, server: Server
) -> None:
    world = both_receivers.world
    stream_id = both_receivers.push_to(server, authorization_header="Bearer x")["stream_id"]
    done = run(world, "send", "--stream", stream_id, "--subject", "sub-9")
    assert done.exit_code == 0, done.output
    assert done.output.count("on its way") == 3
    world.clock.advance(seconds=60)
    deliver(world)
    told = [both_receivers.claims(one.body.decode()) for one in server.seen]
    events: dict[str, Any] = {name: event for one in told for name, event in one["events"].items()}
    assert len(events) == 3
    assert all(event["reason_admin"]["en"] for event in events.values())
    assert {"credential_type", "change_type"} <= set(events[CREDENTIAL])
    assert {one["sub_id"].get("sub") for one in told} == {"sub-9", None}


def test_one_event_can_be_chosen_and_what_was_not_asked_for_is_not_sent(receiver: Receiver) -> None:
    receiver.create(events_requested=[REVOKED])
    done = run(receiver.world, "send", "--event", "session-revoked", "--event", "credential-change")
    assert "session-revoked: on its way" in done.output
    assert "credential-change: not asked for" in done.output
    assert len(receiver.poll()["sets"]) == 1


def test_outside_the_sandbox_nothing_untrue_is_sent(receiver: Receiver) -> None:
    receiver.create()
    done = run(receiver.world, "send", CONSENT_SANDBOX="0")
    assert (done.exit_code, "sandbox only" in done.output) == (2, True)
    assert receiver.poll()["sets"] == {}


def test_the_operator_sees_streams_and_pauses_one_and_its_receiver_is_told(receiver: Receiver) -> None:
    stream_id = receiver.create()["stream_id"]
    receiver.verify()
    assert (
        f"{stream_id} {receiver.peer.client_id} poll enabled 1 waiting" in run(receiver.world, "list").output
    )
    assert run(receiver.world, "status", stream_id, "paused", "--reason", "maintenance").exit_code == 0
    [event] = receiver.sets()
    assert event["events"] == {UPDATED: {"status": "paused", "reason": "maintenance"}}
    shown = receiver.call("GET", f"/ssf/status?stream_id={stream_id}").json
    assert (shown["status"], shown["reason"]) == ("paused", "maintenance")


@pytest.mark.parametrize(
    "arguments", [("send", "--stream", "x"), ("status", "x", "paused", "--reason", "y"), ("send",)]
)
def test_a_stream_that_is_not_there_is_said_in_one_line(world: World, arguments: tuple[str, ...]) -> None:
    done = run(world, *arguments)
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
