"""Running the service, looking after it, and trying it out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ


@click.command()
@click.option("--port", type=int, default=8000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@clear
def serve(port: int, host: str, workers: int, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Run the service."""
    from consent_service.commands import serve as command

    command.run(dict(os.environ), command.Listen(host, port, workers, tls_cert, tls_key))


@click.command()
@click.option("--story", is_flag=True, help="Play the whole story without a person, and say what happened.")
@click.option(
    "--saft", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A SAF-T Financial file."
)
@clear
def demo(*, story: bool, saft: Path | None) -> None:
    """Run service, register, eID, ERP system and bank on this machine, ready to try."""
    from consent_service.commands.demo import run

    sys.exit(run(story=story, saft=saft))


@click.group("db")
def database() -> None:
    """The database."""


@database.command("upgrade")
@clear
def database_upgrade() -> None:
    """Bring the tables up to date."""
    from consent_service.commands import database as command

    click.echo(command.upgrade(os.environ))


@database.command("purge")
@clear
def database_purge() -> None:
    """Delete all that has ended at once; the running service does it by itself, a little at a time."""
    from consent_service.commands import database as command

    click.echo(command.purge(from_environ(os.environ)))


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@clear
def seed(file: Path) -> None:
    """Register the organisations and clients of a YAML file."""
    from consent_service.commands import register as command

    for line in command.seed(from_environ(os.environ), file):
        click.echo(line)


@click.command()
@click.option("--client", "client_id", required=True)
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--scope", default="decisions", show_default=True)
@click.option("--issuer", envvar="CONSENT_ISSUER", required=True, help="By default CONSENT_ISSUER.")
@clear
def token(client_id: str, key: Path, scope: str, issuer: str) -> None:
    """Get an access token by client credentials from the running service and print it."""
    from consent_service.commands import register as command

    click.echo(command.token(issuer, client_id, key, scope))


@click.command()
@clear
def doctor() -> None:
    """Say what is set up and what is missing."""
    from consent_service.commands import doctor as command

    sys.exit(command.run(os.environ))
