"""Organisations and their clients: register, look up, suspend. Each change is a ledger entry."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from consent_service.config import check_origin
from consent_service.errors import ServiceError
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import client_certificates, client_keys, identifiers, metadata
from consent_service.registry.model import (
    AUTH_METHODS,
    SECRET_METHODS,
    AuthMethod,
    Client,
    ClientRole,
    Organisation,
    Profile,
    Standing,
)
from consent_service.registry.store import ClientRow, OrganisationRow, ResourceRow, model_of, organisation_of
from consent_service.registry.tokens import digest
from consent_service.stored import Rows

SIGNED = ("id_token_signed_response_alg", "userinfo_signed_response_alg")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a new client is registered with (RFC 7591 section 2, as far as it is built)."""

    role: ClientRole
    name: str
    organisation: str
    jwks: dict[str, Any]
    redirect_uris: Sequence[str] = ()
    resources: Sequence[str] = ()
    client_id: str = ""
    dpop_bound: bool = False
    profile: Profile = Profile.FAPI2
    auth_method: AuthMethod = AuthMethod.PRIVATE_KEY_JWT
    secret: str = ""
    """For the methods that have one: :func:`new_secret`. Only its hash is kept."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    by: str = "the operator"
    """On whose word."""


def new_secret() -> str:
    """A client's secret with 256 random bits (RFC 6749 section 10.10 asks for 128)."""
    return secrets.token_urlsafe(32)


def register(session: Session, registration: Registration, now: dt.datetime) -> Client:
    """Register a client, and its organisation where that is new; one ledger entry.

    :raises ServiceError: ``invalid_client_metadata`` or ``invalid_redirect_uri`` (RFC 7591
        section 3.2.2), ``invalid_identifier``
    """
    ledger.hold(session, registry="changes")
    identifier = identifiers.parse(registration.organisation)
    resources = [_resource(session, uri) for uri in registration.resources]
    columns = fitting(registration)
    client_id = registration.client_id or f"{registration.role}-{uuid.uuid4().hex[:16]}"
    if session.get(ClientRow, client_id):
        raise _metadata(f"client {client_id} is registered already")
    introduce(session, identifier, columns["name"], registration.by)
    row = ClientRow(
        client_id=client_id,
        role=registration.role,
        organisation_id=identifier,
        status=Standing.ACTIVE,
        created_at=now,
        secret_hash=digest(registration.secret) if registration.secret else None,
        resources=[ResourceRow(uri=uri) for uri in resources],
        **columns,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    client = row.to_model()
    record(session, Kind.PARTY_REGISTERED, client, registration.by, now)
    return client


def fitting(registration: Registration) -> dict[str, Any]:
    """What a client is registered with, as its columns hold it: checked, member by member.

    :raises ServiceError: ``invalid_client_metadata`` or ``invalid_redirect_uri``
    """
    redirect_uris = [_redirect_uri(uri) for uri in registration.redirect_uris]
    by_redirect = "authorization_code" in registration.metadata.get("grant_types", ["authorization_code"])
    if registration.role in {ClientRole.PARTY, ClientRole.LOGIN} and by_redirect and not redirect_uris:
        raise ServiceError(
            "invalid_redirect_uri", f"a {registration.role}'s client needs at least one redirect URI"
        )
    if registration.resources and registration.role is not ClientRole.HOLDER:
        raise _metadata("only a holder's client serves a resource")
    name = registration.name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise _metadata("a client's name has 1 to 200 printable characters")
    kept = metadata.checked(registration.metadata)
    jwks = client_keys.public_jwks(registration.jwks) if registration.jwks else {"keys": []}
    _check_way_in(registration, kept, jwks)
    return {
        "name": name,
        "jwks": jwks,
        "redirect_uris": redirect_uris,
        "dpop_bound": registration.dpop_bound,
        "profile": registration.profile,
        "auth_method": registration.auth_method,
        "client_metadata": kept,
    }


def _check_way_in(registration: Registration, kept: Mapping[str, Any], jwks: dict[str, Any]) -> None:
    """Whether a client of this kind can authenticate so, and has what it needs for that.

    1. Parties, holders and supervisors keep FAPI 2.0; only a client that signs people in may have the
       profile ``oidc``.
    2. The profile allows the method.
    3. A secret where the method has one, else a key or where keys are found.
    4. With tls_client_auth exactly one name that its certificate bears (RFC 8705 section 2.1.2), with
       self_signed_tls_client_auth a key that names a certificate (section 2.2.2).
    5. RS256 only for the profile ``oidc``.
    """
    profile, method = registration.profile, registration.auth_method
    if profile is Profile.OIDC and registration.role is not ClientRole.LOGIN:
        raise _metadata(f"a {registration.role}'s client has the profile fapi2")
    if method not in AUTH_METHODS[profile]:
        raise _metadata(f"token_endpoint_auth_method {method} is not for the profile {profile}")
    if (method in SECRET_METHODS) != bool(registration.secret):
        raise _metadata(f"{method} {'needs a' if method in SECRET_METHODS else 'has no'} secret")
    if profile is Profile.FAPI2 and "RS256" in (kept.get(name) for name in SIGNED):
        raise _metadata("RS256 is for the profile oidc (FAPI 2.0 section 5.4.1)")
    if registration.jwks and "jwks_uri" in kept:
        raise _metadata("jwks and jwks_uri exclude each other")
    wants_keys = method in {AuthMethod.PRIVATE_KEY_JWT, AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH}
    if wants_keys and not registration.jwks and "jwks_uri" not in kept:
        raise _metadata(f"{method} needs jwks or jwks_uri")
    names = [name for name in metadata.TLS_NAMES if name in kept]
    if len(names) != (method is AuthMethod.TLS_CLIENT_AUTH):
        raise _metadata(f"tls_client_auth has exactly one of {', '.join(metadata.TLS_NAMES)}, no other any")
    unnamed = "jwks_uri" not in kept and not client_certificates.named(jwks)
    if method is AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH and unnamed:
        raise _metadata(f"{method} needs a key with x5c or x5t#S256")


def introduce(session: Session, identifier: str, name: str, verified_by: str) -> bool:
    """Make an organisation known under its name, unless it is known already; True when it is new."""
    if session.get(OrganisationRow, identifier):
        return False
    session.add(
        OrganisationRow(
            identifier=identifier,
            name=name,
            country=identifiers.country_of(identifier),
            status=Standing.ACTIVE,
            verified_by=verified_by,
        )
    )
    session.flush()
    return True


_CLIENT = Rows(ClientRow, ClientRow.client_id == bindparam("client_id"))
_ORGANISATION = Rows(OrganisationRow, OrganisationRow.identifier == bindparam("identifier"))
_RESOURCE = Rows(ResourceRow, ResourceRow.uri == bindparam("uri"))
_RESOURCES = Rows(ResourceRow, ResourceRow.client_id == bindparam("client_id"), order_by=ResourceRow.uri)


def find(session: Session, client_id: str) -> Client | None:
    """The client with this id, or None."""
    row = _CLIENT.first(session, client_id=client_id)
    if row is None:
        return None
    its = organisation(session, row.organisation_id)
    if its is None:
        raise LookupError("a client without its organisation")
    resources = _RESOURCES.all(session, client_id=client_id) if row.role == ClientRole.HOLDER else []
    return model_of(row, its, (one.uri for one in resources))


def clients(session: Session, role: ClientRole) -> list[Client]:
    """Every client of a role, by its organisation's name and its own."""
    rows = session.scalars(select(ClientRow).where(ClientRow.role == role).order_by(ClientRow.created_at))
    found = [row.to_model() for row in rows]
    return sorted(found, key=lambda one: (one.organisation.name.casefold(), one.name.casefold()))


def organisation(session: Session, identifier: str) -> Organisation | None:
    """The organisation with this identifier (short form), or None."""
    row = _ORGANISATION.first(session, identifier=identifier)
    return organisation_of(row) if row else None


def holders_of(session: Session, locations: Sequence[str]) -> dict[str, Client]:
    """Which holder serves each of these addresses; an address that nobody registered is left out."""
    served = (_RESOURCE.first(session, uri=uri) for uri in dict.fromkeys(locations))
    found = {row.uri: find(session, row.client_id) for row in served if row}
    return {uri: client for uri, client in found.items() if client}


def set_standing(
    session: Session, identifier: str, standing: Standing, *, reason: str, now: dt.datetime
) -> Organisation:
    """Suspend or resume an organisation: from the next decision on, all its clients with it.

    :raises ServiceError: ``unknown_organisation``
    """
    ledger.hold(session, registry="changes")  # so that no decision stands between the change and its entry
    row = session.get(OrganisationRow, identifiers.parse(identifier))
    if row is None:
        raise ServiceError("unknown_organisation", f"{identifier} takes no part here", status=404)
    row.status = standing
    kind = Kind.PARTY_SUSPENDED if standing is Standing.SUSPENDED else Kind.PARTY_RESUMED
    ledger.append(
        session, kind, {"organisation": row.identifier, "status": standing.value, "reason": reason}, now=now
    )
    return row.to_model()


def record(session: Session, kind: Kind, client: Client, by: str, now: dt.datetime) -> None:
    """Append what a client is from now on, and on whose word."""
    payload = {
        "client_id": client.client_id,
        "role": client.role.value,
        "name": client.name,
        "organisation": client.organisation.identifier,
        "organisation_name": client.organisation.name,
        "redirect_uris": list(client.redirect_uris),
        "resources": list(client.resources),
        "keys": client_keys.thumbprints(client.jwks),
        "dpop_bound_access_tokens": client.dpop_bound,
        "profile": client.profile.value,
        "token_endpoint_auth_method": client.auth_method.value,
        "metadata": dict(client.metadata),
        "by": by,
    }
    ledger.append(session, kind, payload, now=now, client_id=client.client_id)


def _redirect_uri(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise ServiceError("invalid_redirect_uri", f"{uri!r} is not a URL") from error
    wrong = check_origin(parts._replace(query="", fragment="").geturl())
    if wrong or parts.fragment or len(uri) > 2000 or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise ServiceError(
            "invalid_redirect_uri", f"{uri!r} {wrong or 'must be an https URL without fragment'}"
        )
    return uri


def _resource(session: Session, uri: str) -> str:
    if wrong := check_origin(uri):
        raise _metadata(f"resource {uri!r} {wrong}")
    if session.get(ResourceRow, uri):
        raise _metadata(f"resource {uri} belongs to another holder")
    return uri


def _metadata(sentence: str) -> ServiceError:
    return ServiceError("invalid_client_metadata", sentence)
