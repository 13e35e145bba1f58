"""``ledger verify``: it holds when nothing was touched, and names the entry when anything was."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from consent_service.cli import main
from consent_service.clock import SystemClock
from consent_service.commands import database
from consent_service.db import WRITE
from consent_service.ledger import store
from consent_service.ledger.model import Kind
from consent_service.ledger.verify import verify


def fill(url: str, entries: int = 6) -> None:
    for number in range(entries):
        with database.transaction(url) as session:
            payload = {"number": number, "text": "ærlig"}
            owner = "0192:310028142" if number % 2 else ""
            store.append(session, Kind.DECISION_PERMIT, payload, now=SystemClock().now(), owner=owner)
            session.commit()


def file_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


def run(url: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["ledger", "verify", "--database", url])
    return done.exit_code, done.output


def test_an_untouched_ledger_holds(database_url: str) -> None:
    fill(database_url)
    code, output = run(database_url)
    assert code == 0
    assert "6 entries" in output


def test_an_empty_ledger_holds(sqlite_url: str) -> None:
    assert run(file_of(sqlite_url))[0] == 0


def test_there_must_be_a_ledger(tmp_path: Path) -> None:
    assert run(str(tmp_path / "nothing.db"))[0] == 2
    (tmp_path / "text.db").write_text("this is not a database at all, it is a text of some length")
    assert run(str(tmp_path / "text.db"))[0] == 2


COLUMNS = [
    ("ledger_entry", "body"),
    ("ledger_entry", "leaf_hash"),
    ("ledger_entry", "chain_hash"),
    ("ledger_payload", "salt"),
    ("ledger_payload", "body"),
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_changed_byte_is_found_and_its_entry_named(
    sqlite_url: str, table: str, column: str, place: str
) -> None:
    fill(sqlite_url)
    with sqlite3.connect(file_of(sqlite_url)) as connection:
        entry, value = connection.execute(
            f'SELECT entry_id, {column} FROM {table} WHERE "index" = 3'
        ).fetchone()
        at = {"first": 0, "middle": len(value) // 2, "last": len(value) - 1}[place]
        changed = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE entry_id = ?", (changed, entry))
    connection.close()
    code, output = run(sqlite_url)
    assert code == 1
    assert entry in output


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_payload SET owner = '0007:5599980108' WHERE \"index\" = 3",
        "UPDATE ledger_payload SET grant_id = 'other' WHERE \"index\" = 3",
        "UPDATE ledger_payload SET kind = 'decision.deny' WHERE \"index\" = 3",
        "UPDATE ledger_payload SET time = '2020-01-01 00:00:00.000000' WHERE \"index\" = 3",
        'DELETE FROM ledger_payload WHERE "index" = 3',
        'DELETE FROM ledger_entry WHERE "index" = 3',
        'DELETE FROM ledger_entry WHERE "index" = 5',
        'UPDATE ledger_entry SET "index" = 9 WHERE "index" = 5',
        "UPDATE ledger_head SET size = 5",
        "UPDATE ledger_head SET chain_hash = zeroblob(32)",
        "DELETE FROM ledger_head",
    ],
)
def test_whatever_else_is_changed_is_found(sqlite_url: str, statement: str) -> None:
    fill(sqlite_url)
    with sqlite3.connect(file_of(sqlite_url)) as connection:
        connection.execute(statement)
    connection.close()
    assert run(sqlite_url)[0] == 1


def test_two_entries_that_changed_places_are_found(sqlite_url: str) -> None:
    fill(sqlite_url)
    with sqlite3.connect(file_of(sqlite_url)) as connection:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            connection.execute('UPDATE ledger_entry SET "index" = ? WHERE "index" = ?', (new, old))
    connection.close()
    assert run(sqlite_url)[0] == 1


def test_many_writers_make_one_chain_without_gaps(database_url: str) -> None:
    engine = create_engine(database_url, execution_options={WRITE: True}, pool_size=8)

    def write() -> None:
        for _ in range(10):
            with Session(engine) as session:
                store.append(session, Kind.DECISION_DENY, {}, now=SystemClock().now())
                session.commit()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Session(engine) as session:
        found = verify(session)
    engine.dispose()
    assert found, found.problem
    assert found.size == 60


def test_what_was_rolled_back_leaves_nothing(database_url: str) -> None:
    fill(database_url, 2)
    with database.transaction(database_url) as session:
        store.append(session, Kind.DECISION_DENY, {}, now=SystemClock().now())
        session.rollback()
        assert session.scalar(text("SELECT size FROM ledger_head")) == 2
    assert run(database_url)[0] == 0
