"""``serve --workers 2``: what is published decides on every worker at the next request, without a restart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from consent_service.commands.serve import free_port
from consent_service.config import POLICIES
from consent_service.policy.engine import PolicySet

pytestmark = [pytest.mark.story, pytest.mark.xdist_group("story")]
ROOT = Path(__file__).parents[2]
START_WITHIN = 60.0  # seconds
MOST_CONNECTIONS = 100
NO_MORE = (
    '@id("no-waste")@explanation("No waste.")forbid (principal, action == Action::"read", resource)'
    'when { resource == dataset::"waste" };'
)


@dataclass(frozen=True)
class Running:
    """A service with two workers, and its operator's shell."""

    url: str
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes]

    def command(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "consent_service", *arguments],
            env=dict(self.environ),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def worker_of(self, answer: httpx2.Response) -> int:
        """The process at the other end of a connection that is kept alive."""
        client_port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
        ends = [f":{httpx2.URL(self.url).port:04X}", f":{client_port:04X}"]
        table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        [inode] = [row[9] for row in table if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        [worker] = [pid for pid in children if f"socket:[{inode}]" in _open_files(pid)]
        return int(worker)


def _open_files(pid: str) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


@pytest.fixture
def running(database_url: str, tmp_path: Path) -> Iterator[Running]:
    shutil.copytree(POLICIES, tmp_path / "first")
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    environ = clean | {
        "CONSENT_ISSUER": f"http://localhost:{port}",
        "CONSENT_SANDBOX": "1",
        "CONSENT_HOME": str(tmp_path),
        "CONSENT_DATABASE_URL": database_url,
        "CONSENT_POLICY_DIR": str(tmp_path / "first"),
    }
    arguments = ["serve", "--port", str(port), "--workers", "2"]
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "consent_service", *arguments],
            env=environ,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    made = Running(f"http://127.0.0.1:{port}", environ, process)
    try:
        wait_for(made, tmp_path / "serve.log")
        yield made
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(running: Running, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            if httpx2.get(f"{running.url}/readyz", timeout=1).is_success:
                return
        except httpx2.HTTPError:
            time.sleep(0.1)
    pytest.fail(f"it did not start: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def both_workers(running: Running, headers: dict[str, str]) -> Iterator[list[httpx2.Client]]:
    """A connection to each of the two, kept alive."""
    found: dict[int, httpx2.Client] = {}
    with ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            client = stack.enter_context(httpx2.Client(base_url=running.url, headers=headers, timeout=20))
            found.setdefault(running.worker_of(client.get("/healthz")), client)
            if len(found) == 2:
                break
        assert len(found) == 2, "one worker takes every connection"
        yield [*found.values()]


def test_both_workers_follow_what_is_published_and_neither_what_is_broken(
    running: Running, tmp_path: Path
) -> None:
    key = tmp_path / "erp.jwk"
    register = ("client", "register", "--role", "holder", "--name", "ERP", "--org", "0192:310052345")
    code, output = running.command(*register, "--new-key", str(key), "--json")
    assert code == 0, output
    holder = json.loads(output)["client_id"]
    code, token = running.command("token", "--client", holder, "--key", str(key))
    assert code == 0, token
    properties = {"owner": "0192:310028142", "holder": holder, "from": "2025-01-01", "to": "2025-06-30"}
    question = {
        "subject": {"type": "party", "id": "nobody"},
        "action": {"name": "read"},
        "resource": {"type": "dataset", "id": "waste", "properties": properties},
    }

    def ask(worker: httpx2.Client) -> tuple[str, bool]:
        """By which policy set this worker decides, and whether the new policy is among its reasons."""
        context: dict[str, Any] = worker.post("/access/v1/evaluation", json=question).json()["context"]
        return context["policy_digest"], "no-waste" in {one["policy"] for one in context["reasons"]}

    first, newer = tmp_path / "first", tmp_path / "newer"
    shutil.copytree(first, newer)
    old = PolicySet.load(first).digest
    with both_workers(running, {"Authorization": f"Bearer {token.strip()}"}) as workers:
        assert [ask(one) for one in workers] == [(old, False)] * 2
        for broken in ("forbid (principal", "forbid (principal, action, resource) when { context.colour };"):
            (newer / "90-more.cedar").write_text(broken)
            code, output = running.command("policy", "publish", str(newer))
            assert code == 2, output
            assert [ask(one) for one in workers] == [(old, False)] * 2
        (newer / "90-more.cedar").write_text(NO_MORE)
        code, output = running.command("policy", "publish", str(newer))
        assert code == 0, output
        assert [ask(one) for one in workers] == [(PolicySet.load(newer).digest, True)] * 2
        assert running.command("policy", "publish", str(first))[0] == 0
        assert [ask(one) for one in workers] == [(old, False)] * 2
