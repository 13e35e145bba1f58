"""What purging costs: ``python -m benchmarks.purge [--postgresql] [--rows N]``; docs/benchmarks.md has a run.

A token table of 10 million rows, all but a hundredth of them ended, is purged by a process of its
own, as a worker does it, while another decides data requests one after the other. The yardstick of
the same run: a bare table of rows as wide, deleted by primary key, as many at a time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import structlog
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.orm import Session

from benchmarks.decisions import BANK, ERP, _whole, prepared, questions
from consent_service.app import create_app
from consent_service.config import from_environ
from consent_service.db import db, reading, writing_to
from consent_service.policy import service
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.rulebook import Rulebook
from consent_service.registry import parties, status
from consent_service.registry.store import TokenRow
from consent_service.upkeep.purge import LARGEST, purge
from consent_service.web.current import current, now
from tests import postgresql

SECONDS = 45.0
GRANTS = 1_000
ALIVE = 100  # one row of so many has not ended
BATCH = 50_000
COLUMNS = (
    "token_hash, kind, client_id, authorization_id, owner, grant_id, jti, scope, audience, issued_at, "
    "expires_at, status_list, status_index"
)
FIXED = f"'access_token', '{BANK}'"
SQLITE = f"""
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted LIMIT :count)
INSERT INTO token ({COLUMNS})
SELECT lower(hex(randomblob(32))), {FIXED}, lower(hex(randomblob(16))), '0192:923609016',
  printf('%036d', n % {GRANTS}), lower(hex(randomblob(16))), '', '["https://erp.example.no/api"]',
  datetime(:begun, n * :step || ' seconds') || '.000000',
  datetime(:begun, n * :step + (CASE WHEN n % :alive = 0 THEN 180 * 86400 ELSE 600 END) || ' seconds') || '.000000',
  n / {status.SIZE}, n % {status.SIZE}
FROM counted
"""
POSTGRESQL = f"""
INSERT INTO token ({COLUMNS})
SELECT encode(sha256(gen_random_uuid()::text::bytea), 'hex'), {FIXED}, gen_random_uuid(), '0192:923609016',
  lpad((n % {GRANTS})::text, 36, '0'), gen_random_uuid(), '', '["https://erp.example.no/api"]',
  CAST(:begun AS timestamptz) + n * :step * interval '1 second',
  CAST(:begun AS timestamptz) + (n * :step + CASE WHEN n % :alive = 0 THEN 180 * 86400 ELSE 600 END) * interval '1 second',
  n / {status.SIZE}, n % {status.SIZE}
FROM generate_series(0, CAST(:count AS int) - 1) AS n
"""
BARE = 1_000_000
WIDTH = 420  # bytes, about as many as a token's row has


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--postgresql", action="store_true")
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--worker", help="purge this database; used by the benchmark itself")
    chosen = options.parse_args()
    if chosen.worker:
        worker(chosen.worker)
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with ExitStack() as stack:
        server = stack.enter_context(postgresql.server()) if chosen.postgresql else None
        name = "postgresql" if chosen.postgresql else "sqlite"
        with prepared(server, GRANTS) as environ:
            engine = create_engine(from_environ(environ).database_url)
            fill(engine, chosen.rows)
            print("| database | what | rows a second | longest bite ms |\n|---|---|---|---|")
            lines = measured(name, environ, engine)
            engine.dispose()
        print(
            "\n| database | a decision, durable, one caller | p50 ms | p99 ms | longest ms |\n|---|---|---|---|---|"
        )
        print("\n".join(lines))


def measured(name: str, environ: dict[str, str], engine: Engine) -> list[str]:
    """Decisions alone, purge alone, both together, and the yardstick."""
    with Session(engine) as session:
        before = session.scalar(select(func.count()).select_from(TokenRow)) or 0
    say(name, f"yardstick: bare table, {LARGEST:,} rows at a time by primary key", *bare(engine))
    say(
        name,
        f"purge alone, {before:,} rows in the table",
        *purged(engine.url.render_as_string(hide_password=False)),
    )
    lines = []
    app = create_app(from_environ(environ))
    with app.app_context():
        decide = decisions()
        lines.append(f"| {name} | alone | {waits(decide, SECONDS / 3)} |")
        url = engine.url.render_as_string(hide_password=False)
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.purge", "--worker", url], stdout=subprocess.PIPE, text=True
        ) as process:
            time.sleep(3)  # until it has started
            lines.append(f"| {name} | while the purge runs | {waits(decide, SECONDS - 6)} |")
            assert process.stdout is not None
            gone, longest = process.stdout.read().split()
        say(name, "purge, with decisions beside it", float(gone), float(longest))
        db.session.remove()
        db.engine.dispose()
    return lines


def say(name: str, what: str, rate: float, longest: float) -> None:
    print(f"| {name} | {what} | {rate:,.0f} | {longest * 1000:,.0f} |", flush=True)


def worker(url: str) -> None:
    """Purge for a while; print how many rows a second, and the longest bite in seconds."""
    bites: list[float] = []

    def wait(seconds: float) -> bool:
        bites.append(seconds)
        time.sleep(seconds)
        return False

    engine, begun = create_engine(url), time.perf_counter()
    gone, _ = purge(engine, dt.datetime.now(dt.UTC), wait=wait, seconds=SECONDS)
    print(gone / (time.perf_counter() - begun), max(bites, default=0))


def purged(url: str) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.purge", "--worker", url]
    rate, longest = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return float(rate), float(longest)


def decisions() -> Callable[[], object]:
    """One decision after the other, each under a random grant."""
    book = current(Rulebook)
    seen, client = book.seen(reading()), parties.find(reading(), ERP)
    reading().rollback()
    assert client is not None
    holder = service.Holder(client, seen.epoch)
    asked = [EvaluationRequest.from_json(_whole(one)) for one in questions(GRANTS, GRANTS)]
    return lambda: service.evaluate(random.choice(asked), holder, book, now)


def waits(work: Callable[[], object], seconds: float) -> str:
    took, until = [], time.perf_counter() + seconds
    while (begun := time.perf_counter()) < until:
        work()
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    return f"{statistics.median(took):.2f} | {took[int(len(took) * 0.99)]:.2f} | {took[-1]:.0f}"


def bare(engine: Engine) -> tuple[float, float]:
    """A table with nothing but a number and some bytes, deleted as many rows at a time as a purge takes."""
    key = "bigint" if engine.dialect.name == "postgresql" else "integer"
    with writing_to(engine) as session:
        session.execute(text(f"CREATE TABLE bare (id {key} PRIMARY KEY, body TEXT NOT NULL)"))
        for start in range(0, BARE, BATCH):
            rows = [{"id": number, "body": "x" * WIDTH} for number in range(start, start + BATCH)]
            session.execute(text("INSERT INTO bare VALUES (:id, :body)"), rows)
    longest, begun = 0.0, time.perf_counter()
    for start in range(0, BARE, LARGEST):
        bite = time.perf_counter()
        with writing_to(engine) as session:
            between = {"start": start, "end": start + LARGEST}
            session.execute(text("DELETE FROM bare WHERE id >= :start AND id < :end"), between)
        longest = max(longest, time.perf_counter() - bite)
    rate = BARE / (time.perf_counter() - begun)
    with writing_to(engine) as session:
        session.execute(text("DROP TABLE bare"))
    return rate, longest


def fill(engine: Engine, count: int) -> None:
    """Let the database write the tokens, in the order of their issue; indexes are made afterwards.

    One of a hundred is alive for three months more.
    """
    indexes = sorted(TokenRow.__table__.indexes, key=lambda index: str(index.name))  # type: ignore[attr-defined]
    for index in indexes:
        index.drop(engine)
    begun = dt.datetime.now(dt.UTC) - dt.timedelta(days=90)
    values = {
        "count": count,
        "alive": ALIVE,
        "step": 89 * 86400 / count,
        "begun": f"{begun:%Y-%m-%d %H:%M:%S}",
    }
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            # The client is there; asking for it ten million times takes longer than the rest.
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.execute(text(POSTGRESQL), values)
    else:
        fast = sqlite3.connect(str(engine.url.database), isolation_level=None)
        for command in ("cache_size=-3000000", "synchronous=OFF"):
            fast.execute(f"PRAGMA {command}")
        fast.execute(SQLITE, values)
        fast.close()
    for index in indexes:
        index.create(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        command = "VACUUM ANALYZE token" if engine.dialect.name == "postgresql" else "PRAGMA optimize"
        connection.exec_driver_sql(command)


if __name__ == "__main__":
    main()
