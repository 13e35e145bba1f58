"""``keys``: the service's signing keys."""

from __future__ import annotations

import json
import os

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ
from consent_service.keys.jws import Algorithm


@click.group()
def keys() -> None:
    """The service's signing keys."""


@keys.command("rotate")
@click.option(
    "--alg",
    "algorithms",
    multiple=True,
    type=click.Choice([one.value for one in Algorithm]),
    help="By default all.",
)
@click.option("--now", "at_once", is_flag=True, help="Don't announce it first: the key before it was stolen.")
@clear
def keys_rotate(algorithms: tuple[str, ...], *, at_once: bool) -> None:
    """Make new signing keys; those before them stay published until the last of their tokens ends."""
    from consent_service.commands import keys as command

    wanted = [Algorithm(one) for one in algorithms] or list(Algorithm)
    for line in command.rotate(from_environ(os.environ), wanted, at_once=at_once):
        click.echo(line)


@keys.command("withdraw", context_settings={"ignore_unknown_options": True})  # a KID may begin with "-"
@click.argument("kid")
@clear
def keys_withdraw(kid: str) -> None:
    """Publish a retired key no more: what it signed counts no longer."""
    from consent_service.commands import keys as command

    click.echo(command.withdraw(from_environ(os.environ), kid))


@keys.command("list")
@click.option("--json", "as_json", is_flag=True)
@clear
def keys_list(*, as_json: bool) -> None:
    """Every signing key there ever was, newest first."""
    from consent_service.commands import keys as command

    listed = command.listed(from_environ(os.environ))
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    for one in listed:
        signs = "signs" if one["state"] in {"announced", "signing"} else "signed"
        click.echo(f"{one['algorithm']}  {one['state']:9}  {signs} from {one['signs_from']}  {one['kid']}")
