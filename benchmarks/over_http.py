"""The running service beside a bare Flask endpoint: the same server, the same core, turn by turn.

Other programs share the machine, so the two take turns and each turn of ours is held against the
floor's just before it; what is reported is the median of the turns.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks import yardsticks
from benchmarks.load import requests_per_second
from consent_service.commands import serve
from consent_service.commands.serve import free_port
from consent_service.config import Settings, from_environ
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service

SECONDS, CONNECTIONS, MANY, OF_MANY = 3.0, 32, 100, 4
FEW, EACH_ANOTHER, LISTS = 64, 20_000, 64
Questions = Callable[[int], list[dict[str, Any]]]
"""So many questions, each about another grant."""


@dataclass
class Row:
    """One thing that is asked again and again, and what its turns came to."""

    what: str
    path: str
    bodies: Sequence[bytes]
    connections: int = CONNECTIONS
    each: int = 1
    turns: list[tuple[float, float, float]] = field(default_factory=list)
    of_floor: list[float] = field(default_factory=list)

    def line(self, database: str, grants: int) -> str:
        rate, middle, late = (statistics.median(turn[at] for turn in self.turns) for at in range(3))
        most, part = max(turn[0] for turn in self.turns), statistics.median(self.of_floor)
        return (
            f"| {database} | {grants:,} | {self.what} | {rate:,.0f} | {most:,.0f} "
            f"| {middle:.2f} | {late:.2f} | {part:.2f} |"
        )


HEAD = """
| database | grants | what | a second, median | best turn | p50 ms | p99 ms | of the floor |
|---|---|---|---|---|---|---|---|"""


def measure(
    database: str, grants: int, environ: dict[str, str], questions: Questions, client: str, turns: int
) -> list[str]:
    """The floor, one evaluation, evaluations of a hundred; a line of the table each."""
    settings = from_environ(environ)
    singles = [json.dumps(one).encode() for one in questions(EACH_ANOTHER)]
    lists = [json.dumps({"evaluations": questions(MANY)}).encode() for _ in range(LISTS)]
    one, several = "/access/v1/evaluation", "/access/v1/evaluations"
    rows = [
        Row("one evaluation, 64 grants", one, singles[:FEW]),
        Row("one evaluation, each another grant", one, singles),
        Row("one evaluation, one connection", one, singles[:FEW], connections=1),
        Row("evaluations of 100, decisions", several, lists, connections=OF_MANY, each=MANY),
    ]
    bare = Row("yardstick: bare Flask, one indexed read", "", [yardsticks.FLOOR_BODY])
    with tempfile.TemporaryDirectory() as folder, floor(Path(folder)) as url, running(settings, environ):
        headers = {"Authorization": f"Bearer {_token(settings, client)}"}
        for _ in range(turns):
            for row in rows:
                beside = requests_per_second(url, bare.bodies, {}, SECONDS, bare.connections)
                bare.turns.append(beside)
                bare.of_floor.append(1)
                rate, middle, late = requests_per_second(
                    settings.issuer + row.path, row.bodies, headers, SECONDS, row.connections
                )
                row.turns.append((rate * row.each, middle, late))
                row.of_floor.append(rate * row.each / beside[0])
    lines = [row.line(database, grants) for row in (bare, *rows)]
    print("\n".join(lines), file=sys.stderr, flush=True)
    return lines


@contextmanager
def floor(folder: Path) -> Iterator[str]:
    port = free_port()
    environ = {"FLOOR_DATABASE": str(folder / "floor.db")}
    with granian("benchmarks.yardsticks:application", port, environ):
        yield f"http://localhost:{port}/floor"


@contextmanager
def running(settings: Settings, environ: dict[str, str]) -> Iterator[None]:
    port = int(settings.issuer.rpartition(":")[2])
    with granian("wsgi:application", port, environ):
        yield


@contextmanager
def granian(application: str, port: int, environ: dict[str, str]) -> Iterator[None]:
    """One worker of the production server on the first core, as `consent-service serve` has it."""
    threads = str(serve.BLOCKING_THREADS)
    command = ["taskset", "-c", "0", str(Path(sys.executable).parent / "granian"), "--interface", "wsgi"]
    command += ["--port", str(port), "--workers", "1", "--blocking-threads", threads, "--no-ws", application]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env={**os.environ, **environ}, stdout=quiet, stderr=quiet) as process:
        try:
            for _ in range(200):
                try:
                    httpx2.get(f"http://localhost:{port}/healthz")
                    break
                except httpx2.HTTPError:
                    time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def _token(settings: Settings, client: str) -> str:
    key = ClientKey.read(settings.home / f"{client}.jwk")
    holder = Authenticated(Service(settings.issuer), client, key)
    form = {"grant_type": "client_credentials"}
    return str(holder.form("token_endpoint", form, dt.datetime.now(dt.UTC))["access_token"])
