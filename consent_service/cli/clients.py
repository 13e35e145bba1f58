"""``client``: clients registered, invited, ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ

AUTH_METHODS = (
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "client_secret_basic",
    "client_secret_post",
)


@click.group()
def client() -> None:
    """Requesting parties' and data holders' clients."""


@client.command("register")
@click.option("--role", type=click.Choice(["party", "holder", "supervisor", "login"]), required=True)
@click.option("--name", required=True, help="What the client is called.")
@click.option("--org", required=True, help="Its organisation, for example 0192:923609016.")
@click.option("--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Public JWK Set.")
@click.option(
    "--new-key", type=click.Path(dir_okay=False, path_type=Path), help="Write a new private JWK here."
)
@click.option("--redirect-uri", "redirect_uris", multiple=True)
@click.option(
    "--resource", "resources", multiple=True, help="Where a holder serves data (its tokens' audience)."
)
@click.option("--profile", type=click.Choice(["fapi2", "oidc"]), default="fapi2", show_default=True)
@click.option("--auth", type=click.Choice(AUTH_METHODS), default=AUTH_METHODS[0], show_default=True)
@click.option(
    "--metadata",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with more client metadata (RFC 7591 section 2), for example post_logout_redirect_uris.",
)
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM: for self_signed_tls_client_auth the one to accept, for tls_client_auth the subject to accept.",
)
@click.option("--tls-subject-dn", help="For tls_client_auth: the certificate's subject, as RFC 4514 has it.")
@click.option("--tls-san-dns", help="For tls_client_auth: a DNS name in the certificate.")
@click.option("--certificate-bound", is_flag=True, help="Its tokens are bound to its certificate (RFC 8705).")
@click.option("--client-id", default="", help="By default a random one.")
@click.option("--dpop", is_flag=True, help="Its tokens are bound to a DPoP key (RFC 9449), never bearer's.")
@click.option("--json", "as_json", is_flag=True)
@clear
def client_register(**options: Any) -> None:
    """Register a client of an organisation."""
    from consent_service.commands import register as command

    click.echo(command.client(from_environ(os.environ), options))


@client.command("invite")
@click.option("--role", type=click.Choice(["party", "holder", "supervisor", "login"]), required=True)
@click.option("--org", required=True, help="Whose clients, for example 0192:923609016.")
@click.option("--name", default="", help="The organisation's name, where it is not known here yet.")
@click.option("--profile", type=click.Choice(["fapi2", "oidc"]), default="fapi2", show_default=True)
@click.option("--resource", "resources", multiple=True, help="Where a holder's client serves data.")
@click.option("--uses", type=click.IntRange(1, 1000), default=1, show_default=True, help="So many clients.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--json", "as_json", is_flag=True)
@clear
def client_invite(**options: Any) -> None:
    """Let an organisation register clients itself: prints the initial access token, this once."""
    from consent_service.commands import enrol as command

    click.echo(command.invite(from_environ(os.environ), options))


@client.command("uninvite")
@click.argument("invitation_id")
@clear
def client_uninvite(invitation_id: str) -> None:
    """Let no more clients come of an invitation."""
    from consent_service.commands import enrol as command

    click.echo(command.uninvite(from_environ(os.environ), invitation_id))


@client.command("end")
@click.argument("client_id")
@clear
def client_end(client_id: str) -> None:
    """End a client for ever: no decision permits it anything, its tokens are dead; grants stay visible."""
    from consent_service.commands import enrol as command

    click.echo(command.end(from_environ(os.environ), client_id))
