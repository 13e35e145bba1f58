"""Organisations, clients and tokens, from the command line."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import yaml
from joserfc.jwk import ECKey
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock
from consent_service.commands import CommandError, certificates
from consent_service.commands.database import transaction
from consent_service.config import Settings
from consent_service.grants import disputes
from consent_service.grants.catalogue import Catalogue
from consent_service.registry import identifiers, licences, parties, serving
from consent_service.registry.extract import GONE
from consent_service.registry.model import SECRET_METHODS, AuthMethod, ClientRole, Profile, Standing
from consent_service.registry.parties import Registration
from consent_service.registry.registers import together as registers
from consent_service.registry.registers.base import Register
from consent_service.verifier.errors import OAuthRefused, ServiceFailed
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service

A_YEAR = dt.timedelta(days=365)


def client(settings: Settings, options: Mapping[str, Any]) -> str:
    """Register one client; the answer is JSON or a sentence."""
    method = AuthMethod(options.get("auth", AuthMethod.PRIVATE_KEY_JWT))
    more = _read_json(options["metadata"]) if options.get("metadata") else {}
    more = certificates.names(method, options) | more
    wants_key = method not in SECRET_METHODS | {AuthMethod.TLS_CLIENT_AUTH} and "jwks_uri" not in more
    if method is AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH and options.get("certificate"):
        wants_key = False
    if (options["jwks"] and options["new_key"]) or wants_key != bool(options["jwks"] or options["new_key"]):
        raise CommandError(
            "give either --jwks FILE or --new-key FILE" if wants_key else f"{method} takes no key here"
        )
    jwks = _keys(options)
    secret = parties.new_secret() if method in SECRET_METHODS else ""
    identifier, (name, source) = identifiers.parse(options["org"]), (options["name"], "the operator")
    register = registers.of(settings)
    if register.covers(identifier):
        name, source = registered_name(register, identifier)
    registration = Registration(
        role=ClientRole(options["role"]),
        name=options["name"],
        organisation=options["org"],
        jwks=jwks,
        redirect_uris=options["redirect_uris"],
        resources=options["resources"],
        client_id=options["client_id"],
        dpop_bound=bool(options.get("dpop")),
        profile=Profile(options.get("profile", Profile.FAPI2)),
        auth_method=method,
        secret=secret,
        metadata=more,
    )
    with transaction(settings.database_url) as session:
        parties.introduce(session, identifier, name, source)
        registered = parties.register(session, registration, SystemClock().now())
        if settings.sandbox and registered.role is ClientRole.PARTY:
            sandbox_licences(session, settings, registered.organisation.identifier)
        session.commit()
    if not options["as_json"]:
        told = f"registered {registered.client_id} for {registered.organisation.name}"
        return f"{told}; its secret, shown this once: {secret}" if secret else told
    return json.dumps(
        {
            "client_id": registered.client_id,
            **({"client_secret": secret} if secret else {}),
            "role": registered.role,
            "organisation": registered.organisation.identifier,
            "redirect_uris": list(registered.redirect_uris),
            "resources": list(registered.resources),
            "profile": registered.profile,
            "token_endpoint_auth_method": registered.auth_method,
            "dpop_bound_access_tokens": registered.dpop_bound,
            **registered.metadata,
        }
    )


def seed(settings: Settings, file: Path) -> Iterator[str]:
    """Make the organisations of a YAML file known as verified; those that are known stay as they are."""
    try:
        document = yaml.safe_load(file.read_text())
        entries = [(str(one["id"]), str(one["name"])) for one in document["organisations"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CommandError(f"{file}: needs a list of organisations, each with id and name") from error
    for identifier, name in entries:
        short = identifiers.parse(identifier)
        with transaction(settings.database_url) as session:
            added = parties.introduce(session, short, name, "the operator")
            session.commit()
        yield f"{short} {name}: {'added' if added else 'known already'}"


def set_standing(settings: Settings, organisation: str, standing: str, reason: str) -> str:
    """Suspend or resume an organisation."""
    with transaction(settings.database_url) as session:
        changed = parties.set_standing(
            session, organisation, Standing(standing), reason=reason, now=SystemClock().now()
        )
        session.commit()
    return f"{changed.name} is {changed.status}"


def license_party(
    settings: Settings, organisation: str, licence: str, source: str, until: dt.datetime
) -> str:
    """Record a licence of an organisation."""
    with transaction(settings.database_url) as session:
        licensed = licences.license_party(
            session, organisation, licence, source=source, until=until, now=SystemClock().now()
        )
        session.commit()
    return f"{licensed.name} has the licence {licence} until {until:%Y-%m-%d}"


def end_licence(settings: Settings, organisation: str, licence: str, reason: str) -> str:
    """End a licence at once."""
    with transaction(settings.database_url) as session:
        licensed = licences.end_licence(
            session, organisation, licence, reason=reason, now=SystemClock().now()
        )
        session.commit()
    return f"{licensed.name} has no licence {licence} any more"


def serve(settings: Settings, client_id: str, owners: Sequence[str], *, everybody: bool) -> str:
    """Record which owners a holder serves, or that it serves everybody."""
    if bool(owners) is everybody:
        raise CommandError("give either OWNERS or --everybody")
    with transaction(settings.database_url) as session:
        now = SystemClock().now()
        if everybody:
            serving.serve_everybody(session, client_id, now)
        new = serving.serve(session, client_id, owners, now) if owners else []
        session.commit()
    if everybody:
        return f"{client_id} may ask about every owner"
    return f"{len(new)} recorded: {client_id} may ask about no other owners"


def unserve(settings: Settings, client_id: str, owners: Sequence[str]) -> str:
    """Record which owners a holder serves no more."""
    with transaction(settings.database_url) as session:
        serving.unserve(session, client_id, owners, SystemClock().now())
        session.commit()
    return f"{client_id} may no longer ask about {', '.join(owners)}"


def dispute(settings: Settings, owner: str, reason: str, *, over: bool) -> str:
    """Note that it is disputed who may act for an owner, or that it no longer is."""
    settle = disputes.settle if over else disputes.begin
    with transaction(settings.database_url) as session:
        moved = settle(session, owner, actor="operator", reason=reason, now=SystemClock().now())
        session.commit()
    return f"{moved} grants of {owner} " + ("go on" if over else "are suspended")


def token(issuer: str, client_id: str, key: Path, scope: str) -> str:
    """An access token by client credentials from the service that runs at ``issuer``."""
    try:
        holder = Authenticated(Service(issuer.rstrip("/")), client_id, ClientKey.read(key))
        answer = holder.form(
            "token_endpoint", {"grant_type": "client_credentials", "scope": scope}, SystemClock().now()
        )
    except (ServiceFailed, OAuthRefused, httpx2.HTTPError, ValueError) as error:
        raise CommandError(f"no token: {error}") from error
    return str(answer["access_token"])


def sandbox_licences(session: Session, settings: Settings, organisation: str) -> None:
    """In the sandbox every party has every licence that the catalogue knows: nobody is there to ask."""
    purposes = Catalogue.load(settings.policy_dir / "catalogue").purposes.values()
    now = SystemClock().now()
    for licence in sorted({one.licence for one in purposes if one.licence}):
        licences.license_party(
            session, organisation, licence, source="the sandbox", until=now + A_YEAR, now=now
        )


def registered_name(register: Register, identifier: str) -> tuple[str, str]:
    """The organisation's name as its register has it; what is not registered takes no part."""
    seen = register.look(identifier, SystemClock().now())
    if seen.extract is None or seen.extract.status in GONE:
        raise CommandError(f"{seen.source} has no active organisation {identifier}")
    return seen.extract.name, seen.source


def _new_key(path: Path) -> dict[str, Any]:
    """Write a new private ES256 JWK to a file that only its owner can read; return the public set."""
    key = ECKey.generate_key("P-256", private=True)
    names = {"kid": key.thumbprint(), "alg": "ES256", "use": "sig"}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} is there already and is not overwritten") from None
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        json.dump({**key.as_dict(private=True), **names}, file)
    return {"keys": [{**key.as_dict(private=False), **names}]}


def _keys(options: Mapping[str, Any]) -> dict[str, Any]:
    if options.get("new_key"):
        return _new_key(options["new_key"])
    if options.get("certificate") and options["auth"] == AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH:
        return certificates.jwks(options["certificate"])
    return _read_json(options["jwks"]) if options["jwks"] else {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} is not JSON") from error
    return document if isinstance(document, dict) else {}
