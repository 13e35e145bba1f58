"""kill -9 at random moments under load, many times: nothing acknowledged is lost, no gap, no fork.

``python -m tests.torture.torture [--kills N] [--postgresql]``; the tests run a short one.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock
from consent_service.commands import database
from consent_service.ledger import signing, store
from consent_service.ledger.checkpoint import Checkpoint, open_checkpoint
from consent_service.ledger.rebuild import Rebuilt
from consent_service.ledger.sequencer import Sequencer
from consent_service.ledger.store import EntryRow, PendingRow
from consent_service.ledger.verify import verify
from consent_service.ledger.watch import Watch
from tests import postgresql

ROOT = Path(__file__).resolve().parents[2]
ORIGIN, SECRET = "log.example/torture", "k" * 40
ROLES = ("worker", "worker", "sequencer", "sequencer")
LONGEST = 900.0  # seconds


@dataclass
class Outcome:
    """What was seen."""

    kills: int = 0
    acknowledged: int = 0
    entries: int = 0
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)


def torture(url: str, home: Path, kills: int, seed: int = 0) -> Outcome:
    """Run workers and sequencers, kill one after the other, and hold the ledger against what was acknowledged."""
    chance, outcome, names = random.Random(seed), Outcome(), itertools.count()
    home.mkdir(parents=True, exist_ok=True)
    said = home / "acknowledged"
    said.touch()
    running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(role: str) -> None:
        name = role if role == "sequencer" else f"{role}{next(names)}"
        command = [sys.executable, "-m", "tests.torture.worker", url, str(home), str(said), name]
        running.append((role, subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)))

    engine = create_engine(url)
    seen: dict[int, bytes] = {}
    for role in ROLES:
        start(role)
    deadline = time.monotonic() + LONGEST
    while said.stat().st_size == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    while outcome.kills < kills and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.2, 1.2))  # seconds; a new process takes about one to come up
        _look(engine, seen, outcome)
        role, victim = running.pop(chance.randrange(len(running)))
        if victim.poll() is not None:
            outcome.problems.append(f"a {role} ended by itself with {victim.returncode}")
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        outcome.kills += 1
        start(role)
    before = said.stat().st_size
    while said.stat().st_size == before and time.monotonic() < deadline:
        time.sleep(0.05)  # after the last kill the others, and who came new, go on
    for _, process in running:
        process.send_signal(signal.SIGKILL)
        process.wait()
    _judge(engine, home, said, seen, outcome)
    engine.dispose()
    return outcome


def _look(engine: Engine, seen: dict[int, bytes], outcome: Outcome) -> None:
    """Remember the checkpoint of the moment, as an outsider would."""
    try:
        with Session(engine) as session:
            note, key = store.head(session).published, signing.verifier_key(session, ORIGIN)
    except SQLAlchemyError as error:
        outcome.problems.append(f"the database can't be read: {error}")
        return
    if note and key:
        head: Checkpoint = open_checkpoint(note, key).checkpoint
        if seen.setdefault(head.size, head.root) != head.root:
            outcome.problems.append(f"two checkpoints of size {head.size}: a fork")


def _judge(engine: Engine, home: Path, said: Path, seen: dict[int, bytes], outcome: Outcome) -> None:
    last = Sequencer(engine, ORIGIN, SECRET, Watch(home, ORIGIN), SystemClock())
    while last.step():
        pass
    with Session(engine) as session:
        found = verify(session, signing.verifier_key(session, ORIGIN))
        if not found:
            outcome.problems.append(f"verify: {found.problem} at {found.bad_entry}")
        placed = session.execute(select(EntryRow.entry_id, EntryRow.index))
        places = {row[0]: row[1] for row in placed}
        if session.scalar(select(PendingRow.arrival).limit(1)) is not None:
            outcome.problems.append("something still waits for its place")
        read = store.tile_reader(session)
        for size, root in seen.items():
            if size > found.size or Rebuilt(read, size).root != root:
                outcome.problems.append(f"the checkpoint of size {size} is of another tree: a fork")
    threads: dict[str, int] = {}
    for line in said.read_text().splitlines():
        thread, _number, entry_id = line.split(" ")
        if entry_id not in places:
            outcome.problems.append(f"{entry_id} was acknowledged and is lost")
        elif places[entry_id] < threads.get(thread, -1):
            outcome.problems.append(f"{entry_id} stands before what its thread wrote earlier")
        threads[thread] = places.get(entry_id, -1)
        outcome.acknowledged += 1
    outcome.entries, outcome.checkpoints = found.size, len(seen)


def main() -> int:
    """Print what was seen; 1 when anything was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{home / 'consent.db'}"
        if given.postgresql:
            url = stack.enter_context(postgresql.database(stack.enter_context(postgresql.server())))
        database.upgrade({"CONSENT_DATABASE_URL": url})
        outcome = torture(url, home, given.kills, given.seed)
    print(
        f"{outcome.kills} kills, {outcome.acknowledged} entries acknowledged, {outcome.entries} in the tree, "
        f"{outcome.checkpoints} checkpoints seen"
    )
    for problem in outcome.problems[:20]:
        print(f"PROBLEM: {problem}")
    return 1 if outcome.problems or outcome.kills < given.kills else 0


if __name__ == "__main__":
    sys.exit(main())
