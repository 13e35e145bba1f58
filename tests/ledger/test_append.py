"""Appending and sequencing: durable first, one order, no gaps, one sequencer, on both databases."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock
from consent_service.db import group, lock, writing_to
from consent_service.ledger import append, store
from consent_service.ledger.checkpoint import unverified
from consent_service.ledger.model import Kind
from consent_service.ledger.store import EntryRow, LedgerHalted, PendingRow
from consent_service.pen import Pen
from tests.ledger.conftest import OWNER, Ledger


def test_an_entry_is_durable_before_it_has_its_place(both_ledgers: Ledger) -> None:
    entry_id = both_ledgers.append(number=1)
    with Session(both_ledgers.engine) as session:
        assert store.entry(session, entry_id) is not None
        assert store.entry(session, entry_id)[1] is None
    assert both_ledgers.sequencer.step() == 1
    with Session(both_ledgers.engine) as session:
        assert store.entry(session, entry_id)[1] == 1


def test_many_writers_make_one_tree_without_gaps(both_ledgers: Ledger) -> None:
    made: list[str] = []
    stop = threading.Event()

    def sequence() -> None:
        while not stop.is_set():
            both_ledgers.sequencer.step()

    writers = [
        threading.Thread(target=lambda: made.extend(both_ledgers.append(number=one) for one in range(20)))
        for _ in range(8)
    ]
    rival = Ledger.at(
        both_ledgers.engine.url.render_as_string(hide_password=False), both_ledgers.home
    )  # another node's sequencer, on the same log
    sequencers = [threading.Thread(target=sequence), threading.Thread(target=lambda: rival_run(rival, stop))]
    for thread in [*sequencers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in sequencers:
        thread.join()
    while both_ledgers.sequencer.step():
        pass
    found = both_ledgers.verify()
    assert found, found.problem
    with Session(both_ledgers.engine) as session:
        placed = list(session.scalars(select(EntryRow.entry_id).order_by(EntryRow.index)))
    assert sorted(placed[1:]) == sorted(made)
    rival.engine.dispose()


def rival_run(rival: Ledger, stop: threading.Event) -> None:
    while not stop.is_set():
        rival.sequencer.step()


def test_one_thread_s_entries_stand_in_its_order(both_ledgers: Ledger) -> None:
    made = [both_ledgers.append(number=one) for one in range(30)]
    both_ledgers.sequencer.step()
    with Session(both_ledgers.engine) as session:
        assert list(session.scalars(select(EntryRow.entry_id).order_by(EntryRow.index)))[1:] == made


def test_callers_that_wait_at_once_share_a_transaction(ledger: Ledger) -> None:
    sizes: list[int] = []
    barrier = threading.Barrier(12)

    def write() -> None:
        barrier.wait()
        for one in range(10):
            ledger.append(number=one)

    def count(session: Session) -> None:
        sizes.append(1)

    from sqlalchemy import event

    event.listen(ledger.engine, "commit", count)
    threads = [threading.Thread(target=write) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    event.remove(ledger.engine, "commit", count)
    assert len(sizes) < 120  # so some of the 120 appends came in together
    ledger.sequencer.step()
    assert ledger.size == 121


def test_one_caller_s_failure_is_its_own(both_ledgers: Ledger) -> None:
    results: dict[int, str] = {}
    barrier = threading.Barrier(6)

    def work(session: Session, number: int) -> str:
        entry = append.append(
            session, Kind.DECISION_DENY, {"n": number}, now=SystemClock().now(), owner=OWNER
        )
        if number % 2:
            raise ValueError(f"no {number}")
        return entry.entry_id

    def call(number: int) -> None:
        barrier.wait()
        try:
            results[number] = group(both_ledgers.engine).run(lambda session: work(session, number))
        except ValueError as error:
            results[number] = str(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[number] for number in (1, 3, 5)] == ["no 1", "no 3", "no 5"]
    both_ledgers.sequencer.step()
    with Session(both_ledgers.engine) as session:
        placed = set(session.scalars(select(EntryRow.entry_id)))
    assert len(placed) == 4
    assert {results[number] for number in (0, 2, 4)} < placed


def test_what_was_rolled_back_leaves_nothing(both_ledgers: Ledger) -> None:
    with Session(both_ledgers.engine) as session:
        append.append(session, Kind.DECISION_DENY, {}, now=SystemClock().now())
        session.rollback()
        append.append(session, Kind.DECISION_DENY, {}, now=SystemClock().now())
    with Session(both_ledgers.engine) as session:
        session.execute(text("SELECT 1"))
        session.commit()  # a session that went on would have written what never happened
        assert session.scalar(select(func.count()).select_from(PendingRow)) == 0


def test_a_transaction_that_fails_fails_for_all_of_it(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE ledger_pending RENAME TO gone"))
    with pytest.raises(SQLAlchemyError):
        ledger.append(number=1)
    with ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO ledger_pending"))
    ledger.append(number=2)
    ledger.sequencer.step()
    assert ledger.size == 2
    assert ledger.verify()


def test_every_new_size_is_signed_and_published(both_ledgers: Ledger) -> None:
    for size in range(2, 6):
        both_ledgers.append(number=size)
        both_ledgers.sequencer.step()
        assert unverified(both_ledgers.published).size == size
    assert both_ledgers.sequencer.step() == 0


def test_the_tree_grows_over_several_steps_when_much_waits(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_service.ledger.sequencer.MOST_AT_ONCE", 100)
    with writing_to(ledger.engine) as session:
        for number in range(750):
            append.append(session, Kind.DECISION_DENY, {"n": number}, now=SystemClock().now())
    assert [ledger.sequencer.step() for _ in range(9)] == [100] * 7 + [50, 0]
    assert ledger.verify()


class Jumping:
    """A clock that goes back an hour after each look."""

    def __init__(self) -> None:
        self.at = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        self.at -= dt.timedelta(hours=1)
        return self.at


def test_a_clock_that_jumps_back_changes_no_order(database_url: str, tmp_path: Path) -> None:
    ledger = Ledger.at(database_url, tmp_path / "home", clock=Jumping()).begin()
    made = [ledger.append(number=one) for one in range(5)]
    ledger.sequencer.step()
    with Session(ledger.engine) as session:
        assert list(session.scalars(select(EntryRow.entry_id).order_by(EntryRow.index)))[1:] == made
    assert ledger.verify()
    ledger.engine.dispose()


def test_a_commit_is_on_disk_whatever_the_server_is_set_to(both_ledgers: Ledger) -> None:
    with both_ledgers.engine.connect() as connection:
        if both_ledgers.engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        else:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            name = both_ledgers.engine.url.database
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
            connection.commit()
    both_ledgers.engine.dispose()
    with both_ledgers.engine.connect() as connection:
        if both_ledgers.engine.dialect.name == "postgresql":
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_name_is_held_by_one_or_shared_by_many(both_ledgers: Ledger) -> None:
    if both_ledgers.engine.dialect.name == "sqlite":
        return  # one writer holds the whole database
    with Session(both_ledgers.engine) as one, Session(both_ledgers.engine) as other:
        lock(one, "a", "b", shared=["r"])
        other.execute(text("SET lock_timeout = '100ms'"))
        lock(other, "c", shared=["r"])
        with pytest.raises(OperationalError):
            lock(other, "x", "b")
        other.rollback()
        other.execute(text("SET lock_timeout = '100ms'"))
        with pytest.raises(OperationalError):
            lock(other, "r")
        other.rollback()
        one.rollback()
        lock(other, "a", "b", "r")


def test_a_halted_log_takes_nothing(both_ledgers: Ledger) -> None:
    with both_ledgers.engine.begin() as connection:
        connection.execute(text("UPDATE ledger_head SET halted = 'log.example/ledger: because'"))
    with pytest.raises(LedgerHalted):
        both_ledgers.append(number=1)
    assert both_ledgers.sequencer.step() == 0


@pytest.mark.parametrize("one_writer", [True, False])
def test_a_thread_that_writes_already_is_refused_a_second_transaction_and_does_not_wait_for_itself(
    tmp_path: Path, one_writer: bool
) -> None:
    pen = Pen(tmp_path / "ledger.pen" if one_writer else None)
    with pen.held():
        with pytest.raises(RuntimeError, match="already"), pen.held():
            pass
        assert pen.turn.locked() is one_writer, "the first one goes on"
    with pen.held():
        assert pen.turn.locked() is one_writer
