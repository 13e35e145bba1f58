"""``ledger replay``: the report, as a table or as JSON; and for ``policy diff``, the recorded decisions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click
import orjson
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.commands import CommandError, tables
from consent_service.commands.ledger import BAD, OK, database_url, progress_bar
from consent_service.ledger import store
from consent_service.policy.past import Past
from consent_service.policy.publish import from_directory
from consent_service.policy.replay import Report, WhatIf, replay
from consent_service.policy.rulebook import remembering
from consent_service.policy.told import Told

MOST_SHOWN = 20


def run(
    environ: Mapping[str, str],
    database: str | None,
    span: tuple[int, int | None],
    policies: Path | None,
    *,
    as_json: bool,
) -> int:
    """Replay and say what was found; 1 when anything differs from the record."""
    what_if = WhatIf(remembering(from_directory(policies))) if policies else None
    report = go_through(environ, database, span, what_if)
    click.echo(_as_json(report) if as_json else _as_text(report, what_if=what_if is not None))
    return BAD if report.differences else OK


def go_through(
    environ: Mapping[str, str],
    database: str | None = None,
    span: tuple[int, int | None] = (0, None),
    what_if: WhatIf | None = None,
) -> Report:
    """Replay a database, by default the configured one; the tables are looked at where no policies are tried.

    :raises CommandError: it is not there, or can't be read
    """
    engine = create_engine(database_url(environ, database))
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    report, past = Report(), Past()
    try:
        with Session(engine) as session:
            size = store.head(session).size
            with progress_bar(size, "replaying") as progress:
                for done in replay(_told(session), past, start=span[0], end=span[1], what_if=what_if):
                    report = done
                    progress(min(report.entries, size))
            if what_if is None:
                report.differences += tables.differences(session, past)
    except (SQLAlchemyError, RuntimeError) as error:
        raise CommandError(f"this is not a ledger that can be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    return report


def _told(session: Session) -> Iterator[tuple[int | None, Told]]:
    for index, body, owner, payload in store.told(session):
        yield index, Told(orjson.loads(body), owner or "", orjson.loads(payload) if payload else None)


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "entries": report.entries,
            "decisions": report.decisions,
            "erased": report.erased,
            "differences": [asdict(one) for one in report.differences],
            "changed": [asdict(one) for one in report.changed],
        },
        indent=2,
        ensure_ascii=False,
    )


def _as_text(report: Report, *, what_if: bool) -> str:
    lines = [f"{report.entries} entries, {report.decisions} decisions decided again"]
    if report.erased:
        lines.append(f"{report.erased} can't be decided again: what they rest on was erased")
    for one in report.differences[:MOST_SHOWN]:
        place = f"entry {one.entry_id}" + (f" (number {one.index})" if one.index is not None else "")
        lines.append(f"DIFFERENT  {place}: {one.member}: recorded {one.recorded}, replayed {one.replayed}")
    if len(report.differences) > MOST_SHOWN:
        lines.append(f"and {len(report.differences) - MOST_SHOWN} more; --json shows all")
    if what_if:
        lines += _table(report)
    elif not report.differences:
        lines.append("every decision follows from the grants and policies of its moment")
    return "\n".join(lines)


def changes_in(report: Report) -> list[str]:
    """What two policy sets say otherwise of the recorded decisions, line by line."""
    lines = [f"{len(report.changed)} of {report.decisions} recorded decisions change"]
    if alike := sum(one.was is one.would_be for one in report.changed):
        lines[0] += f", {alike} of them in reasons or obligations alone"
    if report.erased:
        lines.append(f"{report.erased} more can't be decided again: what they rest on was erased")
    if report.differences:
        lines.append(f"{len(report.differences)} entries don't fit those before: see `ledger replay`")
    return lines + (_columns(report) if report.changed else [])


def _table(report: Report) -> list[str]:
    """Changed decisions by party, purpose and owner."""
    if not report.changed:
        return ["no decision would have changed"]
    return [f"{len(report.changed)} decisions would have changed", *_columns(report)]


def _columns(report: Report) -> list[str]:
    counts = Counter((one.party, one.purpose, one.owner, one.was, one.would_be) for one in report.changed)
    rows = [("party", "purpose", "owner", "was", "would be", "decisions")]
    rows += [
        (party, purpose, owner, _word(was), _word(would_be), str(count))
        for (party, purpose, owner, was, would_be), count in sorted(counts.items())
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _word(permit: object) -> str:
    return "permit" if permit else "deny"
