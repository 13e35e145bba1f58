"""A database that was put back from an older copy: the log notices, refuses to fork, and says what to do."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock
from consent_service.ledger import store
from consent_service.ledger.checkpoint import unverified
from consent_service.ledger.note import COSIGNATURE, VerifierKey
from consent_service.ledger.sequencer import Sequencer
from consent_service.ledger.store import LedgerHalted
from consent_service.ledger.watch import Watch
from consent_service.ledger.witness import Witness, Witnesses
from tests.ledger.conftest import Ledger


def back_up(ledger: Ledger, to: Path) -> None:
    with sqlite3.connect(str(ledger.engine.url.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    shutil.copy(str(ledger.engine.url.database), to)


def put_back(ledger: Ledger, copy: Path) -> Ledger:
    path = Path(str(ledger.engine.url.database))
    ledger.engine.dispose()
    for one in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        one.unlink(missing_ok=True)
    shutil.copy(copy, path)
    return Ledger.at(f"sqlite:///{path}", ledger.home)


def halted(ledger: Ledger) -> str | None:
    with Session(ledger.engine) as session:
        return store.head(session).halted


def test_an_older_copy_is_noticed_at_the_start(ledger: Ledger, tmp_path: Path) -> None:
    ledger.fill(3)
    back_up(ledger, tmp_path / "copy")
    ledger.fill(3)
    restored = put_back(ledger, tmp_path / "copy")
    restored.sequencer.prepare()
    reason = str(halted(restored))
    assert "4 entries, and 7 were published" in reason
    assert "put back the newest copy" in reason
    assert "CONSENT_LEDGER_ORIGIN" in reason
    with pytest.raises(LedgerHalted):
        restored.append(number=1)
    assert unverified(restored.published).size == 4
    restored.engine.dispose()


def test_an_older_copy_under_a_running_service_is_noticed_before_anything_is_signed(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.fill(3)
    back_up(ledger, tmp_path / "copy")
    ledger.fill(3)
    restored = put_back(ledger, tmp_path / "copy")  # and no start in between
    restored.append(number=1)
    assert restored.sequencer.step() == 0
    assert "older copy" in str(halted(restored))
    assert restored.size == 4
    with pytest.raises(LedgerHalted):
        restored.append(number=2)
    restored.engine.dispose()


def test_another_history_of_the_same_length_is_noticed(ledger: Ledger, tmp_path: Path) -> None:
    ledger.fill(3)
    back_up(ledger, tmp_path / "copy")
    ledger.fill(3)
    kept = ledger.sequencer.watch.path.read_text()
    ledger.sequencer.watch.path.unlink()
    other = put_back(ledger, tmp_path / "copy")
    other.fill(5)
    other.sequencer.watch.path.write_text(kept)
    other.append(number=1)
    other.sequencer.step()
    assert "another history" in str(halted(other))
    other.engine.dispose()


def test_with_the_newest_copy_back_the_operator_lets_it_go_on(ledger: Ledger, tmp_path: Path) -> None:
    ledger.fill(3)
    back_up(ledger, tmp_path / "old")
    ledger.fill(3)
    back_up(ledger, tmp_path / "new")
    restored = put_back(ledger, tmp_path / "old")
    restored.sequencer.prepare()
    assert restored.sequencer.resume() is not None
    mended = put_back(restored, tmp_path / "new")
    mended.sequencer.prepare()
    assert mended.sequencer.resume() is None
    mended.fill(1)
    assert mended.size == 8
    assert mended.verify()
    mended.engine.dispose()


def test_a_new_origin_begins_a_new_log(ledger: Ledger, tmp_path: Path) -> None:
    ledger.fill(3)
    back_up(ledger, tmp_path / "copy")
    ledger.fill(3)
    restored = put_back(ledger, tmp_path / "copy")
    restored.sequencer.prepare()
    assert halted(restored)
    origin = "log.example/ledger-2"
    watch = Watch(restored.home, origin)
    gone = Witness(VerifierKey("w.example", COSIGNATURE, b"k" * 32), "http://127.0.0.1:9")
    again = Sequencer(restored.engine, origin, "k" * 40, watch, SystemClock(), Witnesses((gone,)))
    again.prepare()
    assert halted(restored) is None
    again.step()
    assert unverified(restored.published).origin == origin
    assert unverified(restored.published).size == 5
    restored.engine.dispose()


def test_a_checkpoint_file_that_nobody_signed_stops_the_log(ledger: Ledger) -> None:
    ledger.fill(3)
    path = ledger.sequencer.watch.path
    path.write_text(path.read_text().replace("\n4\n", "\n2\n"))
    ledger.append(number=1)
    ledger.sequencer.step()
    assert "can't be used" in str(halted(ledger))


def test_the_newest_checkpoint_wins_whoever_writes_last(ledger: Ledger) -> None:
    ledger.fill(1)
    older = ledger.published
    ledger.fill(1)
    ledger.sequencer.watch.remember(older)
    assert ledger.sequencer.watch.newest() == unverified(ledger.published)
