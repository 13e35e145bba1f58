"""``grant``: a grant's history, and an owner's word that came by another way."""

from __future__ import annotations

import os

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ


@click.group()
def grant() -> None:
    """Grants that owners gave, or a law opened."""


@grant.command("history")
@click.argument("grant_id")
@click.option("--json", "as_json", is_flag=True)
@clear
def grant_history(grant_id: str, *, as_json: bool) -> None:
    """Show a grant's versions, who made each and by which ledger entry, and what was decided under them."""
    from consent_service.commands import grants as command

    for line in command.history(from_environ(os.environ), grant_id, as_json=as_json):
        click.echo(line)


@grant.command("revoke")
@click.argument("grant_id")
@click.option("--channel", type=click.Choice(["phone", "letter", "in_person"]), required=True)
@click.option("--note", required=True, help="Who said so, and how they showed who they are.")
@clear
def grant_revoke(grant_id: str, channel: str, note: str) -> None:
    """Take a grant back for its owner, who said so by phone, by letter or in person."""
    from consent_service.commands import grants as command

    click.echo(command.revoke(from_environ(os.environ), grant_id, channel, note))
