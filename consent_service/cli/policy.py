"""``policy``: policies tested, checked, published, compared."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from consent_service.cli.base import clear
from consent_service.config import from_environ, policy_dir_from


@click.group()
def policy() -> None:
    """The policies that decide."""


DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@policy.command("test")
@click.argument("directory", required=False, type=DIRECTORY)
@clear
def policy_test(directory: Path | None) -> None:
    """Run the cases in DIRECTORY/tests (by default CONSENT_POLICY_DIR's); exit 1 on any surprise."""
    from consent_service.commands import policy as command

    sys.exit(command.test(directory or policy_dir_from(os.environ)))


@policy.command("check")
@click.argument("directory", required=False, type=DIRECTORY)
@clear
def policy_check(directory: Path | None) -> None:
    """Fail on a policy that does not fit the schema, can never apply, or is always shadowed."""
    from consent_service.commands import policy as command

    sys.exit(command.check(directory or policy_dir_from(os.environ)))


@policy.command("publish")
@click.argument("directory", required=False, type=DIRECTORY)
@clear
def policy_publish(directory: Path | None) -> None:
    """Let DIRECTORY (by default CONSENT_POLICY_DIR) decide from now on, on every running worker."""
    from consent_service.commands import policy as command

    click.echo(command.publish(from_environ(os.environ), directory or policy_dir_from(os.environ)))


@policy.command("diff")
@click.argument("before", type=DIRECTORY)
@click.argument("after", type=DIRECTORY)
@click.option("--cases-only", is_flag=True, help="Leave the recorded decisions of the database alone.")
@clear
def policy_diff(before: Path, after: Path, *, cases_only: bool) -> None:
    """Show which cases, and which recorded decisions of the configured database, come out otherwise."""
    from consent_service.commands import policy as command

    sys.exit(command.diff(dict(os.environ), before, after, cases_only=cases_only))
