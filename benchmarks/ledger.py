"""The ledger's figures: ``python -m benchmarks.ledger [--large] [--postgresql]``; docs/benchmarks.md has a run.

Every figure stands beside a yardstick of the same run: plain SQLite inserting one row of the
same size in a transaction of its own, which is what a durable append costs without a ledger.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock
from consent_service.commands import database
from consent_service.commands.replay import _told
from consent_service.config import POLICIES
from consent_service.db import group, writing_to
from consent_service.ledger import append, store, tree
from consent_service.ledger.model import Kind
from consent_service.ledger.sequencer import Sequencer, put_tiles, sequence
from consent_service.ledger.tiles import TileHashes, grow
from consent_service.ledger.verify import verify
from consent_service.ledger.watch import Watch
from consent_service.policy.choice import Rules, choose
from consent_service.policy.memo import Memo
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.past import Past
from consent_service.policy.publish import from_directory, publish
from consent_service.policy.replay import replay
from consent_service.policy.service import payload_of
from consent_service.policy.told import Told
from tests import postgresql

SECONDS = 4.0
ORIGIN, SECRET = "log.example/benchmark", "k" * 40
CLOCK = SystemClock()
PAYLOAD = {"asked": {"party": "party-1", "data_set": "trial_balance"}, "permit": True, "facts": "x" * 600}


def one(session: Session) -> None:
    append.append(
        session,
        Kind.DECISION_PERMIT,
        PAYLOAD,
        now=CLOCK.now(),
        owner="0192:310028142",
        grant_id="5f0c7c0e-0000-4000-8000-000000000000",
        grant_version=1,
        client_id="holder-1",
        policy_digest="sha256:" + "0" * 64,
    )


def callers(count: int, work: Callable[[], None]) -> tuple[float, float, float]:
    """Work a second, and p50 and p99 of the wait in milliseconds."""
    waits: list[float] = []
    until = time.perf_counter() + SECONDS

    def run() -> None:
        mine = []
        while (begun := time.perf_counter()) < until:
            work()
            mine.append(time.perf_counter() - begun)
        waits.extend(mine)

    threads = [threading.Thread(target=run) for _ in range(count)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waits.sort()
    rate = len(waits) / (time.perf_counter() - begun)
    return rate, waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3


def yardstick(folder: Path) -> float:
    """Durable transactions a second of plain SQLite, one caller, one row each."""
    connection = sqlite3.connect(folder / "yardstick.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
    row, count, until = os.urandom(1200), 0, time.perf_counter() + SECONDS / 2
    while time.perf_counter() < until:
        connection.execute("INSERT INTO t (b) VALUES (?)", (row,))
        count += 1
    connection.close()
    return count / (SECONDS / 2)


def appends(url: str, folder: Path) -> Iterator[str]:
    engine = create_engine(url)
    sequencer = Sequencer(engine, ORIGIN, SECRET, Watch(folder, ORIGIN), CLOCK)
    sequencer.prepare()
    for count in (1, 16, 64):
        for beside in (False, True):
            if beside:
                sequencer.stopped.clear()
                thread = sequencer.start()
            rate, p50, p99 = callers(count, lambda: group(engine).run(one))
            if beside:
                sequencer.stopped.set()
                thread.join()
            while sequencer.step():
                pass
            name = "with the sequencer in the same process" if beside else "appends alone"
            yield f"| {engine.dialect.name}, {count} callers, {name} | {rate:,.0f} | {p50:.2f} | {p99:.2f} |"
    yield f"sequencing lag, {engine.dialect.name}: {lag(engine, sequencer)}"
    engine.dispose()


def lag(engine: Engine, sequencer: Sequencer) -> str:
    """From acknowledged to published, at a steady 200 appends a second."""
    sequencer.stopped.clear()
    thread = sequencer.start()
    lags = []
    for number in range(400):
        group(engine).run(one)
        if number % 20:
            time.sleep(0.005)
            continue
        begun = time.perf_counter()
        with Session(engine) as session:
            last = session.scalar(text("SELECT count(*) FROM ledger_pending")) or 0
        while last:
            time.sleep(0.005)
            with Session(engine) as session:
                last = session.scalar(text("SELECT count(*) FROM ledger_pending")) or 0
        lags.append((time.perf_counter() - begun) * 1e3)
    sequencer.stopped.set()
    thread.join()
    return f"median {statistics.median(lags):.0f} ms, most {max(lags):.0f} ms"


def bulk(engine: Engine, size: int) -> float:
    """Load entries straight into the tree, as a log of that size would have them; returns seconds."""
    begun, batch = time.perf_counter(), 50_000
    zero = "0" * 64
    for start in range(0, size, batch):
        with writing_to(engine) as session:
            entries, leaves = [], []
            for index in range(start, min(start + batch, size)):
                entry_id = append.new_entry_id()
                body = (
                    f'{{"client_id":"holder-1","entry_id":"{entry_id}","grant_id":"5f0c7c0e-0000-4000-8000-000000000000",'
                    f'"grant_version":1,"kind":"decision.permit","payload_hash":"sha256:{zero}",'
                    f'"policy_digest":"sha256:{zero}","time":"2026-06-01T12:00:00.{index % 1000000:06d}Z","version":1}}'
                ).encode()
                leaves.append(hashlib.sha256(b"\x00" + body).digest())
                entries.append((index, entry_id, body))
            raw = session.connection().connection.dbapi_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.executemany('INSERT INTO ledger_entry ("index", entry_id, body) VALUES (?, ?, ?)', entries)
            put_tiles(session, grow(start, leaves, store.tile_reader(session)))
    with writing_to(engine) as session:
        root = tree.root(size, TileHashes(store.tile_reader(session)))
        session.execute(text("UPDATE ledger_head SET size = :s, root = :r"), {"s": size, "r": root})
    return time.perf_counter() - begun


def proofs(folder: Path, size: int) -> str:
    path = folder / f"{size}.db"
    database.upgrade({"CONSENT_DATABASE_URL": f"sqlite:///{path}"})
    engine = create_engine(f"sqlite:///{path}")
    loaded = bulk(engine, size)
    inclusion, consistency, reads = [], [], []
    with Session(engine) as session:
        session.connection()
        for number in range(200):
            index = number * 7919 % size
            hashes, begun = TileHashes(store.tile_reader(session)), time.perf_counter()
            tree.inclusion_proof(index, size, hashes)
            inclusion.append((time.perf_counter() - begun) * 1e3)
            reads.append(hashes.reads)
            hashes, begun = TileHashes(store.tile_reader(session)), time.perf_counter()
            tree.consistency_proof(index or 1, size, hashes)
            consistency.append((time.perf_counter() - begun) * 1e3)
    engine.dispose()
    figures = " | ".join(
        f"{statistics.median(one):.2f} / {sorted(one)[198]:.2f}" for one in (inclusion, consistency)
    )
    bytes_each = path.stat().st_size / size
    path.unlink()
    return f"| {size:,} | {figures} | {max(reads)} | {bytes_each:.0f} | {size / loaded:,.0f} |"


def whole(folder: Path, size: int) -> Iterator[str]:
    """A real log of decisions: bytes on disk, verify, and sequencing speed."""
    path = folder / "whole.db"
    database.upgrade({"CONSENT_DATABASE_URL": f"sqlite:///{path}"})
    engine = create_engine(f"sqlite:///{path}")
    sequencer = Sequencer(engine, ORIGIN, SECRET, Watch(folder / "w", ORIGIN), CLOCK)
    sequencer.prepare()
    for _ in range(size // 1000):
        with writing_to(engine) as session:
            for _ in range(1000):
                one(session)
    begun = time.perf_counter()
    with writing_to(engine) as session:
        signer = sequencer.signer(session)
    placed = 0
    while True:
        with writing_to(engine) as session:
            step = sequence(session, signer)
        if not step:
            break
        placed += step
    yield f"sequencing: {placed / (time.perf_counter() - begun):,.0f} entries a second"
    begun = time.perf_counter()
    with Session(engine) as session:
        found = verify(session)
    assert found, found.problem
    yield f"verify: {found.size / (time.perf_counter() - begun):,.0f} entries a second"
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    yield f"on disk: {path.stat().st_size / found.size:,.0f} bytes an entry with its payload of {len(str(PAYLOAD))} characters"
    engine.dispose()
    path.unlink()


def replaying(folder: Path, size: int, periods: int) -> str:
    """Decisions of 100 grants of each kind, as the service records them, decided again."""
    path = folder / "replay.db"
    database.upgrade({"CONSENT_DATABASE_URL": f"sqlite:///{path}"})
    engine = create_engine(f"sqlite:///{path}")
    now, past = CLOCK.now(), Past()
    rules = from_directory(POLICIES)
    until = (now + dt.timedelta(days=80)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with writing_to(engine) as session:
        publish(session, rules.policies, now)
        for role, client in (("party", "bank"), ("holder", "erp")):
            payload = {
                "client_id": client,
                "role": role,
                "organisation": f"0192:{client}",
                "resources": ["https://erp.example.no/api"] if role == "holder" else [],
            }
            append.append(session, Kind.PARTY_REGISTERED, payload, now=now, client_id=client)
        for number in range(200):
            daily = {"mode": "recurring", "frequency": {"unit": "hour", "value": 40}}
            access = {"mode": "standing"} if number % 2 else daily
            terms = {
                "type": "business_data",
                "owner": {"authority": "iso6523-actorid-upis", "ID": "0192:310028142"},
                "purpose": "credit_assessment",
                "datatypes": ["financial_statement", "trial_balance"],
                "actions": ["read"],
                "locations": ["https://erp.example.no/api"],
                "period": {"from": "2024-01-01", "to": "2025-12-31"},
                "access": {**access, "valid_until": until},
                "retention": "P90D",
                "onward_sharing": [],
                "legal_basis": "consent",
            }
            payload = {"party": "0192:bank", "client_id": "bank", "terms": terms}
            ids = {"grant_id": f"grant-{number}", "grant_version": 1}
            append.append(session, Kind.GRANT_ACTIVATED, payload, now=now, owner="0192:310028142", **ids)
        append.write_down(session)
        for row in _told(session):
            past.tell(row[1])
        known = Rules(rules.policies, Memo(rules.policies).decide)
        for number in range(size):
            at = now + dt.timedelta(seconds=number / 10)
            past.now = at
            request = EvaluationRequest(
                "party",
                "bank",
                "read",
                "dataset",
                ("trial_balance", "financial_statement", "payroll")[number % 3],
                resource_properties={
                    "owner": "0192:310028142",
                    "holder": "erp",
                    "from": "2025-01-01",
                    "to": f"2025-06-{number // 200 % periods + 1:02d}",
                },
                context={"grant_id": f"grant-{number % 200}", "token_jti": f"jti-{number}"},
            )
            made = choose(request, "erp", past, known, at)
            kind = Kind.DECISION_PERMIT if made.decision else Kind.DECISION_DENY
            assert made.grant
            entry = append.append(
                session,
                kind,
                payload_of(request, "erp", made),
                now=at,
                owner="0192:310028142",
                grant_id=made.grant.grant_id,
                grant_version=made.grant.version,
                client_id="erp",
                policy_digest=made.decision.policy_digest,
            )
            asked = {"asked": {"data_set": request.resource_id}}
            past.tell(Told(orjson.loads(entry.encode()), "0192:310028142", asked))
    sequencer = Sequencer(engine, ORIGIN, SECRET, Watch(folder / f"replay-{periods}", ORIGIN), CLOCK)
    sequencer.prepare()
    while sequencer.step():
        pass
    with Session(engine) as session:
        begun = time.perf_counter()
        *_, report = replay(_told(session), Past())
        seconds = time.perf_counter() - begun
    assert report.decisions == size, report
    assert not report.differences, report.differences[:2]
    engine.dispose()
    path.unlink()
    return (
        f"replay, {600 * periods:,} different questions: {size / seconds:,.0f} decisions a second on one core"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true", help="10 million entries too; needs 8 GB of disk")
    parser.add_argument("--postgresql", action="store_true", help="appends on PostgreSQL too")
    given: Any = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="consent-benchmark-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        print(f"yardstick, plain SQLite: {yardstick(folder):,.0f} durable transactions a second")
        urls = [f"sqlite:///{folder / 'appends.db'}"]
        if given.postgresql:
            urls.append(stack.enter_context(postgresql.database(stack.enter_context(postgresql.server()))))
        print("| appends | a second | p50 ms | p99 ms |\n|---|---|---|---|")
        for url in urls:
            database.upgrade({"CONSENT_DATABASE_URL": url})
            for line in appends(url, folder / url.partition(":")[0]):
                print(line, flush=True)
        for line in whole(folder, 100_000):
            print(line, flush=True)
        for periods in (1, 28):
            print(replaying(folder, 60_000, periods), flush=True)
        print(
            "| entries | inclusion proof, median / p99 ms | consistency proof | tiles read, most | bytes an entry | loaded a second |"
        )
        print("|---|---|---|---|---|---|")
        for size in (1_000, 100_000, *([10_000_000] if given.large else [])):
            print(proofs(folder, size), flush=True)


if __name__ == "__main__":
    main()
