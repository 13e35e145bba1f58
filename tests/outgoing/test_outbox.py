"""The outbox: told once the change stands, tried until it arrives, given up with a reason, nothing of it in logs."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from consent_service import outbox
from consent_service.courier import Courier
from consent_service.db import writing_to
from consent_service.outbox import AT_ONCE, CLAIM, KEPT, LONGEST, DeliveryRow, pause_after
from consent_service.outgoing import Outgoing
from consent_service.upkeep import purge as upkeep
from tests.conftest import FrozenClock
from tests.outgoing.conftest import Peer, answer, closed_port

SECRET = "k" * 40


@dataclass
class Box:
    """An outbox with a courier, on one of the databases."""

    engine: Engine
    clock: FrozenClock
    courier: Courier

    def put(self, url: str, body: bytes = b"hello", **options: Any) -> None:
        given = {"kind": "test", "content_type": "text/plain"} | options
        with writing_to(self.engine) as session:
            outbox.enqueue(session, SECRET, url=url, body=body, now=self.clock.now(), **given)

    @property
    def rows(self) -> list[DeliveryRow]:
        with Session(self.engine) as session:
            return list(session.scalars(select(DeliveryRow).order_by(DeliveryRow.id)))

    def another(self) -> Courier:
        return Courier(self.engine, SECRET, Outgoing(sandbox=True), self.clock)


@pytest.fixture
def box(database_url: str, clock: FrozenClock) -> Iterator[Box]:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    yield Box(engine, clock, Courier(engine, SECRET, Outgoing(sandbox=True), clock))
    engine.dispose()


def test_a_message_arrives_once_and_is_forgotten(box: Box, peer: Peer) -> None:
    box.put(
        peer.url, b"token", content_type="application/secevent+jwt", headers={"Authorization": "Bearer s"}
    )
    assert box.courier.step() == 1
    [seen] = peer.seen
    assert (seen.method, seen.body) == ("POST", b"token")
    assert seen.headers["Content-Type"] == "application/secevent+jwt"
    assert seen.headers["Authorization"] == "Bearer s"
    assert box.rows == []
    assert box.courier.step() == 0


def test_what_is_rolled_back_is_never_told(box: Box, peer: Peer) -> None:
    with pytest.raises(RuntimeError), writing_to(box.engine) as session:
        outbox.enqueue(
            session,
            SECRET,
            kind="test",
            url=peer.url,
            content_type="text/plain",
            body=b"x",
            now=box.clock.now(),
        )
        session.flush()
        raise RuntimeError
    assert box.courier.step() == 0
    assert peer.seen == []


def test_secret_headers_are_sealed_where_they_lie(box: Box, peer: Peer) -> None:
    box.put(peer.url, headers={"Authorization": "Bearer very-secret"})
    [row] = box.rows
    assert "very-secret" not in (row.sealed_headers or "")
    box.put(peer.url)
    assert box.rows[1].sealed_headers is None


def test_a_failure_is_tried_again_later_and_later(box: Box, peer: Peer) -> None:
    peer.behave = lambda handler: answer(handler, 503)
    box.put(peer.url)
    waits = []
    for _ in range(5):
        assert box.courier.step() == 1
        assert box.courier.step() == 0, "not before its time"
        [row] = box.rows
        assert row.next_at is not None
        waits.append((row.next_at - box.clock.now()).total_seconds())
        box.clock.advance(seconds=waits[-1])
    assert waits == [5, 10, 20, 40, 80]
    assert pause_after(100) == dt.timedelta(hours=1)
    peer.behave = lambda handler: answer(handler, 204)
    assert box.courier.step() == 1
    assert box.rows == []


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 302])
def test_what_the_other_side_may_mend_is_tried_again(box: Box, peer: Peer, status: int) -> None:
    peer.behave = lambda handler: answer(handler, status)
    box.put(peer.url)
    box.courier.step()
    [row] = box.rows
    assert (row.dead_at, row.outcome) == (None, f"it answered {status}")


@pytest.mark.parametrize("status", [400, 410])
def test_a_message_that_is_refused_is_dead_at_once_and_keeps_no_content(
    box: Box, peer: Peer, status: int
) -> None:
    peer.behave = lambda handler: answer(handler, status, b'{"err": "invalid_key"}')
    box.put(peer.url, headers={"Authorization": "Bearer s"})
    box.courier.step()
    [row] = box.rows
    assert row.dead_at == box.clock.now()
    assert (row.body, row.sealed_headers, row.next_at) == (b"", None, None)
    assert row.outcome == f"it answered {status}"
    box.clock.advance(days=2)
    assert box.courier.step() == 0


def test_nobody_is_tried_for_longer_than_a_day(box: Box) -> None:
    box.put(f"http://127.0.0.1:{closed_port()}/")
    begun = box.clock.now()
    attempts = 0
    while box.rows[0].dead_at is None:
        attempts += box.courier.step()
        next_at = box.rows[0].next_at
        if next_at is not None:
            box.clock.moment = next_at
    assert box.clock.now() - begun <= LONGEST
    assert 20 < attempts <= outbox.MOST_ATTEMPTS + 10


def test_nothing_is_sent_again_that_is_of_no_use_any_more(box: Box, peer: Peer) -> None:
    """A logout token, say, that lives two minutes (OpenID Connect Back-Channel Logout section 2.6)."""
    peer.behave = lambda handler: answer(handler, 503)
    end = box.clock.now() + dt.timedelta(minutes=2)
    box.put(peer.url, until=end)
    while (next_at := box.rows[0].next_at) is not None:
        box.clock.moment = next_at
        box.courier.step()
    assert box.clock.now() < end
    assert len(peer.seen) == 5


def test_an_address_that_may_not_be_asked_is_dead_at_once(box: Box) -> None:
    box.put("https://169.254.169.254/latest")
    box.courier.step()
    assert box.rows[0].dead_at is not None
    assert "not on the public internet" in box.rows[0].outcome


def test_two_workers_never_send_the_same_message_at_the_same_time(box: Box, peer: Peer) -> None:
    for number in range(40):
        box.put(peer.url, str(number).encode())
    peer.behave = lambda handler: (time.sleep(0.02), answer(handler, 204))[1]
    couriers = [box.another() for _ in range(4)]

    def work(courier: Courier) -> None:
        while courier.step():
            pass

    threads = [threading.Thread(target=work, args=(one,)) for one in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [one.outcome for one in box.rows] == []
    assert sorted(int(one.body) for one in peer.seen) == list(range(40))


def test_a_worker_that_dies_while_it_sends_leaves_the_message_to_the_next(box: Box, peer: Peer) -> None:
    box.put(peer.url)
    with writing_to(box.engine) as session:
        assert len(outbox.claim(session, box.clock.now())) == 1  # and then its process is gone
    assert box.courier.step() == 0
    box.clock.moment += CLAIM
    assert box.courier.step() == 1
    assert len(peer.seen) == 1


def test_a_peer_that_does_not_answer_holds_up_nobody_else(box: Box, peer: Peer) -> None:
    dead = f"http://127.0.0.1:{closed_port()}/"
    for _ in range(AT_ONCE * 3):
        box.put(dead)
    box.put(peer.url)
    assert box.courier.step() == AT_ONCE
    assert box.courier.step() == 1, "what waits for the same address waits with those that failed"
    assert len(peer.seen) == 1


def test_what_is_taken_back_is_not_sent(box: Box, peer: Peer) -> None:
    box.put(peer.url, b"one", topic="stream:1")
    box.put(peer.url, b"two", topic="stream:1")
    box.put(peer.url, b"other", topic="stream:2")
    with writing_to(box.engine) as session:
        assert outbox.withdraw(session, "stream:1") == [b"one", b"two"]
    assert box.courier.step() == 1
    assert [one.body for one in peer.seen] == [b"other"]


def test_a_body_that_is_too_large_is_refused_before_it_is_stored(box: Box, peer: Peer) -> None:
    with pytest.raises(ValueError, match="at most"):
        box.put(peer.url, b"x" * (outbox.LARGEST_BODY + 1))


def test_the_dead_are_forgotten_after_a_while_and_nothing_else_is(box: Box, peer: Peer) -> None:
    peer.behave = lambda handler: answer(handler, 400)
    box.put(peer.url)
    box.courier.step()
    box.put(peer.url, b"alive")
    for days, left in ((0, 2), (KEPT.days + 1, 1)):
        box.clock.advance(days=days)
        upkeep.purge(box.engine, box.clock.now(), wait=lambda _seconds: False)
        assert len(box.rows) == left
    assert box.rows[0].body == b"alive"


def test_what_can_t_be_opened_any_more_stops_no_other(box: Box, peer: Peer) -> None:
    with writing_to(box.engine) as session:
        outbox.enqueue(
            session,
            "another secret key of forty characters..",
            kind="test",
            url=peer.url,
            content_type="text/plain",
            body=b"x",
            now=box.clock.now(),
            headers={"Authorization": "y"},
        )
    box.put(peer.url, b"fine")
    assert box.courier.step() == 2
    assert [one.body for one in peer.seen] == [b"fine"]
    assert box.rows[0].outcome == "could not be sent: ConfigurationError"


def test_nothing_that_was_sent_or_received_is_logged(
    box: Box, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.behave = lambda handler: answer(handler, 400, b"answer-body")
    box.put(peer.url + "?query=secret-query", b"secret-body", headers={"Authorization": "secret-header"})
    box.courier.step()
    said = capsys.readouterr()
    whole = said.out + said.err
    assert "delivery given up" in whole
    for secret in ("secret-body", "secret-header", "secret-query", "answer-body"):
        assert secret not in whole


def test_the_courier_s_thread_delivers_and_goes_on_after_a_failure(box: Box, peer: Peer) -> None:
    courier = box.another()
    broken = [True]
    step = courier.step

    def sometimes() -> int:
        if broken and broken.pop():
            raise RuntimeError
        return step()

    courier.step = sometimes  # type: ignore[method-assign]
    box.put(peer.url)
    thread = courier.start()
    for _ in range(100):
        if peer.seen:
            break
        time.sleep(0.05)
    courier.stopped.set()
    thread.join(timeout=5)
    assert len(peer.seen) == 1
