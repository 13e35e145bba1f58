"""``ledger`` and ``mandate``: the log, and who may read what lies behind its entries."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ


@click.group()
def ledger() -> None:
    """The ledger."""


@ledger.command("verify")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--database", help="An SQLite file or a database URL; by default the configured one.")
@click.option("--url", help="A log over HTTP, for example https://consent.example.no/ledger.")
@click.option("--key", help="The log's public key, or a file that holds it.")
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that you remembered: the log must go on from it; only what came after is walked.",
)
@click.option(
    "--witness", "witnesses", multiple=True, help="A witness's public key, to say what it cosigned."
)
@clear
def ledger_verify(
    file: Path | None,
    database: str | None,
    url: str | None,
    key: str | None,
    checkpoint: Path | None,
    witnesses: tuple[str, ...],
) -> None:
    """Verify a proof FILE, a remote log (--url), or a whole database; exit 1 and name what does not hold."""
    from consent_service.commands import ledger as command

    trust = command.Trust.of(key, checkpoint, witnesses)
    if file is not None:
        sys.exit(command.verify_file(file, trust, os.environ))
    sys.exit(command.verify_log(url, trust) if url else command.verify_database(os.environ, database, trust))


@ledger.command("replay")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="First entry to decide again.")
@click.option("--to", "end", type=click.IntRange(min=0), help="Last entry to decide again.")
@click.option(
    "--policies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Decide by this policy directory instead: what would have changed?",
)
@click.option("--database", help="An SQLite file or a database URL; by default the configured one.")
@click.option("--json", "as_json", is_flag=True)
@clear
def ledger_replay(
    *, start: int, end: int | None, policies: Path | None, database: str | None, as_json: bool
) -> None:
    """Decide every recorded decision again from the entries alone; exit 1 on any difference."""
    from consent_service.commands import replay as command

    sys.exit(command.run(os.environ, database, (start, end), policies, as_json=as_json))


@ledger.command("sequence")
@click.option("--once", is_flag=True, help="Stop when nothing waits.")
@clear
def ledger_sequence(*, once: bool) -> None:
    """Run a sequencer of its own, beside those of the workers."""
    from consent_service.commands import ledger as command

    click.echo(command.sequence(from_environ(os.environ), once=once))


@ledger.command("resume")
@clear
def ledger_resume() -> None:
    """Let a halted log go on, once the database is again what was published."""
    from consent_service.commands import ledger as command

    click.echo(command.resume(from_environ(os.environ)))


@ledger.command("erase")
@click.argument("entry_ids", nargs=-1)
@click.option("--person", help="Erase everything in which this person acted.")
@click.option("--reason", required=True)
@clear
def ledger_erase(entry_ids: tuple[str, ...], person: str | None, reason: str) -> None:
    """Erase payloads for ever; entries and proofs stay."""
    from consent_service.commands import ledger as command

    for line in command.erase(from_environ(os.environ), entry_ids, person, reason):
        click.echo(line)


@click.group()
def mandate() -> None:
    """Supervisors' mandates to read what lies behind ledger entries."""


@mandate.command("give")
@click.argument("client_id")
@click.option("--owner", "owners", multiple=True, help="An owner; by default all.")
@click.option("--kind", "kinds", multiple=True, help="For example decision or grant; by default all.")
@click.option("--basis", required=True, help="The legal basis, in words that an owner can look up.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True)
@clear
def mandate_give(
    client_id: str, owners: tuple[str, ...], kinds: tuple[str, ...], basis: str, until: dt.datetime
) -> None:
    """Give a supervisor's client a mandate."""
    from consent_service.commands import ledger as command
    from consent_service.registry.mandates import Scope

    end = until.replace(tzinfo=dt.UTC)
    settings = from_environ(os.environ)
    click.echo(command.give_mandate(settings, client_id, Scope(owners, kinds), basis, end))


@mandate.command("end")
@click.argument("mandate_id")
@clear
def mandate_end(mandate_id: str) -> None:
    """End a mandate at once."""
    from consent_service.commands import ledger as command

    click.echo(command.end_mandate(from_environ(os.environ), mandate_id))
