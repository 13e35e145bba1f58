"""The demo: service, eID and register, ERP system and bank as separate programs on free ports."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
import httpx2
import yaml

from consent_service.commands import CommandError, register, serve
from consent_service.config import from_environ
from consent_service.registry import identifiers
from consent_service.sandbox import story as plot
from consent_service.sandbox.erp.app import Company
from consent_service.sandbox.erp.model import Bookkeeping
from consent_service.sandbox.erp.saft import SaftError, load

BANK, HOLDER = "0192:310041238", "0192:310052345"
START_WITHIN = 30.0  # seconds
STOP_WITHIN = 5  # seconds
SAMPLE = Path(__file__).resolve().parent.parent / "sandbox" / "erp" / "sample-saft.xml"


@dataclass(frozen=True, slots=True)
class Running:
    """Where the programs are."""

    service: str
    erp: str
    bank: str
    company: Company
    period: tuple[str, str]
    person: tuple[str, str]
    logs: Path


def run(*, story: bool, saft: Path | None) -> int:
    """Bring everything up; play the story, or wait for Ctrl-C."""
    home = Path(os.environ.get("CONSENT_HOME") or "var").resolve() / "demo"
    # A demo starts from nothing each time, so that what it shows is what happened in it.
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _running(home, saft or SAMPLE) as running:
            if story:
                return (
                    0 if plot.play(running.service, running.bank, running.person[0], click.echo, home) else 1
                )
            _invite(running)
            signal.pause()
    except KeyboardInterrupt:
        click.echo("\nstopped")
    except (SaftError, ValueError) as error:
        raise CommandError(str(error)) from error
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _running(home: Path, saft: Path) -> Iterator[Running]:
    started = time.monotonic()
    books = load(saft)
    company = Company.of(books)
    identifiers.parse(company.owner)
    seed, person = _seed(home, company)
    ports = {name: serve.free_port() for name in ("service", "erp", "bank")}
    urls = {name: f"http://localhost:{port}" for name, port in ports.items()}
    resource = f"{urls['erp']}/api"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")},
        "CONSENT_SANDBOX": "1",
        "CONSENT_ISSUER": urls["service"],
        "CONSENT_HOME": str(home),
        "CONSENT_SECRET_KEY": secrets.token_urlsafe(32),
        "CONSENT_SANDBOX_SEED": str(seed),
    }
    if "CONSENT_DEMO_DATABASE_URL" in os.environ:
        environ["CONSENT_DATABASE_URL"] = os.environ["CONSENT_DEMO_DATABASE_URL"]
    click.echo("making the database and the signing key")
    serve.prepare(environ)
    settings = from_environ(environ)
    click.echo("registering the bank and the ERP system")
    for line in register.seed(settings, seed):
        del line  # the seed's own report is of no interest here
    options: dict[str, Any] = {
        "jwks": None,
        "as_json": True,
        "client_id": "",
        "redirect_uris": (),
        "resources": (),
    }
    bank = options | {
        "role": "party",
        "name": "Nordhavn credit check",
        "org": BANK,
        "new_key": home / "bank.jwk",
        "redirect_uris": (f"{urls['bank']}/callback",),
    }
    holder = options | {
        "role": "holder",
        "name": "Skyregn Regnskap",
        "org": HOLDER,
        "new_key": home / "erp.jwk",
        "resources": (resource,),
    }
    ids = {
        name: json.loads(register.client(settings, one))["client_id"]
        for name, one in (("bank", bank), ("erp", holder))
    }
    period = _period(books)
    programs = {
        "service": ["consent_service", "serve", "--port", str(ports["service"])],
        "erp": [
            *("consent_service.sandbox.erp", "--port", str(ports["erp"]), "--issuer", urls["service"]),
            *("--client-id", ids["erp"], "--key", str(home / "erp.jwk"), "--resource", resource),
            *("--saft", str(saft)),
        ],
        "bank": [
            *("consent_service.sandbox.bank", "--port", str(ports["bank"]), "--issuer", urls["service"]),
            *("--client-id", ids["bank"], "--key", str(home / "bank.jwk"), "--erp", resource),
            *("--owner", company.owner, "--owner-name", company.name, "--person", person[1]),
            *("--period-from", period[0], "--period-to", period[1]),
        ],
    }
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in programs.items():
            log = (home / f"{name}.log").open("wb")
            processes[name] = subprocess.Popen(  # noqa: S603  (our own interpreter and modules)
                [sys.executable, "-m", *arguments],
                env=environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            log.close()
        for name in programs:
            _wait(name, urls[name], processes[name], home / f"{name}.log")
            click.echo(f"{name:8} {urls[name]}")
        click.echo(f"ready in {time.monotonic() - started:.1f} s")
        yield Running(urls["service"], urls["erp"], urls["bank"], company, period, person, home)
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for process in processes.values():
            try:
                process.wait(timeout=STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


def _seed(home: Path, company: Company) -> tuple[Path, tuple[str, str]]:
    """The sandbox's seed; a company from somebody's own SAF-T file gets the first test person as its director."""
    document = yaml.safe_load(serve.SEED.read_text())
    first = document["persons"][0]
    if company.owner not in {one["id"] for one in document["organisations"]}:
        country = identifiers.country_of(company.owner)
        document["organisations"].append(
            {"id": company.owner, "name": company.name, "country": country, "status": "registered"}
        )
        first["roles"].insert(0, {"organisation": company.owner, "role": "managing_director"})
    path = home / "seed.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return path, (first["id"], first["name"])


def _period(books: Bookkeeping) -> tuple[str, str]:
    """What the file covers: as it says itself, else from its first to its last transaction."""
    if books.selection:
        return books.selection.start.isoformat(), books.selection.end.isoformat()
    dates = [transaction.date for transaction in books.transactions]
    if not dates:
        raise SaftError("the file says no period and has no transactions")
    return min(dates).isoformat(), max(dates).isoformat()


def _wait(name: str, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(f"{name} did not start: {log.read_text(errors='replace').strip()[-500:]}")
        try:
            if httpx2.get(f"{url}/healthz", timeout=1).is_success:
                return
        except httpx2.HTTPError:
            time.sleep(0.05)
    raise CommandError(f"{name} did not answer within {START_WITHIN:.0f} s; its log is {log}")


def _invite(running: Running) -> None:
    click.echo(
        f"""
Open {running.bank} and follow the story:
  {running.company.name} asks for a loan, the bank asks for its figures, you answer for the company.
  Sign in with the test eID as {running.person[1]}.
The owner's pages are at {running.service}, the ERP system is at {running.erp}.
Ctrl-C stops everything. Logs are in {running.logs}."""
    )
