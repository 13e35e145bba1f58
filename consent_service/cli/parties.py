"""``party``, ``holder``, ``owner``, ``register``: organisations, and what is known of them."""

from __future__ import annotations

import datetime as dt
import os

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ


@click.group()
def party() -> None:
    """Organisations that take part."""


@party.command("suspend")
@click.argument("organisation")
@click.option("--reason", required=True)
@clear
def party_suspend(organisation: str, reason: str) -> None:
    """Refuse an organisation's clients from the next decision on."""
    from consent_service.commands import register as command

    click.echo(command.set_standing(from_environ(os.environ), organisation, "suspended", reason))


@party.command("resume")
@click.argument("organisation")
@click.option("--reason", required=True)
@clear
def party_resume(organisation: str, reason: str) -> None:
    """Let a suspended organisation take part again."""
    from consent_service.commands import register as command

    click.echo(command.set_standing(from_environ(os.environ), organisation, "active", reason))


@party.command("license")
@click.argument("organisation")
@click.argument("licence")
@click.option("--source", required=True, help="The authority that gave it, in words that can be looked up.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True)
@clear
def party_license(organisation: str, licence: str, source: str, until: dt.datetime) -> None:
    """Record a LICENCE that purposes of the catalogue ask for, for example credit."""
    from consent_service.commands import register as command

    end = until.replace(tzinfo=dt.UTC)
    click.echo(command.license_party(from_environ(os.environ), organisation, licence, source, end))


@party.command("unlicense")
@click.argument("organisation")
@click.argument("licence")
@click.option("--reason", required=True)
@clear
def party_unlicense(organisation: str, licence: str, reason: str) -> None:
    """End a licence: from the next decision on, what needs it is refused."""
    from consent_service.commands import register as command

    click.echo(command.end_licence(from_environ(os.environ), organisation, licence, reason))


@click.group()
def holder() -> None:
    """Data holders and the owners that they serve."""


@holder.command("serve")
@click.argument("client_id")
@click.argument("owners", nargs=-1)
@click.option("--everybody", is_flag=True, help="Lift the limit: it may ask about every owner again.")
@clear
def holder_serve(client_id: str, owners: tuple[str, ...], *, everybody: bool) -> None:
    """Record OWNERS that a holder's client serves; from the first one on it may ask about no others."""
    from consent_service.commands import register as command

    click.echo(command.serve(from_environ(os.environ), client_id, owners, everybody=everybody))


@holder.command("unserve")
@click.argument("client_id")
@click.argument("owners", nargs=-1, required=True)
@clear
def holder_unserve(client_id: str, owners: tuple[str, ...]) -> None:
    """Record OWNERS that a holder's client serves no more; with the last one it serves nobody."""
    from consent_service.commands import register as command

    click.echo(command.unserve(from_environ(os.environ), client_id, owners))


@click.group()
def owner() -> None:
    """Owners whose data it is."""


@owner.command("dispute")
@click.argument("identifier")
@click.option("--reason", required=True)
@clear
def owner_dispute(identifier: str, reason: str) -> None:
    """Suspend all that an owner agreed to, because it is disputed who may act for it."""
    from consent_service.commands import register as command

    click.echo(command.dispute(from_environ(os.environ), identifier, reason, over=False))


@owner.command("settle")
@click.argument("identifier")
@click.option("--reason", required=True)
@clear
def owner_settle(identifier: str, reason: str) -> None:
    """Let what a dispute suspended go on."""
    from consent_service.commands import register as command

    click.echo(command.dispute(from_environ(os.environ), identifier, reason, over=True))


@click.group()
def register() -> None:
    """Business registers."""


@register.command("show")
@click.argument("organisation")
@clear
def register_show(organisation: str) -> None:
    """Show what the register says of an ORGANISATION: standing, posts, who binds it, and how old that is."""
    from consent_service.commands import registers as command

    for line in command.show(from_environ(os.environ), organisation):
        click.echo(line)


@register.command("check")
@click.argument("organisations", nargs=-1)
@clear
def register_check(organisations: tuple[str, ...]) -> None:
    """Look now at ORGANISATIONS, or at all that are due; who is bankrupt or gone has grants suspended."""
    from consent_service.commands import registers as command

    for line in command.check(from_environ(os.environ), organisations):
        click.echo(line)
