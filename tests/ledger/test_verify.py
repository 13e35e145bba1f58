"""``ledger verify``: it holds when nothing was touched, and names what was when anything was."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_service.cli import main
from consent_service.ledger.checkpoint import open_checkpoint
from consent_service.ledger.model import Kind
from tests.ledger.conftest import Ledger


def file_of(ledger: Ledger) -> str:
    return str(ledger.engine.url.database)


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["ledger", "verify", *arguments])
    return done.exit_code, done.output


def change(ledger: Ledger, statement: str, *values: object) -> None:
    with sqlite3.connect(file_of(ledger)) as connection:
        connection.execute(statement, values)
    connection.close()


def test_an_untouched_ledger_holds(both_ledgers: Ledger) -> None:
    both_ledgers.fill(6)
    url = both_ledgers.engine.url.render_as_string(hide_password=False)
    code, output = run("--database", url)
    assert code == 0, output
    assert "7 entries" in output  # with the one that says that the key was made
    assert both_ledgers.published in output


def test_what_waits_for_its_place_is_verified_too(ledger: Ledger) -> None:
    ledger.fill(3)
    entry_id = ledger.append(number=1)
    assert ledger.verify().pending == 1
    change(ledger, "UPDATE ledger_payload SET body = '{}' WHERE entry_id = ?", entry_id)
    assert ledger.verify().bad_entry == entry_id


def test_there_must_be_a_ledger(tmp_path: Path) -> None:
    assert run("--database", str(tmp_path / "nothing.db"))[0] == 2
    (tmp_path / "text.db").write_text("this is not a database at all, it is a text of some length")
    assert run("--database", str(tmp_path / "text.db"))[0] == 2


@pytest.mark.parametrize(
    ("table", "column"), [("ledger_entry", "body"), ("ledger_payload", "salt"), ("ledger_payload", "body")]
)
def test_any_changed_byte_is_found_and_its_entry_named(ledger: Ledger, table: str, column: str) -> None:
    entry_id = ledger.fill(6)[3]
    with sqlite3.connect(file_of(ledger)) as connection:
        [value] = connection.execute(
            f"SELECT {column} FROM {table} WHERE entry_id = ?", (entry_id,)
        ).fetchone()
    connection.close()
    for place in range(len(value)):
        changed = value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        change(ledger, f"UPDATE {table} SET {column} = ? WHERE entry_id = ?", changed, entry_id)
        found = ledger.verify()
        assert not found
        assert found.bad_entry == entry_id
    change(ledger, f"UPDATE {table} SET {column} = ? WHERE entry_id = ?", value, entry_id)
    assert ledger.verify()


def test_any_changed_hash_of_a_tile_is_found_and_its_tile_named(ledger: Ledger) -> None:
    ledger.fill(300)
    for level, index, path in ((0, 0, "0/000"), (0, 1, "0/001"), (1, 0, "1/000")):
        with sqlite3.connect(file_of(ledger)) as connection:
            query = 'SELECT hashes FROM ledger_tile WHERE level = ? AND "index" = ?'
            [hashes] = connection.execute(query, (level, index)).fetchone()
        connection.close()
        update = 'UPDATE ledger_tile SET hashes = ? WHERE level = ? AND "index" = ?'
        for place in range(0, len(hashes), max(1, len(hashes) // 9)):
            changed = hashes[:place] + bytes([hashes[place] ^ 0x80]) + hashes[place + 1 :]
            change(ledger, update, changed, level, index)
            found = ledger.verify()
            assert not found
            assert f"tile {path}" in str(found.problem)
        change(ledger, update, hashes, level, index)
    assert ledger.verify()


@pytest.mark.parametrize("column", ["checkpoint", "published"])
def test_any_changed_byte_of_a_checkpoint_is_found(ledger: Ledger, column: str) -> None:
    ledger.fill(3)
    note = ledger.published
    for place in range(len(note)):
        changed = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
        change(ledger, f"UPDATE ledger_head SET {column} = ?", changed)
        found = ledger.verify()
        assert not found
        assert "checkpoint" in str(found.problem)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_payload SET owner = '0007:5599980108' WHERE entry_id = :id",
        "UPDATE ledger_payload SET grant_id = 'other' WHERE entry_id = :id",
        "UPDATE ledger_payload SET kind = 'decision.deny' WHERE entry_id = :id",
        "UPDATE ledger_payload SET time = '2020-01-01 00:00:00.000000' WHERE entry_id = :id",
        "UPDATE ledger_payload SET erased_by = 'somebody' WHERE entry_id = :id",
        "UPDATE ledger_payload SET salt = NULL, body = NULL WHERE entry_id = :id",
        "UPDATE ledger_payload SET salt = NULL, body = NULL, erased_by = 'somebody' WHERE entry_id = :id",
        "DELETE FROM ledger_payload WHERE entry_id = :id",
        "DELETE FROM ledger_entry WHERE entry_id = :id",
        'UPDATE ledger_entry SET "index" = 99 WHERE entry_id = :id',
        "UPDATE ledger_entry SET entry_id = 'other' WHERE entry_id = :id",
        'DELETE FROM ledger_entry WHERE "index" = (SELECT max("index") FROM ledger_entry)',
        "INSERT INTO ledger_pending (entry_id, body) SELECT entry_id, body FROM ledger_entry WHERE entry_id = :id",
        "INSERT INTO ledger_tile SELECT 5, 0, hashes FROM ledger_tile",
        "DELETE FROM ledger_tile",
        "UPDATE ledger_head SET size = 5",
        "UPDATE ledger_head SET root = zeroblob(32)",
        "DELETE FROM ledger_head",
    ],
)
def test_whatever_else_is_changed_is_found(ledger: Ledger, statement: str) -> None:
    entry_id = ledger.fill(6)[3]
    change(ledger, statement.replace(":id", f"'{entry_id}'"))
    code, output = run("--database", file_of(ledger))
    assert code == 1, output
    assert "does NOT hold" in output


def test_two_entries_that_changed_places_are_found(ledger: Ledger) -> None:
    ledger.fill(6)
    for old, new in ((2, 99), (3, 2), (99, 3)):
        change(ledger, 'UPDATE ledger_entry SET "index" = ? WHERE "index" = ?', new, old)
    assert not ledger.verify()


def test_a_whole_new_history_is_found_by_who_remembers_a_checkpoint(
    ledger: Ledger, sqlite_template: Path, tmp_path: Path
) -> None:
    ledger.fill(5)
    remembered = tmp_path / "remembered"
    remembered.write_text(ledger.published)
    ledger.fill(5)
    assert run("--database", file_of(ledger), "--checkpoint", str(remembered))[0] == 0
    # The operator writes the history anew, with the same key: consistent in itself, and another.
    change(
        ledger, "UPDATE ledger_head SET size = 0, root = ?, checkpoint = NULL, published = NULL", bytes(32)
    )
    for table in ("ledger_entry", "ledger_payload", "ledger_tile"):
        change(ledger, f"DELETE FROM {table}")
    ledger.sequencer.watch.path.unlink()
    ledger.fill(12)
    assert run("--database", file_of(ledger))[0] == 0
    code, output = run("--database", file_of(ledger), "--checkpoint", str(remembered))
    assert code == 1
    assert "forked" in output


def test_from_a_remembered_checkpoint_only_what_came_after_is_walked(ledger: Ledger) -> None:
    ledger.fill(300)
    remembered = open_checkpoint(ledger.published, ledger.key).checkpoint
    ledger.fill(10)
    walked: list[int] = []
    assert ledger.verify(remembered=remembered, progress=walked.append)
    assert walked == list(range(302, 312))


def test_a_cut_log_is_found(ledger: Ledger) -> None:
    ledger.fill(5)
    remembered = open_checkpoint(ledger.published, ledger.key).checkpoint
    bigger = type(remembered)(remembered.origin, remembered.size + 1, remembered.root)
    assert "the log was cut" in str(ledger.verify(remembered=bigger).problem)


def test_an_entry_of_every_kind_is_walked(ledger: Ledger) -> None:
    for kind in Kind:
        if kind is not Kind.PAYLOAD_ERASED:
            ledger.append(kind, some="thing")
    ledger.sequencer.step()
    assert ledger.verify()
