"""``ledger replay``: the report, as a table or as JSON, and whether the tables say what the entries tell."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import orjson
from sqlalchemy import create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.commands import CommandError
from consent_service.commands.ledger import BAD, OK, database_url, progress_bar
from consent_service.grants.store import GrantRow
from consent_service.ledger import store
from consent_service.policy.past import Past
from consent_service.policy.publish import from_directory
from consent_service.policy.replay import Difference, Report, replay
from consent_service.policy.told import Told
from consent_service.registry import parties
from consent_service.registry.mandates import MandateRow
from consent_service.registry.model import Standing
from consent_service.registry.owners import DisputeRow
from consent_service.registry.store import ClientRow, LicenceRow, OrganisationRow

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
    other = from_directory(policies) if policies else None
    engine = create_engine(database_url(environ, database))
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    report, past = Report(), Past()
    try:
        with Session(engine) as session:
            size = store.head(session).size
            with progress_bar(size, "replaying") as progress:
                for done in replay(_told(session), past, start=span[0], end=span[1], other=other):
                    report = done
                    progress(min(report.entries, size))
            if other is None:
                report.differences += _tables(session, past)
    except (SQLAlchemyError, RuntimeError) as error:
        raise CommandError(f"this is not a ledger that can be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    click.echo(_as_json(report) if as_json else _as_text(report, what_if=other is not None))
    return BAD if report.differences else OK


def _told(session: Session) -> Iterator[tuple[int | None, Told]]:
    for index, body, owner, payload in store.told(session):
        yield index, Told(orjson.loads(body), owner or "", orjson.loads(payload) if payload else None)


def _tables(session: Session, past: Past) -> Iterator[Difference]:
    """Where the tables that decisions are taken from say something else than the entries tell."""
    current: dict[tuple[str, str], GrantRow] = {}
    for row in session.scalars(select(GrantRow).order_by(GrantRow.version)):
        current[row.owner, row.grant_id] = row
    told = {(owner, one): grant for owner, grants in past.grants.items() for one, grant in grants.items()}
    for key in sorted(current.keys() | told.keys()):
        if key[1] in past.erased and key not in told:
            continue
        found, grant = current.get(key), told.get(key)
        stored = found.to_model() if found else None
        if stored and grant and key[1] in past.unworded:
            grant = replace(grant, reason=stored.reason)
        if stored != grant:
            entry_id = stored.entry_id if stored else grant.entry_id if grant else ""
            yield Difference(None, entry_id, f"grant {key[1]}", _grant(grant), _grant(stored))
    for organisation in session.scalars(select(OrganisationRow)):
        out = organisation.identifier in past.registry.suspended
        if out is (organisation.status == Standing.ACTIVE):
            member = f"organisation {organisation.identifier}"
            yield Difference(None, "", member, "suspended" if out else "active", organisation.status)
    clients = {row.client_id: _client(row) for row in session.scalars(select(ClientRow))}
    mandates = {
        row.mandate_id: _mandate(row) for row in session.scalars(select(MandateRow)) if not row.ended_at
    }
    yield from _compare("client", past.registry.parties, clients)
    yield from _compare("mandate", past.registry.mandates, mandates)
    licences = {
        f"{row.organisation_id} {row.licence}": {"valid_until": row.valid_until}
        for row in session.scalars(select(LicenceRow))
    }
    told_licences = {
        f"{organisation} {licence}": {"valid_until": until}
        for organisation, held in past.registry.licences.items()
        for licence, until in held.items()
    }
    yield from _compare("licence", told_licences, licences)
    disputes = set(session.scalars(select(DisputeRow.owner)))
    for owner in sorted(disputes ^ past.registry.disputed):
        yield Difference(
            None, "", f"dispute about {owner}", owner in past.registry.disputed, owner in disputes
        )


def _compare(
    what: str, told: Mapping[str, Mapping[str, Any]], stored: Mapping[str, Mapping[str, Any]]
) -> Iterator[Difference]:
    """Members that both know must be the same, and neither may know one that the other doesn't."""
    for key in sorted(told.keys() | stored.keys()):
        one, other = told.get(key), stored.get(key)
        if (
            one is None
            or other is None
            or any(one.get(name, value) != value for name, value in other.items())
        ):
            yield Difference(None, "", f"{what} {key}", one, other)


def _client(row: ClientRow) -> dict[str, Any]:
    client = row.to_model()
    return {
        "role": client.role.value,
        "organisation": client.organisation.identifier,
        "redirect_uris": list(client.redirect_uris),
        "resources": list(client.resources),
        "keys": parties.thumbprints(client.jwks),
        "dpop_bound_access_tokens": client.dpop_bound,
        "profile": client.profile.value,
        "token_endpoint_auth_method": client.auth_method.value,
        "metadata": dict(client.metadata),
    }


def _mandate(row: MandateRow) -> dict[str, Any]:
    until = row.valid_until.isoformat()
    return {
        "client_id": row.client_id,
        "owners": row.owners,
        "kinds": row.kinds,
        "basis": row.basis,
        "valid_until": until,
    }


def _grant(grant: Any) -> Any:
    return json.loads(json.dumps(asdict(grant), default=str)) if grant else None


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


def _table(report: Report) -> list[str]:
    """Changed decisions by party, purpose and owner."""
    if not report.changed:
        return ["no decision would have changed"]
    counts = Counter((one.party, one.purpose, one.owner, one.was, one.would_be) for one in report.changed)
    rows = [("party", "purpose", "owner", "was", "would be", "decisions")]
    rows += [
        (party, purpose, owner, _word(was), _word(would_be), str(count))
        for (party, purpose, owner, was, would_be), count in sorted(counts.items())
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [f"{len(report.changed)} decisions would have changed", *table]


def _word(permit: object) -> str:
    return "permit" if permit else "deny"
