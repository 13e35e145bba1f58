"""`serve --tls-cert`, as it runs: client certificates, headers that lie, many at one time, the slow."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509

from consent_service.clock import SystemClock
from consent_service.verifier.certificate import http_client, thumbprint
from consent_service.verifier.decision import DecisionClient
from consent_service.verifier.service import Authenticated, Service
from consent_service.web.client_cert import encode
from tests.certificates import SERVER, Issued, authority, issue

pytestmark = [pytest.mark.story, pytest.mark.xdist_group("tls")]
ROOT = Path(__file__).parents[2]
ERP = "0192:310052345"
DN = "CN=credit.bank.example.no,2.5.4.97=PSDNO-FSA-310041238,O=Nordhavn Bank ASA,C=NO"


@dataclass
class Running:
    """The service behind its own TLS, and who calls it."""

    url: str
    port: int
    folder: Path
    environ: dict[str, str]
    server: Path
    mine: Issued
    other: Issued
    root: Issued
    client_id: str

    def curl(self, path: str, *arguments: str, client: str = "") -> dict[str, Any]:
        """What curl got: ``status``, and ``body`` where it is JSON."""
        shown = ("--cert", f"{self.folder}/{client}.pem", "--key", f"{self.folder}/{client}.key")
        done = subprocess.run(
            [
                *("curl", "-sS", "--max-time", "20", "--cacert", str(self.server)),
                *(shown if client else ()),
                *("-w", "\n%{http_code}", *arguments, self.url + path),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        return {"status": int(status), "body": json.loads(body) if body.startswith("{") else body}

    def token(self, *arguments: str, client: str = "mine", client_id: str = "") -> dict[str, Any]:
        form = f"grant_type=client_credentials&client_id={client_id or self.client_id}"
        return self.curl("/oauth/token", "-d", form, *arguments, client=client)


def command(environ: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "consent_service", *arguments],
        env=environ, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, port, root = tmp_path_factory.mktemp("tls"), free_port(), authority()
    certificate, key = issue(usage=[SERVER], names=[x509.DNSName("localhost")]).write(folder, "server")
    mine, other, vouched = issue(), issue(), issue(by=root)
    for issued, name in ((mine, "mine"), (other, "other"), (vouched, "vouched"), (root, "root")):
        issued.write(folder, name)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")} | {
        "CONSENT_ISSUER": f"https://localhost:{port}",
        "CONSENT_HOME": str(folder / "home"),
        "CONSENT_SECRET_KEY": "k" * 40,
        "CONSENT_MTLS_CA": str(folder / "root.pem"),
        "PYTHONPATH": str(ROOT),
    }
    command(environ, "db", "upgrade")
    command(environ, "keys", "rotate")
    register = ("client", "register", "--role", "holder", "--name", "ERP", "--org", ERP, "--json")
    made = command(
        environ, *register, "--auth", "self_signed_tls_client_auth", "--certificate", str(folder / "mine.pem")
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "consent_service", "serve", "--port", str(port), "--workers", "2"),
                *("--tls-cert", str(certificate), "--tls-key", str(key)),
            ],
            env=environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    client_id = json.loads(made)["client_id"]
    service = Running(
        f"https://localhost:{port}", port, folder, environ, certificate, mine, other, root, client_id
    )
    try:
        wait_until_up(service, process)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def wait_until_up(service: Running, process: subprocess.Popen[bytes]) -> None:
    context = ssl.create_default_context(cafile=service.server)
    for _ in range(300):
        assert process.poll() is None, (service.folder / "log").read_text()
        try:
            if httpx2.get(f"{service.url}/readyz", verify=context).is_success:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError((service.folder / "log").read_text())


def test_a_token_by_certificate_from_the_real_listener_is_bound_to_it(running: Running) -> None:
    answer = running.token()
    assert answer["status"] == 200, answer
    token = answer["body"]["access_token"]
    form = f"token={token}&client_id={running.client_id}"
    told = running.curl("/oauth/introspect", "-d", form, client="mine")["body"]
    assert told["cnf"] == {"x5t#S256": thumbprint(running.mine.der)}


@pytest.mark.parametrize("client", ["", "other", "vouched"])
def test_a_wrong_certificate_or_none_is_refused(running: Running, client: str) -> None:
    answer = running.token(client=client)
    assert (answer["status"], answer["body"]["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("client", ["", "other"])
@pytest.mark.parametrize("name", ["Client-Cert", "client_cert", "CLIENT-CERT"])
def test_a_header_that_says_another_s_certificate_is_refused(
    running: Running, client: str, name: str
) -> None:
    lie = ("-H", f"{name}: {encode(running.mine.der)}", "-H", "X-Listener-Secret: " + "s" * 40)
    assert running.token(*lie, client=client)["status"] == 401


def test_a_client_of_an_authority_is_known_by_its_name(running: Running) -> None:
    register = ("client", "register", "--role", "holder", "--name", "ERP", "--org", ERP, "--json")
    made = json.loads(
        command(running.environ, *register, "--auth", "tls_client_auth", "--tls-subject-dn", DN)
    )
    assert made["tls_client_certificate_bound_access_tokens"] is True
    assert running.token(client="vouched", client_id=made["client_id"])["status"] == 200
    assert running.token(client="mine", client_id=made["client_id"])["status"] == 401


def test_a_stolen_token_is_refused_at_the_decision_api(running: Running) -> None:
    token = running.token()["body"]["access_token"]
    question = json.dumps(
        {
            "subject": {"type": "party", "id": "bank"},
            "action": {"name": "read"},
            "resource": {"type": "dataset", "id": "trial_balance", "properties": {"owner": "0192:310028142"}},
        }
    )
    headers = ("-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json")
    for client, status in (("mine", 200), ("other", 401), ("", 401)):
        answer = running.curl("/access/v1/evaluation", *headers, "-d", question, client=client)
        assert answer["status"] == status, answer


def test_our_own_verifier_asks_by_certificate(running: Running) -> None:
    question = {
        "subject": {"type": "party", "id": "bank"},
        "action": {"name": "read"},
        "resource": {"type": "dataset", "id": "trial_balance", "properties": {"owner": "0192:310028142"}},
    }
    with http_client(running.folder / "mine.pem", running.folder / "mine.key", running.server) as http:
        holder = Authenticated(Service(running.url, http), running.client_id, None)
        decision = DecisionClient(holder, http).ask(question, SystemClock().now())
    assert decision.answered
    assert not decision.permit


def test_the_way_to_the_application_is_the_listener_s_alone(running: Running) -> None:
    [found] = [
        Path(line.split()[-1])
        for line in Path("/proc/net/unix").read_text().splitlines()
        if line.endswith("app.sock") and owned_by(running, line.split()[-1])
    ][:1]
    assert found.stat().st_mode & 0o077 == 0
    assert found.parent.stat().st_mode & 0o077 == 0


def owned_by(running: Running, path: str) -> bool:
    """Whether this is the socket of the service under test: its worker answers as our issuer."""
    with socket.socket(socket.AF_UNIX) as probe:  # one that has gone meanwhile is nobody's
        try:
            probe.connect(path)
        except OSError:
            return False
    try:
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=path)) as client:
            found = client.get("http://localhost/.well-known/oauth-authorization-server").json()
    except (httpx2.HTTPError, ValueError):
        return False
    return bool(found.get("issuer") == running.url)


def test_even_on_that_socket_a_certificate_needs_the_secret(running: Running) -> None:
    path = next(
        line.split()[-1]
        for line in Path("/proc/net/unix").read_text().splitlines()
        if line.endswith("app.sock") and owned_by(running, line.split()[-1])
    )
    form = {"grant_type": "client_credentials", "client_id": running.client_id}
    headers = {"Client-Cert": encode(running.mine.der), "X-Forwarded-Proto": "https"}
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=path)) as client:
        answer = client.post("http://localhost/oauth/token", data=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_two_hundred_connections_at_one_time_are_all_answered(running: Running) -> None:
    context = ssl.create_default_context(cafile=running.server)

    async def ask() -> int:
        reader, writer = await asyncio.open_connection("localhost", running.port, ssl=context)
        await barrier.wait()  # all are connected before anyone asks
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return int(answer.split()[1])

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(ask() for _ in range(200)))

    barrier = asyncio.Barrier(200)
    with ThreadPoolExecutor(1) as beside:  # a browser's test may have left a loop in this thread
        done = beside.submit(asyncio.run, asyncio.wait_for(all_of_them(), 60))
    assert done.result() == [200] * 200


def test_slow_clients_hold_nobody_up_and_are_hung_up_on(running: Running) -> None:
    context = ssl.create_default_context(cafile=running.server)

    def slow(sent: bytes) -> ssl.SSLSocket:
        plain = socket.create_connection(("localhost", running.port), timeout=30)
        held = context.wrap_socket(plain, server_hostname="localhost")
        held.sendall(sent)
        return held

    begun = time.monotonic()
    held = [slow(b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Le") for _ in range(150)]
    assert running.curl("/readyz")["status"] == 200  # more are held than the workers have threads
    for one in held:
        assert b" 408 " in one.recv(1000)
        one.close()
    assert time.monotonic() - begun < 30


def test_a_body_over_the_limit_is_refused_and_one_below_reaches_the_application(running: Running) -> None:
    large = running.folder / "large"
    for size, status in ((600_000, 413), (300_000, 413), (10_000, 400)):
        large.write_bytes(b"a=" + b"b" * size)
        assert running.curl("/oauth/token", "--data-binary", f"@{large}")["status"] == status


def test_a_wrong_certificate_file_stops_the_start_with_one_line(running: Running, tmp_path: Path) -> None:
    shutil.copy(running.folder / "other.key", tmp_path / "key.pem")
    files = ("--tls-cert", str(running.server), "--tls-key", str(tmp_path / "key.pem"))
    done = subprocess.run(
        [sys.executable, "-m", "consent_service", "serve", "--port", str(free_port()), *files],
        env=running.environ, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--tls-cert and --tls-key must be a certificate chain and its key" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_taken_port_stops_the_start_with_one_line(running: Running) -> None:
    files = ("--tls-cert", str(running.server), "--tls-key", str(running.folder / "server.key"))
    done = subprocess.run(
        [sys.executable, "-m", "consent_service", "serve", "--port", str(running.port), *files],
        env=running.environ, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, "can't be listened on" in done.stderr) == (2, True), done.stderr


def soon(what: Callable[[], bool]) -> bool:
    """Whether something comes true within twenty seconds."""
    for _ in range(200):
        if what():
            return True
        time.sleep(0.1)
    return False


def test_a_listener_that_is_killed_is_started_again(running: Running) -> None:
    def listeners() -> set[int]:
        found = set()
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"consent_service.listener" in words and str(running.server).encode() in words:
                found.add(int(folder.name))
        return found

    def answers() -> bool:
        try:
            return bool(running.curl("/readyz")["status"] == 200)
        except subprocess.CalledProcessError:
            return False

    assert soon(lambda: len(listeners()) == 2)
    victim = min(listeners())
    os.kill(victim, signal.SIGKILL)
    assert soon(lambda: len(listeners() - {victim}) == 2)
    assert soon(answers)
