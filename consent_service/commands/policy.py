"""``policy test`` and ``policy diff``: what the policies say, on cases that people can read."""

from __future__ import annotations

from pathlib import Path

import click

from consent_service.commands import CommandError
from consent_service.policy import cases
from consent_service.policy.publish import from_directory

OK, BAD = 0, 1


def test(directory: Path) -> int:
    """Run a policy directory's cases; 1 when one comes out otherwise or a policy never decided."""
    rules, given = from_directory(directory), cases.load(directory)
    if not given:
        raise CommandError(f"{directory / cases.FOLDER} has no cases")
    results = list(cases.run(given, rules))
    for result in results:
        if not result:
            click.echo(f"FAILED  {result.case.name}")
            click.echo(f"        expected {_said(result.case.permit, result.case.reasons)}")
            click.echo(f"        came out {_said(result.permit, result.reasons)}")
    covered = cases.coverage(results, rules)
    width = max(map(len, covered))
    click.echo(f"{'policy'.ljust(width)}  decided")
    for policy, count in covered.items():
        click.echo(f"{policy.ljust(width)}  {count or 'never: no case tries it'}")
    failed = sum(not result for result in results)
    click.echo(f"{len(results) - failed} of {len(results)} cases came out as expected")
    return BAD if failed or not all(covered.values()) else OK


def diff(before: Path, after: Path) -> int:
    """Which cases of both directories come out otherwise by the second one's policies; 1 when any does."""
    old, new = from_directory(before), from_directory(after)
    given = {case.name: case for case in (*cases.load(before), *cases.load(after))}
    pairs = zip(cases.run([*given.values()], old), cases.run([*given.values()], new), strict=True)
    changed = [
        (one, other) for one, other in pairs if (one.permit, one.reasons) != (other.permit, other.reasons)
    ]
    for one, other in changed:
        click.echo(f"CHANGED  {one.case.name}")
        click.echo(f"         was      {_said(one.permit, one.reasons)}")
        click.echo(f"         would be {_said(other.permit, other.reasons)}")
    click.echo(f"{len(changed)} of {len(given)} cases change")
    return BAD if changed else OK


def _said(permit: object, reasons: tuple[str, ...]) -> str:
    return f"{'permit' if permit else 'deny'} ({', '.join(reasons)})"
