"""``signal``: streams of security events."""

from __future__ import annotations

import os

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ


@click.group()
def signal() -> None:
    """Streams of security events to other systems."""


@signal.command("list")
@clear
def signal_list() -> None:
    """Show every stream: id, receiver, delivery, status, how much waits."""
    from consent_service.commands import signals as command

    for line in command.streams(from_environ(os.environ)):
        click.echo(line)


@signal.command("status")
@click.argument("stream_id")
@click.argument("status", type=click.Choice(["enabled", "paused", "disabled"]))
@click.option("--reason", required=True, help="Told to the receiver.")
@clear
def signal_status(stream_id: str, status: str, reason: str) -> None:
    """Enable, pause or disable a stream; its receiver is told."""
    from consent_service.commands import signals as command

    click.echo(command.set_status(from_environ(os.environ), stream_id, status, reason))


@signal.command("send")
@click.option("--stream", "stream_id", help="By default every stream.")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(["session-revoked", "credential-change", "token-claims-change"]),
    help="By default all of them.",
)
@click.option("--subject", help="The subject of the ID tokens of whom it is about; by default nobody's.")
@clear
def signal_send(stream_id: str | None, events: tuple[str, ...], subject: str | None) -> None:
    """In the sandbox only: send events of which nothing is true, to try a receiver or a transmitter."""
    from consent_service.commands import signals as command

    for line in command.send(from_environ(os.environ), stream_id, events, subject):
        click.echo(line)
