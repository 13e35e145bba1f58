"""Clients that nobody here wrote run the whole flow against the running service, over HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from consent_service.commands.serve import free_port
from consent_service.sandbox.browser import Browser

pytestmark = [pytest.mark.story, pytest.mark.xdist_group("interop")]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OWNER, PERSON = "0192:310028142", "ingrid"
PATIENCE = 60  # seconds until a program listens


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and an ERP system beside it."""

    issuer: str
    environ: dict[str, str]
    erp: str
    folder: Path

    def run(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "consent_service", *arguments]
        done = subprocess.run(command, env=self.environ, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def register(self, name: str, *arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """A client with a new key: what was registered, and the private JWK."""
        key = self.folder / f"{name}.jwk"
        given = ("client", "register", "--name", name, "--new-key", str(key), "--json", *arguments)
        return self.run(*given), json.loads(key.read_text())


@contextmanager
def program(arguments: list[str], environ: dict[str, str], url: str, log: Path) -> Iterator[None]:
    with log.open("w") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=environ, cwd=ROOT, stdout=file, stderr=file
        )
        try:
            until = time.monotonic() + PATIENCE
            while True:
                assert started.poll() is None, log.read_text()
                try:
                    if httpx2.get(url).status_code < 500:
                        break
                except httpx2.HTTPError:
                    assert time.monotonic() < until, log.read_text()
                    time.sleep(0.1)
            yield
        finally:
            started.terminate()
            started.wait(20)


def running(folder: Path, service: ExitStack, erp: ExitStack, **settings: str) -> Service:
    """The service as an operator starts it, and the ERP system; each ends with its stack."""
    port, erp_port = free_port(), free_port()
    issuer, resource = f"http://localhost:{port}", f"http://localhost:{erp_port}/api"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    environ = clean | {
        "CONSENT_ISSUER": issuer,
        "CONSENT_SANDBOX": "1",
        "CONSENT_HOME": str(folder / "home"),
        **settings,
    }
    serve = ["consent_service", "serve", "--port", str(port), "--workers", "2"]
    service.enter_context(program(serve, environ, f"{issuer}/readyz", folder / "service.log"))
    made = Service(issuer, environ, resource, folder)
    registered, _key = made.register(
        "Test ERP", "--role", "holder", "--org", "0192:310052345", "--resource", resource
    )
    run_erp = [
        *("consent_service.sandbox.erp", "--port", str(erp_port), "--issuer", issuer),
        *("--client-id", registered["client_id"], "--key", str(folder / "Test ERP.jwk")),
        *("--resource", resource),
    ]
    erp.enter_context(program(run_erp, environ, f"http://localhost:{erp_port}/", folder / "erp.log"))
    return made


@pytest.fixture(scope="module", params=["optional", "required"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With nonces for DPoP proofs welcome or demanded."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("interop")
        yield running(folder, stack, stack, CONSENT_DPOP_NONCE=request.param)


def details(service: Service) -> dict[str, Any]:
    return {
        "type": "business_data",
        "owner": {"authority": "iso6523-actorid-upis", "ID": OWNER},
        "purpose": "credit_assessment",
        "datatypes": ["trial_balance"],
        "actions": ["read"],
        "locations": [service.erp],
        "period": {"from": "2025-01-01", "to": "2025-12-31"},
        "access": {"mode": "standing", "valid_until": f"{time.gmtime().tm_year + 1}-01-01T00:00:00Z"},
        "retention": "P90D",
        "onward_sharing": [],
        "legal_basis": "consent",
    }


@contextmanager
def script(name: str, task: dict[str, Any]) -> Iterator[Script]:
    node = shutil.which("node")
    assert node, "make test installs it"
    started = subprocess.Popen(
        [node, str(HERE / f"{name}.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
    )
    try:
        talk = Script(started)
        talk.tell(task)
        yield talk
    finally:
        started.kill()
        started.communicate()


@dataclass
class Script:
    """A script of another runtime, to which we talk in lines of JSON."""

    process: subprocess.Popen[str]

    def tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return dict(json.loads(line))


def answered(browser: Browser, url: str, redirect_uri: str) -> str:
    """Follow a party's redirect as the owner, say yes, and return where the browser is sent back to."""
    browser.open(url)
    browser.press(id="sign-in-eid")
    browser.press(name="person", value=PERSON)
    page = browser.open(url)
    assert 'id="approve"' in page.text, page.text[:2000]
    browser.press(id="approve")
    assert str(browser.page.url).startswith(redirect_uri), browser.page.url
    return str(browser.page.url)


@contextmanager
def callback() -> Iterator[str]:
    """A redirect URI on which something answers, so that the browser gets there."""
    port = free_port()
    arguments = ["http.server", str(port), "--bind", "127.0.0.1", "--directory", str(HERE)]
    url = f"http://localhost:{port}/"
    started = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        yield f"{url}callback"
    finally:
        started.kill()
        started.wait()


@pytest.mark.parametrize("name", ["openid_client", "oauth4webapi"])
def test_a_client_from_npm_runs_the_whole_flow(service: Service, name: str) -> None:
    with callback() as redirect_uri:
        bank, key = service.register(
            f"{name} bank", "--role", "party", "--org", "0192:310041238", "--redirect-uri", redirect_uri
        )
        task = {
            "issuer": service.issuer,
            "client_id": bank["client_id"],
            "jwk": key,
            "redirect_uri": redirect_uri,
            "details": details(service),
            "read": f"{service.erp}/{OWNER}/trial_balance?from=2025-01-01&to=2025-06-30",
        }
        with script(name, task) as client, closing(Browser()) as browser:
            opened = client.hear()["open"]
            assert urlsplit(opened).path == "/oauth/authorize"
            client.tell({"callback": answered(browser, opened, redirect_uri)})
            grant_id = client.hear()["grant_id"]
            browser.open(f"{service.issuer}/grants/{grant_id}")
            browser.press(id="revoke")
            client.tell({"revoked": True})
            assert client.hear() == {"done": True}


@pytest.mark.parametrize("mode", ["poll", "ping"])
def test_a_client_from_npm_asks_without_a_browser(service: Service, mode: str) -> None:
    notified = f"http://localhost:{free_port()}/ping"
    metadata = service.folder / f"{mode}.json"
    more = {"backchannel_client_notification_endpoint": notified} if mode == "ping" else {}
    metadata.write_text(json.dumps({"backchannel_token_delivery_mode": mode, **more}))
    bank, key = service.register(
        f"{mode} bank",
        *("--role", "party", "--org", "0192:310041238", "--metadata", str(metadata)),
        *("--redirect-uri", "http://localhost/unused"),
    )
    task = {
        "issuer": service.issuer,
        "client_id": bank["client_id"],
        "jwk": key,
        "owner": OWNER,
        "details": details(service),
        "read": f"{service.erp}/{OWNER}/trial_balance?from=2025-01-01&to=2025-06-30",
        "ping": notified if mode == "ping" else None,
    }
    with script("openid_client_ciba", task) as client, closing(Browser()) as browser:
        for answer in ("approve", "decline"):
            assert client.hear() == {"waits": True}
            if answer == "approve":
                browser.open(service.issuer)
                browser.press(id="sign-in-eid")
                browser.press(name="person", value=PERSON)
            waiting = re.search(r'href="(/requests/[^"]+)"', browser.open(service.issuer).text)
            assert waiting
            assert "W4SCT" in browser.open(service.issuer + waiting.group(1)).text
            browser.press(id=answer)
        assert client.hear() == {"done": True}
