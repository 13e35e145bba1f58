"""What is set up and what is missing, one line each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial

import click
import httpx2
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock, rfc3339
from consent_service.commands import serve
from consent_service.config import COUNTRIES, RegisterAccess, Settings, from_environ
from consent_service.errors import ConfigurationError
from consent_service.grants.catalogue import Catalogue, CatalogueError
from consent_service.keys.rotation import due
from consent_service.ledger import signing, store
from consent_service.ledger.model import Kind
from consent_service.policy.engine import PolicyError, PolicySet
from consent_service.registry.registers import together as registers
from consent_service.registry.registers.memory import Memory
from consent_service.upkeep import turns
from consent_service.upkeep.keeper import PURGE
from consent_service.web.certificate_names import Authorities

TIMEOUT = 3.0  # seconds
UNNOTICED = dt.timedelta(minutes=5)
"""How long a key may be due before it means that nobody looks."""


def run(environ: Mapping[str, str]) -> int:
    """Look at everything that a start needs; 0 when nothing is missing."""
    try:
        settings = from_environ(environ)
    except ConfigurationError as error:
        click.echo(f"MISSING  settings: {error}")
        return 1
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("database and signing key", _database),
        ("ledger", _ledger),
        ("upkeep", _upkeep),
        ("policies", _policies),
        ("catalogue", _catalogue),
        ("eID broker", _eid),
        *_registers(settings),
        ("client certificates", _certificates),
    ]
    click.echo(f"ok       settings: issuer {settings.issuer}, sandbox {'on' if settings.sandbox else 'off'}")
    missing = 0
    for name, check in checks:
        try:
            click.echo(f"ok       {name}: {check(settings)}")
        except (ConfigurationError, PolicyError, CatalogueError, httpx2.HTTPError, OSError) as error:
            missing += 1
            click.echo(f"MISSING  {name}: {error}")
    return 1 if missing else 0


def _database(settings: Settings) -> str:
    serve.check_ready(settings)
    return "up to date, the key opens"


def _ledger(settings: Settings) -> str:
    engine = create_engine(settings.database_url)
    try:
        with Session(engine) as session:
            head, key = store.head(session), signing.verifier_key(session, settings.log)
    except SQLAlchemyError as error:
        raise ConfigurationError(f"it can't be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    if head.halted:
        raise ConfigurationError(head.halted)
    return f"{head.size} entries, key {key or 'not made yet: the first start makes it'}"


def _upkeep(settings: Settings) -> str:
    engine = create_engine(settings.database_url)
    try:
        with Session(engine) as session:
            done = turns.done_at(session, PURGE)
            waiting = due(session, SystemClock().now() - UNNOTICED, settings.key_rotation)
    except SQLAlchemyError as error:
        raise ConfigurationError(f"it can't be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    if waiting and done:
        raise ConfigurationError(f"no worker looks after the signing keys for {', '.join(sorted(waiting))}")
    return f"tables last purged {rfc3339(done)[:16]}" if done else "begins with the first start"


def _policies(settings: Settings) -> str:
    policies = PolicySet.load(settings.policy_dir)
    engine = create_engine(settings.database_url)
    try:
        with Session(engine) as session:
            published = store.last_digest(session, Kind.POLICY_PUBLISHED)
    except SQLAlchemyError:
        published = None  # said of the database already
    finally:
        engine.dispose()
    said = f"{len(policies.reasons)} policies, {policies.digest[:19]}"
    if published and published != policies.digest:
        said += f"; another set was published and decides, {published[:19]}, until the next start"
    return said


def _catalogue(settings: Settings) -> str:
    catalogue = Catalogue.load(settings.policy_dir / "catalogue")
    return f"{len(catalogue.purposes)} purposes, {len(catalogue.data_sets)} data sets"


def _eid(settings: Settings) -> str:
    if not settings.eid_issuer:
        if settings.sandbox:
            return "the test eID, started with the service"
        raise ConfigurationError(
            "set CONSENT_EID_ISSUER, CONSENT_EID_CLIENT_ID and CONSENT_EID_CLIENT_SECRET"
        )
    url = f"{settings.eid_issuer}/.well-known/openid-configuration"
    httpx2.get(url, timeout=TIMEOUT).raise_for_status()
    return settings.eid_issuer


def _certificates(settings: Settings) -> str:
    known = (
        "known by name, by the authorities of CONSENT_MTLS_CA" if settings.mtls_ca else "known by thumbprint"
    )
    if settings.mtls_ca:
        Authorities(settings.mtls_ca)
    if settings.listener_secret:
        return f"{known}; a proxy says which, by CONSENT_LISTENER_SECRET"
    return f"{known}; with `serve --tls-cert`, else off"


def _registers(settings: Settings) -> list[tuple[str, Callable[[Settings], str]]]:
    """A line for each register that is set up, and one for the countries that have none of their own."""
    lines: list[tuple[str, Callable[[Settings], str]]] = [
        (f"business register of {access.country}", partial(_register, access=access))
        for access in settings.registers
    ]
    return [*lines, ("business register", _other_register)]


def _register(settings: Settings, access: RegisterAccess) -> str:
    """Where it is, what opens it, and when it answered last; nothing is asked of it here."""
    adapter = registers.adapter_of(access)
    opened = "by credentials" if access.user or access.secret else "open"
    said = f"{adapter.name}, {access.url}, {opened}"
    engine = create_engine(settings.database_url)
    try:
        reached = Memory(engine, settings.secret_key).reached(adapter.name)
    except SQLAlchemyError:
        return said  # said of the database already
    finally:
        engine.dispose()
    if reached.failures:
        since = rfc3339(reached.answered_at)[:16] if reached.answered_at else "ever"
        raise ConfigurationError(f"{said}; {reached.failures} failures in a row, no answer since {since}")
    return f"{said}; answered last {rfc3339(reached.answered_at)[:16]}" if reached.answered_at else said


def _other_register(settings: Settings) -> str:
    if settings.register_url:
        return settings.register_url
    if settings.sandbox and not settings.registers:
        return "the sandbox register, started with the service"
    missing = [one for one in COUNTRIES if one not in {access.country for access in settings.registers}]
    if not settings.registers:
        raise ConfigurationError(
            "set CONSENT_REGISTER_NO_URL and its kin, or CONSENT_REGISTER_URL; "
            "without a register nobody can act for a business"
        )
    return (
        f"none for {', '.join(missing)}: nobody acts for a business there"
        if missing
        else "every country has one"
    )
