"""The demo's programs: start them, wait until they answer, stop them in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from consent_service.commands import CommandError

START_WITHIN = 30.0  # seconds
STOP_WITHIN = 5  # seconds


@dataclass(frozen=True, slots=True)
class Program:
    """A module to run, where it will answer, and where its output goes."""

    name: str
    arguments: Sequence[str]
    url: str
    log: Path


@contextmanager
def running(programs: Sequence[Program], environ: Mapping[str, str]) -> Iterator[None]:
    """Run them all; when the block ends, however it ends, they are stopped.

    :raises CommandError: one of them does not come up, with the end of its log
    """
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for program in programs:
            with program.log.open("wb") as log:
                processes.append(
                    subprocess.Popen(  # noqa: S603  (our own interpreter and modules)
                        [sys.executable, "-m", *program.arguments],
                        env=dict(environ),
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
                    )
                )
        for program, process in zip(programs, processes, strict=True):
            _wait(program, process)
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(timeout=STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(program: Program, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = program.log.read_text(errors="replace").strip()[-500:]
            raise CommandError(f"{program.name} did not start: {said}")
        try:
            if httpx2.get(f"{program.url}/healthz", timeout=1).is_success:
                return
        except httpx2.HTTPError:
            time.sleep(0.05)
    raise CommandError(f"{program.name} did not answer within {START_WITHIN:.0f} s; its log is {program.log}")
