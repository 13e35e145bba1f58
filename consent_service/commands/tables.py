"""Whether the tables that decisions are taken from say what the ledger's entries tell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent_service.grants.store import GrantRow
from consent_service.policy.past import Past
from consent_service.policy.replay import Difference
from consent_service.registry import client_keys
from consent_service.registry.mandates import MandateRow
from consent_service.registry.model import Standing
from consent_service.registry.owners import DisputeRow
from consent_service.registry.store import ClientRow, LicenceRow, OrganisationRow, ServedRow


def differences(session: Session, past: Past) -> Iterator[Difference]:
    """Where a table says something else than the entries do."""
    yield from _grants(session, past)
    yield from _organisations(session, past)
    yield from _compare("client", past.registry.parties, _clients(session))
    yield from _compare("mandate", past.registry.mandates, _mandates(session))
    told_licences = {
        f"{organisation} {licence}": {"valid_until": until}
        for organisation, held in past.registry.licences.items()
        for licence, until in held.items()
    }
    yield from _compare("licence", told_licences, _licences(session))
    told_served = {name: {"owners": sorted(owners)} for name, owners in past.registry.owners.items()}
    yield from _compare("owners served by", told_served, _served(session))
    disputes = set(session.scalars(select(DisputeRow.owner)))
    for owner in sorted(disputes ^ past.registry.disputed):
        member = f"dispute about {owner}"
        yield Difference(None, "", member, owner in past.registry.disputed, owner in disputes)


def _grants(session: Session, past: Past) -> Iterator[Difference]:
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


def _organisations(session: Session, past: Past) -> Iterator[Difference]:
    for organisation in session.scalars(select(OrganisationRow)):
        out = organisation.identifier in past.registry.suspended
        if out is (organisation.status == Standing.ACTIVE):
            member = f"organisation {organisation.identifier}"
            yield Difference(None, "", member, "suspended" if out else "active", organisation.status)


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


def _clients(session: Session) -> dict[str, dict[str, Any]]:
    return {
        client.client_id: {
            "role": client.role.value,
            "organisation": client.organisation.identifier,
            "redirect_uris": list(client.redirect_uris),
            "resources": list(client.resources),
            "keys": client_keys.thumbprints(client.jwks),
            "dpop_bound_access_tokens": client.dpop_bound,
            "profile": client.profile.value,
            "token_endpoint_auth_method": client.auth_method.value,
            "metadata": dict(client.metadata),
            "ended": client.status is Standing.ENDED,
        }
        for client in (row.to_model() for row in session.scalars(select(ClientRow)))
    }


def _mandates(session: Session) -> dict[str, dict[str, Any]]:
    return {
        row.mandate_id: {
            "client_id": row.client_id,
            "owners": row.owners,
            "kinds": row.kinds,
            "basis": row.basis,
            "valid_until": row.valid_until.isoformat(),
        }
        for row in session.scalars(select(MandateRow).where(MandateRow.ended_at.is_(None)))
    }


def _licences(session: Session) -> dict[str, dict[str, Any]]:
    return {
        f"{row.organisation_id} {row.licence}": {"valid_until": row.valid_until}
        for row in session.scalars(select(LicenceRow))
    }


def _served(session: Session) -> dict[str, dict[str, Any]]:
    """The owners of each holder that does not serve everybody."""
    found: dict[str, list[str]] = {}
    for row in session.scalars(select(ServedRow)):
        found.setdefault(row.client_id, []).extend([] if row.ended_at else [row.owner])
    return {client_id: {"owners": sorted(owners)} for client_id, owners in found.items()}


def _grant(grant: Any) -> Any:
    return json.loads(json.dumps(asdict(grant), default=str)) if grant else None
