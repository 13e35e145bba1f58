"""The command line, ``consent-service``: commands' names and options, a file for each kind of work.

What they do is in :mod:`consent_service.commands`, and imported when a command runs.
"""

from __future__ import annotations

import click

from consent_service.cli import clients, grants, keys, ledger, parties, policy, running, signals


@click.group()
@click.version_option(package_name="consent-service")
def main() -> None:
    """Permission to read a business's data: given, checked on every request, proven."""


for _command in (
    running.serve,
    running.demo,
    running.seed,
    running.token,
    running.doctor,
    running.database,
    keys.keys,
    ledger.ledger,
    policy.policy,
    ledger.mandate,
    clients.client,
    parties.party,
    parties.holder,
    parties.owner,
    grants.grant,
    parties.register,
    signals.signal,
):
    main.add_command(_command)
