"""Organisations and their clients: register, look up, suspend. Each change is a ledger entry."""

from __future__ import annotations

import datetime as dt
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from consent_service.config import check_origin
from consent_service.errors import ServiceError
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import client_certificates, identifiers, metadata
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
from consent_service.registry.store import ClientRow, LicenceRow, OrganisationRow, ResourceRow, ServedRow
from consent_service.registry.tokens import digest

KEY_MEMBERS = {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"}
MINIMUM_RSA_BITS = 2048
SIGNED = ("id_token_signed_response_alg", "userinfo_signed_response_alg")
LICENCE = re.compile(r"[a-z][a-z_]{1,63}")


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
    if registration.role in {ClientRole.PARTY, ClientRole.LOGIN} and not redirect_uris:
        raise ServiceError(
            "invalid_redirect_uri", f"a {registration.role}'s client needs at least one redirect URI"
        )
    if registration.resources and registration.role is not ClientRole.HOLDER:
        raise _metadata("only a holder's client serves a resource")
    name = registration.name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise _metadata("a client's name has 1 to 200 printable characters")
    kept = metadata.checked(registration.metadata)
    jwks = public_jwks(registration.jwks) if registration.jwks else {"keys": []}
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


def find(session: Session, client_id: str) -> Client | None:
    """The client with this id, or None."""
    row = session.get(ClientRow, client_id)
    return row.to_model() if row else None


def organisation(session: Session, identifier: str) -> Organisation | None:
    """The organisation with this identifier (short form), or None."""
    row = session.get(OrganisationRow, identifier)
    return row.to_model() if row else None


def holders_of(session: Session, locations: Sequence[str]) -> dict[str, Client]:
    """Which holder serves each of these addresses; an address that nobody registered is left out."""
    rows = session.execute(
        select(ResourceRow.uri, ClientRow)
        .join(ClientRow, ClientRow.client_id == ResourceRow.client_id)
        .where(ResourceRow.uri.in_(locations))
    )
    return {uri: row.to_model() for uri, row in rows}


@dataclass(frozen=True, slots=True)
class Part:
    """What a decision has to know of a client: its role, whose it is, and whether it may take part.

    ``limited``: a holder that serves the owners that are recorded for it, and nobody else.
    """

    role: str
    organisation: str
    active: bool
    licences: tuple[tuple[str, dt.datetime], ...] = ()
    limited: bool = False

    def licences_at(self, now: dt.datetime) -> frozenset[str]:
        """The licences that count at this moment."""
        return frozenset(licence for licence, until in self.licences if now < until)


# On the path of every decision: plain statements, made once, without the object mapper's share.
_CLIENT, _ORGANISATION, _RESOURCE = ClientRow.__table__, OrganisationRow.__table__, ResourceRow.__table__
_OWNERS = ServedRow.__table__
_PART = (
    select(
        _CLIENT.c.role,
        _CLIENT.c.organisation_id,
        _CLIENT.c.status,
        _ORGANISATION.c.status,
        exists().where(_OWNERS.c.client_id == _CLIENT.c.client_id),
    )
    .join(_ORGANISATION, _ORGANISATION.c.identifier == _CLIENT.c.organisation_id)
    .where(_CLIENT.c.client_id == bindparam("client_id"))
)
_LICENCE = LicenceRow.__table__
_LICENCES = select(_LICENCE.c.licence, _LICENCE.c.valid_until).where(
    _LICENCE.c.organisation_id == bindparam("organisation")
)
_SERVED = select(_RESOURCE.c.uri, _RESOURCE.c.client_id).where(
    _RESOURCE.c.uri.in_(bindparam("locations", expanding=True))
)
_HAS_RESOURCES = select(_RESOURCE.c.uri).where(_RESOURCE.c.client_id == bindparam("client_id")).limit(1)

_SERVES_OWNER = select(_OWNERS.c.owner).where(
    _OWNERS.c.owner == bindparam("owner"),
    _OWNERS.c.client_id == bindparam("client_id"),
    _OWNERS.c.ended_at.is_(None),
)


def part_of(session: Session, client_id: str) -> Part | None:
    """What a decision has to know of a client, or None where there is none."""
    connection = session.connection()
    row = connection.execute(_PART, {"client_id": client_id}).first()
    if row is None:
        return None
    licences = connection.execute(_LICENCES, {"organisation": row[1]})
    active = row[2] == Standing.ACTIVE and row[3] == Standing.ACTIVE
    return Part(row[0], row[1], active, tuple((licence, until) for licence, until in licences), bool(row[4]))


def served_by(session: Session, locations: Sequence[str]) -> dict[str, str]:
    """Which holder's client registered each of these addresses; the others are left out."""
    rows = session.connection().execute(_SERVED, {"locations": list(locations)})
    return {row[0]: row[1] for row in rows}


def has_resources(session: Session, client_id: str) -> bool:
    """Whether a holder registered any address."""
    return session.connection().execute(_HAS_RESOURCES, {"client_id": client_id}).first() is not None


def serves(session: Session, client_id: str, owner: str) -> bool:
    """Whether an owner is among those that are recorded for a holder."""
    found = session.connection().execute(_SERVES_OWNER, {"client_id": client_id, "owner": owner})
    return found.first() is not None


def free_holders(session: Session) -> list[str]:
    """Holders' clients that registered no address: they may serve one that nobody registered."""
    placed = select(ResourceRow.client_id)
    wanted = ClientRow.role == ClientRole.HOLDER, ClientRow.client_id.not_in(placed)
    return list(session.scalars(select(ClientRow.client_id).where(*wanted)))


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


def license_party(
    session: Session, identifier: str, licence: str, *, source: str, until: dt.datetime, now: dt.datetime
) -> Organisation:
    """Record that an organisation is licensed for something, by whom, and until when.

    :param licence: the name that the catalogue's purposes use, for example ``credit``
    :param source: the authority that gave it, in words that can be looked up
    :raises ServiceError: ``unknown_organisation``, ``invalid_licence``
    """
    ledger.hold(session, registry="changes")
    found = session.get(OrganisationRow, identifiers.parse(identifier))
    if found is None:
        raise ServiceError("unknown_organisation", f"{identifier} takes no part here", status=404)
    if not LICENCE.fullmatch(licence) or not source.strip() or until <= now:
        raise ServiceError("invalid_licence", "a licence has a name, a source and an end to come")
    session.merge(
        LicenceRow(organisation_id=found.identifier, licence=licence, source=source, valid_until=until)
    )
    told = {
        "organisation": found.identifier,
        "licence": licence,
        "source": source,
        "valid_until": until.astimezone(dt.UTC).isoformat(),
    }
    ledger.append(session, Kind.PARTY_LICENSED, told, now=now)
    return found.to_model()


def end_licence(
    session: Session, identifier: str, licence: str, *, reason: str, now: dt.datetime
) -> Organisation:
    """End a licence at once.

    :raises ServiceError: ``unknown_organisation``, ``invalid_licence``: it has none of this name
    """
    ledger.hold(session, registry="changes")
    found = session.get(OrganisationRow, identifiers.parse(identifier))
    row = session.get(LicenceRow, (found.identifier, licence)) if found else None
    if found is None or row is None:
        raise ServiceError("invalid_licence", f"{identifier} has no licence {licence}", status=404)
    session.delete(row)
    told = {"organisation": found.identifier, "licence": licence, "reason": reason}
    ledger.append(session, Kind.PARTY_LICENCE_ENDED, told, now=now)
    return found.to_model()


def public_jwks(jwks: dict[str, Any]) -> dict[str, Any]:
    """Check a client's JWK Set (RFC 7517) and keep its public members only.

    :raises ServiceError: ``invalid_client_metadata``: no key, a symmetric or a weak one
    """
    try:
        keys = [{name: value for name, value in key.items() if name in KEY_MEMBERS} for key in jwks["keys"]]
        imported = [import_key(key) for key in keys]
    except (KeyError, TypeError, AttributeError, ValueError, JoseError) as error:
        raise _metadata("jwks must be a JWK Set of public keys") from error
    if not imported:
        raise _metadata("jwks must hold at least one public key")
    for key in imported:
        if not isinstance(key, RSAKey | ECKey | OKPKey):
            raise _metadata("a client's key must be asymmetric")
        if isinstance(key, RSAKey) and key.public_key.key_size < MINIMUM_RSA_BITS:
            raise _metadata(f"an RSA key has at least {MINIMUM_RSA_BITS} bits")
    try:
        for kept, given, key in zip(keys, jwks["keys"], imported, strict=True):
            kept.update(client_certificates.fitting(given, key))
    except ValueError as error:
        raise _metadata(f"jwks: {error}") from error
    return {"keys": keys}


def thumbprints(jwks: dict[str, Any]) -> list[str]:
    """The keys of a set by their thumbprints (RFC 7638), sorted, and then the certificates that they name.

    That is what the ledger holds of them.
    """
    certificates = sorted(f"x5t#S256:{one}" for one in client_certificates.named(jwks))
    return sorted(import_key(key).thumbprint() for key in jwks["keys"]) + certificates


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
        "keys": thumbprints(client.jwks),
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
    if wrong or parts.fragment or len(uri) > 2000 or not uri.isascii() or not uri.isprintable():
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
