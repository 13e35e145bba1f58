"""A sandbox country of one test, which its registrar's desk can change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import Engine
from werkzeug.serving import make_server

from consent_service.config import POLICIES, RegisterAccess, Settings
from consent_service.registry.registers import together
from consent_service.registry.registers.base import Adapter
from consent_service.registry.registers.together import Registers
from consent_service.sandbox.country import eid
from consent_service.sandbox.country.__main__ import create_app as create_country
from consent_service.sandbox.country.iceland import CLIENT
from consent_service.sandbox.country.seed import load
from tests.world import CALLBACK, EID_SECRET, SEED


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[str]:
    server = make_server("127.0.0.1", port, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://localhost:{server.port}"
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


@contextmanager
def a_country() -> Iterator[str]:
    """The sandbox's eID and registers over real HTTP; yields its address."""
    probe = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    port = probe.port
    probe.server_close()
    relying = eid.Relying("consent-service", EID_SECRET, frozenset({CALLBACK}))
    with served(create_country(load(SEED), f"http://localhost:{port}/eid", relying), port) as url:
        yield url


@dataclass
class Nation:
    """The sandbox's country of one test, and its registrar's desk."""

    url: str

    def set_status(self, organisation: str, status: str) -> None:
        answer = httpx2.post(f"{self.url}/desk/organisations/{organisation}", json={"status": status})
        answer.raise_for_status()

    def set_roles(self, person: str, *roles: tuple[str, str]) -> None:
        given = [{"organisation": organisation, "role": role} for organisation, role in roles]
        httpx2.post(f"{self.url}/desk/persons/{person}", json={"roles": given}).raise_for_status()

    def access(self, country: str) -> RegisterAccess:
        base = f"{self.url}/{country.lower()}"
        return {
            "NO": RegisterAccess("NO", base),
            "SE": RegisterAccess("SE", base, "", f"{base}/oauth2/token", "sandbox", "sandbox"),
            "DK": RegisterAccess("DK", base, user="sandbox", secret="sandbox"),
            "FI": RegisterAccess("FI", base, base),
            "IS": RegisterAccess("IS", base, f"{base}/prokura", user=CLIENT, secret="sandbox"),
        }[country]

    def registers(self, *countries: str, engine: Engine | None = None, otherwise: bool = False) -> Registers:
        settings = Settings(
            issuer="http://localhost",
            secret_key="k" * 40,
            home=POLICIES,
            database_url="",
            policy_dir=POLICIES,
            register_url=f"{self.url}/register" if otherwise else "",
            registers=tuple(self.access(country) for country in countries),
        )
        made = together.of(settings, engine)
        assert isinstance(made, Registers)
        return made

    def adapter(self, country: str) -> Adapter:
        icd = {"NO": "0192", "SE": "0007", "DK": "0184", "FI": "0212", "IS": "0196"}[country]
        found = self.registers(country).adapter(f"{icd}:")
        assert found is not None
        return found
