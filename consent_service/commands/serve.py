"""Running the service on granian, with the sandbox's eID and register beside it when there are no others."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from sqlalchemy.exc import SQLAlchemyError

from consent_service.clock import SystemClock
from consent_service.commands import CommandError, database, keys, programs, tls
from consent_service.commands import ledger as log
from consent_service.commands.programs import Program
from consent_service.config import Settings, from_environ
from consent_service.errors import ConfigurationError
from consent_service.keys.rotation import due
from consent_service.keys.signing import check_opens
from consent_service.listener.context import EVERYBODY
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish

SEED = Path(__file__).resolve().parent.parent / "sandbox" / "seed.yaml"
BLOCKING_THREADS = 16  # a worker's requests at one time; each waits for the database, not for the processor


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and how to listen."""

    host: str
    port: int
    workers: int = 1
    tls_cert: Path | None = None
    tls_key: Path | None = None


def run(environ: dict[str, str], listen: Listen) -> None:
    """Check everything, then serve until stopped.

    :raises ConfigurationError: what is missing, and what to do
    """
    if bool(listen.tls_cert) != bool(listen.tls_key):
        raise CommandError("--tls-cert and --tls-key go together")
    settings = from_environ(environ)
    if settings.sandbox:
        prepare(environ)
    check_ready(settings)
    log.begin(settings)
    publish_policies(settings)
    with country(environ, settings) as additions, _front(listen, settings) as (socket_path, of_front):
        scheme = "https" if listen.tls_cert else "http"
        click.echo(f"{settings.issuer} is served on {scheme}://{listen.host}:{listen.port}", err=True)
        serve({**environ, **additions, **of_front}, listen, socket_path)


def _front(listen: Listen, settings: Settings) -> AbstractContextManager[tuple[Path | None, dict[str, str]]]:
    """Our own TLS in front, where a certificate is given; else granian listens by itself."""
    if not listen.tls_cert or not listen.tls_key:
        return nullcontext((None, {}))
    ask = EVERYBODY
    if settings.mtls_url:
        ask = urlsplit(settings.mtls_url).hostname or ""
        if ask == settings.host:  # the name is all that tells the two apart
            raise CommandError("CONSENT_MTLS_URL must have another host name than CONSENT_ISSUER")
    behind_proxy = settings.trusted_proxies > 0
    front = tls.Front(
        listen.host, listen.port, listen.tls_cert, listen.tls_key, listen.workers, behind_proxy, ask
    )
    return tls.listening(front)


def prepare(environ: Mapping[str, str]) -> None:
    """In the sandbox, make what an operator would make: tables and signing keys."""
    database.upgrade(environ)
    settings = from_environ(environ)
    with database.transaction(settings.database_url) as session:
        missing = due(session, SystemClock().now(), None)
    list(keys.rotate(settings, sorted(missing)))


def check_ready(settings: Settings) -> None:
    """Refuse to start on a database that is not up to date or has no key that opens.

    :raises ConfigurationError: with the command that mends it
    """
    try:
        current = database.is_current(settings.database_url)
    except SQLAlchemyError as error:
        raise ConfigurationError(f"the database can't be opened: {type(error).__name__}") from error
    if not current:
        raise ConfigurationError("the database is not up to date: run `consent-service db upgrade`")
    with database.transaction(settings.database_url) as session:
        check_opens(session, settings.secret_key)


def publish_policies(settings: Settings) -> None:
    """Record in the ledger which policy set decides from now on, when it is another than before."""
    policies = PolicySet.load(settings.policy_dir)
    with database.transaction(settings.database_url) as session:
        publish(session, policies, SystemClock().now())
        session.commit()


def serve(environ: Mapping[str, str], listen: Listen, socket_path: Path | None = None) -> None:
    """Serve until a signal comes, on the Unix socket where one is given."""
    import os

    os.environ.update(environ)  # the workers read their settings from here
    Granian(
        "wsgi:application",
        address=listen.host,
        port=listen.port,
        interface=Interfaces.WSGI,
        workers=listen.workers,
        blocking_threads=BLOCKING_THREADS,
        backpressure=BLOCKING_THREADS * 8,
        respawn_failed_workers=True,  # a worker that is killed is no reason to stop the others
        websockets=False,
        log_access=False,
        log_level=LogLevels.error,
        uds=socket_path,
        uds_permissions=0o600,
        working_dir=Path(__file__).resolve().parent.parent.parent,
    ).serve()


@contextmanager
def country(environ: Mapping[str, str], settings: Settings) -> Iterator[dict[str, str]]:
    """The sandbox's eID and register as a program beside the service, when none are configured."""
    if not settings.sandbox or settings.eid_issuer:
        yield {}
        return
    port, secret = free_port(), secrets.token_urlsafe(24)
    arguments = (
        *("consent_service.sandbox.country", "--port", str(port)),
        *("--seed", environ.get("CONSENT_SANDBOX_SEED", str(SEED))),
        *("--redirect-uri", f"{settings.issuer}/sign-in/eid/callback"),
    )
    program = Program("country", arguments, f"http://localhost:{port}", settings.home / "country.log")
    with programs.running([program], {**environ, "SANDBOX_EID_CLIENT_SECRET": secret}):
        yield {
            "CONSENT_EID_ISSUER": f"http://localhost:{port}/eid",
            "CONSENT_EID_CLIENT_ID": settings.eid_client_id,
            "CONSENT_EID_CLIENT_SECRET": secret,
            "CONSENT_REGISTER_URL": f"http://localhost:{port}/register",
        }


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
