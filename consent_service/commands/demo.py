"""The demo: service, eID and register, ERP system and bank as separate programs on free ports."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
import yaml

from consent_service.commands import CommandError, programs, register, serve
from consent_service.commands.programs import Program
from consent_service.config import Settings, from_environ
from consent_service.registry import identifiers
from consent_service.sandbox import story as plot
from consent_service.sandbox.erp.app import Company
from consent_service.sandbox.erp.model import Bookkeeping
from consent_service.sandbox.erp.saft import SaftError, load

BANK, HOLDER = "0192:310041238", "0192:310052345"
SAMPLE = Path(__file__).resolve().parent.parent / "sandbox" / "erp" / "sample-saft.xml"
NEW_CLIENT: dict[str, Any] = {
    "jwks": None,
    "as_json": True,
    "client_id": "",
    "redirect_uris": (),
    "resources": (),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What the story is played with: whose books, which period, who answers, and where everything is."""

    home: Path
    saft: Path
    company: Company
    period: tuple[str, str]
    person: tuple[str, str]
    seed: Path
    ports: dict[str, int]

    def url(self, name: str) -> str:
        return f"http://localhost:{self.ports[name]}"


def run(*, story: bool, saft: Path | None) -> int:
    """Bring everything up; play the story, or wait for Ctrl-C.

    :raises CommandError: the file can't be used, or a program does not come up
    """
    home = Path(os.environ.get("CONSENT_HOME") or "var").resolve() / "demo"
    # A demo starts from nothing each time, so that what it shows is what happened in it.
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for one in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: a shell starts background jobs with it ignored
        signal.signal(one, _interrupt)
    try:
        stage = _stage(home, saft or SAMPLE)
        with _played_on(stage) as database_url:
            if story:
                cast = plot.Cast(stage.url("service"), stage.url("bank"), stage.person[0], database_url)
                return 0 if plot.play(cast, click.echo) else 1
            _invite(stage)
            signal.pause()
    except KeyboardInterrupt:
        click.echo("\nstopped")
    except (SaftError, ValueError) as error:
        raise CommandError(str(error)) from error
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stage(home: Path, saft: Path) -> Stage:
    books = load(saft)
    company = Company.of(books)
    identifiers.parse(company.owner)
    seed, person = _seed(home, company)
    ports = {name: serve.free_port() for name in ("service", "erp", "bank")}
    return Stage(home, saft, company, _period(books), person, seed, ports)


@contextmanager
def _played_on(stage: Stage) -> Iterator[str]:
    """Everything up and ready; yields the service's database."""
    started = time.monotonic()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")},
        "CONSENT_SANDBOX": "1",
        "CONSENT_ISSUER": stage.url("service"),
        "CONSENT_HOME": str(stage.home),
        "CONSENT_SECRET_KEY": secrets.token_urlsafe(32),
        "CONSENT_SANDBOX_SEED": str(stage.seed),
    }
    if database_url := os.environ.get("CONSENT_DATABASE_URL"):
        environ["CONSENT_DATABASE_URL"] = database_url
    click.echo("making the database and the signing key")
    serve.prepare(environ)
    with serve.country(environ, from_environ(environ)) as additions:
        environ |= additions
        settings = from_environ(environ)
        click.echo("registering the bank and the ERP system, their names from the register")
        cast = _programs(stage, _clients(stage, settings))
        with programs.running(cast, environ):
            for program in cast:
                click.echo(f"{program.name:8} {program.url}")
            click.echo(f"ready in {time.monotonic() - started:.1f} s")
            yield settings.database_url


def _clients(stage: Stage, settings: Settings) -> dict[str, str]:
    """Register the bank and the ERP system as an operator would, and return their client ids."""
    bank = NEW_CLIENT | {
        "role": "party",
        "name": "Nordhavn credit check",
        "org": BANK,
        "new_key": stage.home / "bank.jwk",
        "redirect_uris": (f"{stage.url('bank')}/callback",),
    }
    erp = NEW_CLIENT | {
        "role": "holder",
        "name": "Skyregn Regnskap",
        "org": HOLDER,
        "new_key": stage.home / "erp.jwk",
        "resources": (f"{stage.url('erp')}/api",),
    }
    registered = {
        name: register.client(settings, options) for name, options in (("bank", bank), ("erp", erp))
    }
    return {name: str(json.loads(answer)["client_id"]) for name, answer in registered.items()}


def _programs(stage: Stage, ids: dict[str, str]) -> list[Program]:
    service, erp = stage.url("service"), stage.url("erp")

    def program(name: str, *arguments: str) -> Program:
        ready = (*arguments, "--port", str(stage.ports[name]))
        return Program(name, ready, stage.url(name), stage.home / f"{name}.log")

    def client(name: str) -> tuple[str, ...]:
        key = str(stage.home / f"{name}.jwk")
        return (
            f"consent_service.sandbox.{name}",
            "--issuer",
            service,
            "--client-id",
            ids[name],
            "--key",
            key,
        )

    asks = ("--owner", stage.company.owner, "--owner-name", stage.company.name, "--person", stage.person[1])
    period = ("--period-from", stage.period[0], "--period-to", stage.period[1])
    return [
        program("service", "consent_service", "serve"),
        program("erp", *client("erp"), "--resource", f"{erp}/api", "--saft", str(stage.saft)),
        program("bank", *client("bank"), "--erp", f"{erp}/api", *asks, *period),
    ]


def _seed(home: Path, company: Company) -> tuple[Path, tuple[str, str]]:
    """The sandbox's people; a company from somebody's own file gets the first of them as its director."""
    document = yaml.safe_load(serve.SEED.read_text())
    first = document["persons"][0]
    if company.owner not in {one["id"] for one in document["organisations"]}:
        country = identifiers.country_of(company.owner)
        document["organisations"].append({"id": company.owner, "name": company.name, "country": country})
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


def _invite(stage: Stage) -> None:
    click.echo(
        f"""
Open {stage.url("bank")} and follow the story:
  {stage.company.name} wants a loan, the bank asks for its figures, you answer for the company.
  Sign in with the test eID as {stage.person[1]}.
The owner's pages are at {stage.url("service")}, the ERP system is at {stage.url("erp")}.
Logs and keys are in {stage.home}.
Ctrl-C stops everything."""
    )
