"""``policy test``, ``check``, ``diff`` and ``publish``: what the policies say, and making them decide."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from consent_service.clock import SystemClock
from consent_service.commands import CommandError
from consent_service.commands import replay as recorded
from consent_service.commands.database import transaction
from consent_service.commands.ledger import database_url
from consent_service.config import Settings
from consent_service.policy import cases
from consent_service.policy import publish as publishing
from consent_service.policy.analysis import analyse
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import from_directory
from consent_service.policy.replay import WhatIf
from consent_service.policy.rulebook import remembering

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


def check(directory: Path) -> int:
    """Hold the policies against the schema, and look for those that never decide; 1 when there are any."""
    rules = from_directory(directory)
    findings = analyse(_text(rules.policies))
    for one in findings:
        click.echo(f"{one.problem.upper()}  {one.policy}: {one.text}")
    if not findings:
        click.echo(f"{len(rules.policies.reasons)} policies fit the schema, and each can decide")
    return BAD if findings else OK


def publish(settings: Settings, directory: Path) -> str:
    """Let a policy directory decide from the next data request on, on every worker.

    1. It loads, and each of its policies can decide.
    2. Its cases come out as expected, where it has any.
    3. It is in the ledger, with its files; nothing else makes it count.

    :raises CommandError: it is refused, and the one of before goes on deciding
    """
    rules, given = from_directory(directory), cases.load(directory)
    if findings := analyse(_text(rules.policies)):
        raise CommandError(f"not published: {findings[0].policy}: {findings[0].text}")
    failed = [result.case.name for result in cases.run(given, rules) if not result]
    if failed:
        raise CommandError(f"not published: {len(failed)} cases come out otherwise, the first: {failed[0]}")
    with transaction(settings.database_url) as session:
        changed = publishing.publish(session, rules.policies, SystemClock().now())
        session.commit()
    done = f"{rules.policies.digest} " + ("decides from now on" if changed else "decides already")
    if directory.resolve() != settings.policy_dir:
        done += f"\nSet CONSENT_POLICY_DIR to {directory.resolve()}, or the next start goes back."
    return done


def diff(environ: Mapping[str, str], before: Path, after: Path, *, cases_only: bool) -> int:
    """What the second directory's policies say otherwise than the first one's; 1 when there is anything.

    1. Of the cases of both directories.
    2. Of the decisions that the configured database holds, each decided again by both.
    """
    old, new = remembering(from_directory(before)), remembering(from_directory(after))
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
    if cases_only:
        return BAD if changed else OK
    try:
        database_url(environ, None)
    except CommandError as error:
        click.echo(f"no recorded decisions were looked at: {error}")
        return BAD if changed else OK
    report = recorded.go_through(environ, what_if=WhatIf(new, instead_of=old))
    click.echo("\n".join(recorded.changes_in(report)))
    return BAD if changed or report.changed else OK


def _text(policies: PolicySet) -> str:
    return "\n".join(text for name, text in policies.files.items() if name.endswith(".cedar"))


def _said(permit: object, reasons: tuple[str, ...]) -> str:
    return f"{'permit' if permit else 'deny'} ({', '.join(reasons)})"
