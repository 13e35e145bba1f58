"""RFC 8936: poll-based delivery of security event tokens."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from consent_service.db import db
from consent_service.registry.occurrences import Happening
from consent_service.upkeep import purge as upkeep
from tests.signals.conftest import Receiver, happen, person_of, tell
from tests.world import ISSUER


def fill(receiver: Receiver, count: int) -> None:
    """So many events that wait."""
    world = receiver.world
    world.sign_in()
    person_id = person_of(world)
    receiver.knows(person_id, "sub-1")
    if not receiver.stream:
        receiver.create()
    for _ in range(count):
        happen(world, Happening.SIGNED_OUT, person_id)
    tell(world)


def test_sets_come_by_their_jti_and_stay_until_they_are_acknowledged(both_receivers: Receiver) -> None:
    fill(both_receivers, 3)
    first = both_receivers.poll()
    assert (len(first["sets"]), first["moreAvailable"]) == (3, False)
    for jti, token in first["sets"].items():
        assert both_receivers.claims(token)["jti"] == jti
    assert set(both_receivers.poll()["sets"]) == set(first["sets"])
    one, *others = first["sets"]
    assert set(both_receivers.poll(ack=[one])["sets"]) == set(others)
    assert both_receivers.poll(ack=others) == {"sets": {}, "moreAvailable": False}


def test_max_events_bounds_an_answer_and_more_available_says_that_there_is_more(
    both_receivers: Receiver,
) -> None:
    fill(both_receivers, 3)
    answer = both_receivers.poll(maxEvents=2)
    assert (len(answer["sets"]), answer["moreAvailable"]) == (2, True)
    rest = both_receivers.poll(maxEvents=2, ack=list(answer["sets"]))
    assert (len(rest["sets"]), rest["moreAvailable"]) == (1, False)


def test_max_events_0_acknowledges_alone(both_receivers: Receiver) -> None:
    fill(both_receivers, 2)
    one, _ = both_receivers.poll()["sets"]
    assert both_receivers.poll(maxEvents=0, ack=[one]) == {"sets": {}, "moreAvailable": True}
    assert len(both_receivers.poll()["sets"]) == 1


def test_the_oldest_come_first(receiver: Receiver) -> None:
    receiver.create()
    for state in "abc":
        receiver.verify(state=state)
        receiver.world.clock.advance(seconds=30)
    states = [next(iter(one["events"].values()))["state"] for one in receiver.sets()]
    assert states == ["a", "b", "c"]


def test_a_set_that_the_receiver_could_not_take_is_not_offered_again(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(receiver, 2)
    one, other = receiver.poll()["sets"]
    errors = {one: {"err": "invalid_key", "description": "secret words"}}
    assert list(receiver.poll(setErrs=errors)["sets"]) == [other]
    said = capsys.readouterr()
    assert "invalid_key" in said.out + said.err
    assert "secret words" not in said.out + said.err


def test_an_error_code_that_looks_like_none_is_not_logged(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(receiver, 1)
    [one] = receiver.poll()["sets"]
    receiver.poll(setErrs={one: {"err": "line\nbreak"}})
    said = capsys.readouterr()
    assert "break" not in said.out + said.err


def test_what_is_not_ours_to_acknowledge_is_ignored(both_receivers: Receiver) -> None:
    fill(both_receivers, 1)
    other = Receiver(both_receivers.world, both_receivers.world.erp)
    other.create()
    [jti] = both_receivers.poll(ack=["unknown"])["sets"]
    other.poll(ack=[jti])
    assert list(both_receivers.poll()["sets"]) == [jti]


@pytest.mark.parametrize(
    "body",
    [
        {"maxEvents": -1},
        {"maxEvents": "2"},
        {"maxEvents": 1.5},
        {"returnImmediately": "yes"},
        {"ack": "x"},
        {"ack": [5]},
        {"ack": ["x"] * 2000},
        {"ack": ["\x00"]},
        {"setErrs": []},
        {"setErrs": {"x": "y"}},
        {"setErrs": {"x": {}}},
        [],
    ],
)
def test_a_poll_that_is_invalid_is_400(receiver: Receiver, body: Any) -> None:
    receiver.create()
    path = receiver.stream["delivery"]["endpoint_url"].removeprefix(ISSUER)
    assert receiver.call("POST", path, json=body).status_code == 400


def test_where_nothing_waits_a_poll_waits_a_while_and_gets_what_comes(both_receivers: Receiver) -> None:
    both_receivers.create()
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(both_receivers.poll(returnImmediately=False)))
    thread.start()
    time.sleep(0.7)
    both_receivers.verify(state="late")
    thread.join(timeout=15)
    assert len(answers[0]["sets"]) == 1


def test_a_poll_that_waits_gets_nothing_from_a_stream_that_is_paused_or_deleted_meanwhile(
    both_receivers: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent_service.signals import poll

    monkeypatch.setattr(poll, "PATIENCE", 3.0)
    stream_id = both_receivers.create()["stream_id"]
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(both_receivers.poll(returnImmediately=False)))
    thread.start()
    time.sleep(0.5)
    both_receivers.set_status("paused")
    both_receivers.verify()
    time.sleep(1)
    both_receivers.call("DELETE", f"/ssf/stream?stream_id={stream_id}")
    thread.join(timeout=15)
    assert answers == [{"sets": {}, "moreAvailable": False}]


def test_returning_at_once_or_where_too_many_wait_already_nobody_waits(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent_service.signals import poll

    receiver.create()
    begun = time.monotonic()
    receiver.poll()
    monkeypatch.setattr(poll, "_waiting", threading.BoundedSemaphore(1))
    poll._waiting.acquire()
    receiver.poll(returnImmediately=False)
    assert time.monotonic() - begun < 3


def test_a_poll_does_not_wait_for_ever(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    from consent_service.signals import poll

    monkeypatch.setattr(poll, "PATIENCE", 0.6)
    receiver.create()
    assert receiver.poll(returnImmediately=False) == {"sets": {}, "moreAvailable": False}


def test_an_answer_is_bounded_whatever_was_asked_for(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent_service.signals import poll

    monkeypatch.setattr(poll, "MOST", 3)
    fill(receiver, 5)
    answer = receiver.poll(maxEvents=1_000_000)
    assert (len(answer["sets"]), answer["moreAvailable"]) == (3, True)


def test_there_is_an_end_to_what_is_kept_and_the_oldest_goes(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent_service.signals import store

    monkeypatch.setattr(store, "MOST_KEPT", 2)
    receiver.create()
    for state in "abc":
        receiver.verify(state=state)
        receiver.world.clock.advance(seconds=30)
    states = [next(iter(one["events"].values()))["state"] for one in receiver.sets()]
    assert states == ["b", "c"]


def test_what_nobody_fetches_for_a_week_is_deleted(both_receivers: Receiver) -> None:
    world = both_receivers.world
    both_receivers.create()
    both_receivers.verify(state="old")
    world.clock.advance(days=8)
    both_receivers._token = ""
    both_receivers.verify(state="new")
    with world.app.app_context():
        upkeep.purge(db.engine, world.clock.now(), wait=lambda _seconds: False)
    states = [next(iter(one["events"].values()))["state"] for one in both_receivers.sets()]
    assert states == ["new"]
