"""Making access tokens (RFC 9068) and refresh tokens; only their hashes are kept."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from consent_service import keys
from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants.model import Grant, Mode, Terms, terms_to_json
from consent_service.oauth.sender import NOBODY, Sender
from consent_service.registry import status, tokens
from consent_service.registry.login_rules import OFFLINE
from consent_service.registry.logins import LoginRow
from consent_service.registry.model import Client, ClientRole
from consent_service.registry.status import Place
from consent_service.registry.subjects import subject_of

ACCESS_LIFE = status.LONGEST
DECISIONS = "decisions"
"""The scope with which a holder asks for decisions."""
LEDGER = "ledger"
"""The scope with which a party or a supervisor reads what lies behind ledger entries."""
USERINFO_PATH = "/oauth/userinfo"
MACHINE_SCOPES = {
    ClientRole.HOLDER: (DECISIONS, "/access/v1"),
    ClientRole.PARTY: (LEDGER, "/ledger"),
    ClientRole.SUPERVISOR: (LEDGER, "/ledger"),
}
"""What a client gets by client credentials when it names no scope, and the path of its audience."""
SIGNALS = frozenset({"ssf.read", "ssf.manage"})
"""The scopes with which any client receives signals (CAEP interop section 2.7.2)."""
SIGNALS_PATH = "/ssf"
INTROSPECTION = "introspection"
"""The scope with which any client asks about tokens that are its own, or meant for it (RFC 7662)."""
INTROSPECTING = frozenset({INTROSPECTION})
INTROSPECTION_PATH = "/oauth/introspect"
GRANT_QUERY, GRANT_REVOKE = "grant_management_query", "grant_management_revoke"
GRANT_SCOPES = frozenset({GRANT_QUERY, GRANT_REVOKE})
"""The scopes of the grants API (Grant Management for OAuth 2.0, section 6), for requesting parties."""
GRANTS_PATH = "/oauth/grants"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what an access token is for."""

    client: Client
    subject: str
    audience: tuple[str, ...]
    scope: str = ""
    sender: Sender = NOBODY
    grant: Grant | None = None
    authorization_id: str | None = None
    login: LoginRow | None = None
    terms: Terms | None = None
    """What of the grant the token carries; None is all of it."""
    resources: tuple[str, ...] = ()
    """The locations to which the authorization request kept itself; none is all (RFC 8707)."""
    exchanged: tokens.Token | None = None
    """The party's token that ``client`` exchanges for one in its own hands (RFC 8693)."""


def of_grant(
    client: Client,
    grant: Grant,
    sender: Sender,
    authorization_id: str | None,
    login: LoginRow | None = None,
    issuer: str = "",
    terms: Terms | None = None,
) -> Subject:
    """A token under a grant: subject is the owner, audience where the data is.

    With a login beside the grant it is good for userinfo too.
    """
    return Subject(
        client,
        grant.owner,
        (*(terms or grant.terms).locations, *((issuer + USERINFO_PATH,) if login else ())),
        scope=" ".join(login.scopes) if login else "",
        sender=sender,
        grant=grant,
        authorization_id=authorization_id,
        login=login,
        terms=terms,
    )


def of_login(client: Client, login: LoginRow, sender: Sender, settings: Settings) -> Subject:
    """A token of a sign-in: subject is the person in the client's words, and it opens userinfo alone."""
    return Subject(
        client,
        subject_of(client, str(login.person_id), settings.secret_key),
        (settings.issuer + USERINFO_PATH,),
        scope=" ".join(login.scopes),
        sender=sender,
        authorization_id=login.login_id,
        login=login,
    )


def details_of(grant: Grant, terms: Terms | None = None) -> list[dict[str, Any]]:
    """What was granted, or what a token carries of it, with its ``grant_id`` (RFC 9396 section 7)."""
    return [{**terms_to_json(terms or grant.terms), "grant_id": grant.grant_id}]


def access_token(session: Session, settings: Settings, subject: Subject, now: dt.datetime) -> dict[str, Any]:
    """Sign an access token and return the token response for it (RFC 6749 section 5.1).

    It never outlives its grant, nor the token that it was exchanged for. The caller holds the write
    transaction.
    """
    life = ACCESS_LIFE
    if subject.grant:
        life = min(life, (subject.terms or subject.grant.terms).access.valid_until - now)
    if subject.exchanged:
        life = min(life, subject.exchanged.expires_at - now)
    issued, jti = int(now.timestamp()), str(uuid.uuid4())
    expires = issued + int(life.total_seconds())
    audience = subject.audience
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": subject.subject,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "client_id": subject.client.client_id,
        "iat": issued,
        "exp": expires,
        "jti": jti,
    }
    sender = subject.sender
    answer: dict[str, Any] = {"token_type": "DPoP" if sender.jkt else "Bearer"}
    if subject.scope:
        claims["scope"] = answer["scope"] = subject.scope
    if sender:  # RFC 9449 section 6.1, RFC 8705 section 3.1
        claims["cnf"] = sender.confirmation
    if subject.grant:
        details = details_of(subject.grant, subject.terms)
        claims["authorization_details"] = answer["authorization_details"] = details
        claims["grant_id"] = answer["grant_id"] = subject.grant.grant_id
        if subject.exchanged:
            claims |= delegation(subject.client.client_id, subject.grant)
    signer = keys.signer(session, settings.secret_key)
    for place in status.places(now) if subject.grant else (None,):
        if place:
            claims["status"] = status_claim(settings.issuer, place)
        token = signer.sign(claims, typ="at+jwt")
        if _remember(session, "access_token", token, subject, jti, now, now + life, place):
            return {"access_token": token, "expires_in": expires - issued, **answer}
    raise ServiceError("temporarily_unavailable", "too many tokens at once: ask again", status=503)


def status_claim(issuer: str, place: Place) -> dict[str, Any]:
    """Where a holder can see whether the token still holds (draft-ietf-oauth-status-list section 6.2)."""
    return {"status_list": {"idx": place.index, "uri": status.address(issuer, place.number)}}


def delegation(actor: str, grant: Grant) -> dict[str, Any]:
    """Who acts with a token that was exchanged, and for which party (RFC 8693 section 4.1).

    ``client_id`` is who asked for the token (section 4.3), so the party has a claim of its own.
    """
    return {"act": {"sub": actor}, "party": grant.client_id}


def refresh_token(session: Session, subject: Subject, now: dt.datetime) -> str | None:
    """A refresh token that lives as long as the grant, or as long as what the person agreed to.

    Bound to the client and its key; None for a grant for once, and for a sign-in that asked for no
    ``offline_access``. Renewing it makes nothing longer. It is good for all that the grant gives,
    whatever less the first access token was asked for (RFC 9396 section 6, RFC 8707 section 2.2).
    """
    grant, login = subject.grant, subject.login
    if grant is not None and grant.terms.access.mode is not Mode.ONCE:
        until = grant.terms.access.valid_until
    elif grant is None and login is not None and OFFLINE in login.scopes:
        until = login.expires_at
    else:
        return None
    token = secrets.token_urlsafe(32)
    if grant is not None:
        subject = replace(subject, audience=subject.resources, terms=None)
    _remember(session, "refresh_token", token, subject, str(uuid.uuid4()), now, until)
    return token


def _remember(
    session: Session,
    kind: tokens.TokenKind,
    token: str,
    subject: Subject,
    jti: str,
    now: dt.datetime,
    expires_at: dt.datetime,
    place: Place | None = None,
) -> bool:
    return tokens.remember(
        session,
        tokens.Token(
            token_hash=tokens.digest(token),
            kind=kind,
            client_id=subject.client.client_id,
            jti=jti,
            scope=subject.scope,
            audience=subject.audience,
            issued_at=now,
            expires_at=expires_at,
            authorization_id=subject.authorization_id,
            owner=subject.grant.owner if subject.grant else None,
            grant_id=subject.grant.grant_id if subject.grant else None,
            jkt=subject.sender.jkt,
            x5t=subject.sender.x5t,
            place=place,
            grant_version=subject.grant.version if subject.grant else None,
            narrowed=terms_to_json(subject.terms) if subject.terms else None,
            actor=subject.client.client_id if subject.exchanged else None,
            exchanged_from=subject.exchanged.token_hash if subject.exchanged else None,
        ),
    )
