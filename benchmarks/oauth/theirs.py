"""``oidc-provider`` from npm, one Node.js process on the first core, with its in-memory store."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks.oauth.ours import BROWSERS
from benchmarks.oauth.sides import BANK, ERP, Key, Side
from consent_service.commands.serve import free_port

HERE = Path(__file__).parent
PATHS = {
    "par": "/request",
    "authorize": "/auth",
    "token": "/token",
    "introspect": "/token/introspection",
}


@contextmanager
def running_side() -> Iterator[Side]:
    """The same bank and ERP system; each browser signs in on its first way through."""
    port, secret, keys = free_port(), secrets.token_urlsafe(32), {BANK: Key(), ERP: Key()}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({name: key.public for name, key in keys.items()} | {"secret": secret}, file)
        file.flush()
        command = ["taskset", "-c", "0", "node", str(HERE / "provider.mjs"), str(port), file.name]
        environ = {**os.environ, "NODE_ENV": "production"}
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=environ, stdout=quiet, stderr=quiet) as process:
            try:
                yield _side(f"http://localhost:{port}", keys, secret)
            finally:
                process.terminate()
                process.wait(timeout=30)


def _side(issuer: str, keys: dict[str, Key], secret: str) -> Side:
    _wait(issuer)
    basic = base64.b64encode(f"erp-secret:{secret}".encode()).decode()
    browsers: list[dict[str, str]] = [{} for _ in range(BROWSERS)]
    owners = ["0192:923609016"] * BROWSERS
    introspecting = {"Authorization": f"Basic {basic}"}
    return Side("oidc-provider", issuer, PATHS, keys, browsers, owners, introspecting)


def version() -> str:
    """What is installed, and what runs it."""
    package = HERE / "node_modules" / "oidc-provider" / "package.json"
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"oidc-provider {json.loads(package.read_text())['version']} on Node.js {node}"


def _wait(issuer: str) -> None:
    for _ in range(200):
        try:
            httpx2.get(f"{issuer}/.well-known/openid-configuration")
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("oidc-provider did not start")
