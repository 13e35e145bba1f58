"""The load generator, a process of its own, so that it shares no interpreter lock with what it measures.

``python -m benchmarks.load URL < job.json``; :func:`requests_per_second` starts it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.processor import seconds_of

WARM, PATIENCE = 0.5, 10.0  # seconds: not counted before the run; for the last answers after it


def requests_per_second(
    url: str,
    bodies: Sequence[bytes],
    headers: dict[str, str],
    seconds: float,
    connections: int,
    *,
    expected: bytes = b"",
) -> tuple[float, float, float]:
    """Throughput, and the median and 99th percentile of an answer's time in milliseconds.

    :param bodies: sent in turn
    :param expected: what every answer must have in it

    :raises RuntimeError: any answer but 200, one without ``expected``, a connection that closes, or no answer at all
    """
    found = measured(url, bodies, headers, seconds, connections, expected)
    return found["throughput"], found["p50"], found["p99"]


def measured(
    url: str,
    bodies: Sequence[bytes],
    headers: dict[str, str],
    seconds: float,
    connections: int,
    expected: bytes,
) -> dict[str, float]:
    """The same by name, with the server's microseconds of processor for each request (``cpu``).

    :raises RuntimeError: as :func:`requests_per_second`
    """
    # Through standard input: a bearer token has no business in the list of processes.
    job = {
        "bodies": [one.decode() for one in bodies],
        "headers": headers,
        "seconds": seconds,
        "connections": connections,
        "expected": expected.decode(),
    }
    done = subprocess.run(
        ["taskset", "-c", "1", sys.executable, "-m", "benchmarks.load", url],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    found: dict[str, float] = json.loads(done.stdout)
    return found


class Run:
    """The answers of all connections: those within the window count, the last ones only for their time."""

    def __init__(self, messages: Sequence[bytes], seconds: float, expected: bytes) -> None:
        self.messages, self.expected = cycle(messages), expected
        self.begin = time.perf_counter() + WARM
        self.end = self.begin + seconds
        self.took: list[float] = []
        self.count = 0


class Connection(asyncio.Protocol):
    """One connection kept alive, one question at a time."""

    def __init__(self, run: Run) -> None:
        self.run, self.buffer, self.sent = run, b"", 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(next(self.run.messages))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, content = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        _, found, length = head.lower().partition(b"\r\ncontent-length:")
        if head.split(b" ", 2)[1] != b"200" or not found:
            self.fail(f"not a 200 with a Content-Length: {self.buffer[:300]!r}")
        elif len(content) < int(length.split(b"\r\n", 1)[0]):
            return
        elif self.run.expected not in content:
            self.fail(f"not the answer that was expected: {content[:300]!r}")
        else:
            self.answered(time.perf_counter())

    def answered(self, moment: float) -> None:
        self.buffer = b""
        if self.sent >= self.run.begin:
            self.run.took.append(moment - self.sent)
        self.run.count += self.run.begin <= moment < self.run.end
        if moment < self.run.end:
            self.ask()
        elif not self.done.done():
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"the server closed the connection: {exc}")

    def fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))


async def load(
    url: str, bodies: Sequence[str], headers: dict[str, str], seconds: float, connections: int, expected: str
) -> dict[str, float]:
    target = urlsplit(url)
    if target.scheme != "http" or not target.hostname:
        raise RuntimeError(f"only http:// is measured, not {url}")
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    fields = {"Host": target.netloc, "Content-Type": "application/json", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    messages = [
        "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content
        for content in map(str.encode, bodies)
    ]
    loop, run = asyncio.get_running_loop(), Run(messages, seconds, expected.encode())
    used: list[float] = []
    for moment in (WARM, WARM + seconds):
        loop.call_later(moment, lambda: used.append(seconds_of(target.port or 80)))
    async with asyncio.timeout(WARM + seconds + PATIENCE):
        made = (
            loop.create_connection(lambda: Connection(run), target.hostname, target.port or 80)
            for _ in range(connections)
        )
        await asyncio.gather(*[protocol.done for _, protocol in await asyncio.gather(*made)])
    took = sorted(run.took)
    if not took or not run.count:
        raise RuntimeError("no answer within the time")
    middle, late = (took[int(len(took) * part)] * 1000 for part in (0.5, 0.99))
    spent = (used[1] - used[0]) / run.count * 1e6 if len(used) > 1 else 0.0
    return {"throughput": run.count / seconds, "p50": middle, "p99": late, "cpu": spent}


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("python -m benchmarks.load URL < job.json")
    job = json.load(sys.stdin)
    gc.freeze()
    try:
        print(json.dumps(asyncio.run(load(sys.argv[1], **job))))
    except (RuntimeError, OSError, TimeoutError) as error:
        raise SystemExit(f"load on {sys.argv[1]}: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    main()
