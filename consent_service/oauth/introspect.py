"""Token introspection (RFC 7662), also signed (RFC 9701): a token is active only while its grant is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, cast

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Response, jsonify
from flask import request as http
from sqlalchemy.orm import Session
from werkzeug.datastructures import MIMEAccept

from consent_service import keys
from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.keys import Algorithm
from consent_service.oauth import narrowing, tokens
from consent_service.oauth.client import METHODS, OAuthClient
from consent_service.oauth.live import Find, active_grant
from consent_service.oauth.server import session
from consent_service.registry import callers, logins
from consent_service.registry import tokens as issued
from consent_service.registry.callers import Known, Unauthenticated
from consent_service.registry.logins import LoginRow, LoginStatus
from consent_service.registry.model import Client, ClientRole
from consent_service.registry.remembered import Remembered
from consent_service.registry.subjects import subject_of
from consent_service.web.certificate import called_at, presented_thumbprint
from consent_service.web.current import current, now

SIGNED = "application/token-introspection+jwt"
ALGORITHMS = (Algorithm.ES256, Algorithm.PS256)


def wants_jwt(accepted: MIMEAccept) -> bool:
    """Whether the JWT is named, and liked no less than plain JSON."""
    named = {value.lower(): quality for value, quality in accepted}
    return 0 < named.get(SIGNED, 0) >= named.get("application/json", 0)


def shows_token() -> bool:
    """Whether the present request shows an access token, and no client's credentials."""
    schemes = {said.partition(" ")[0].lower() for said in http.headers.getlist("Authorization")}
    return not schemes.isdisjoint({callers.BEARER.lower(), callers.DPOP.lower()})


def answered(ask: Callable[[], Response]) -> Response:
    """The endpoint's answer; an access token that does not do is refused as RFC 6750 section 3 has it."""
    try:
        return ask()
    except Unauthenticated as error:
        response = jsonify(error=error.error or "invalid_token")
        response.status_code = 401
        response.headers["WWW-Authenticate"] = error.challenge("introspection")
        return response


def signed(answer: dict[str, Any], client: Client) -> str:
    """An introspection response as a JWT for the client that asked (RFC 9701 section 5).

    It has neither ``sub`` nor ``exp`` of its own, so that it can't pass for an access token (section
    8.1). Signed with the client's ``introspection_signed_response_alg``; by default with ES256 and
    not, as section 6 has it, with RS256, which FAPI 2.0 does not take (section 5.4.1).
    """
    settings = current(Settings)
    stated = client.metadata.get("introspection_signed_response_alg")
    claims = {
        "iss": settings.issuer,
        "aud": client.client_id,
        "iat": int(now().timestamp()),
        "token_introspection": answer,
    }
    signer = keys.signer(session(), settings.secret_key)
    return signer.sign(claims, typ="token-introspection+jwt", alg=Algorithm(stated or keys.ALGORITHM))


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """``/oauth/introspect``, for the client that holds a token and for the holder it is meant for."""

    CLIENT_AUTH_METHODS = METHODS

    def create_endpoint_response(self, request: Any) -> tuple[int, Any, list[tuple[str, str]]]:
        """The answer as JSON, or as a JWT for whoever accepts that (RFC 9701 section 4)."""
        status, answer, headers = super().create_endpoint_response(request)
        headers = [*headers, ("Vary", "Accept")]
        if not wants_jwt(http.accept_mimetypes):
            return status, answer, headers
        kept = [(name, value) for name, value in headers if name.lower() != "content-type"]
        return status, signed(answer, request.client.client), [*kept, ("Content-Type", SIGNED)]

    def authenticate_endpoint_client(self, request: Any) -> OAuthClient:
        """Who asks: by its own client authentication, or with an access token for this (section 2.1).

        :raises Unauthenticated: 401
        :raises ServiceError: ``insufficient_scope``, 403
        """
        if not shows_token():
            return cast("OAuthClient", super().authenticate_endpoint_client(request))
        if not {"client_assertion", "client_secret", "client_id"}.isdisjoint(http.form):
            raise InvalidRequestError("an access token and a client's credentials exclude each other")
        settings, moment, seen = current(Settings), now(), current(Remembered).seen(session())
        url = called_at(settings, settings.issuer + tokens.INTROSPECTION_PATH)
        shown = callers.presented(
            http.headers.getlist("Authorization"),
            http.headers.getlist("DPoP"),
            http.method,
            url,
            presented_thumbprint(settings),
        )
        known = callers.identify(session(), shown, moment)
        callers.prove(session(), known, shown, moment)
        check_caller(known, settings.issuer)
        seen.remember(issued.digest(shown.token), known)
        asking = OAuthClient(known.client)
        request.client = asking
        return asking

    def check_params(self, request: Any, _client: OAuthClient) -> None:
        """RFC 7662 section 2.1: token is required; a hint that is not known is ignored."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing")

    def query_token(self, token_string: str, _hint: str | None) -> issued.Token | None:
        return issued.find(session(), token_string)

    def check_permission(self, token: issued.Token, client: OAuthClient, _request: Any) -> bool:
        return may_ask(token, client.client)

    def create_introspection_payload(self, token: issued.Token | None) -> dict[str, Any]:
        """What may be said of a token."""
        return said_of(session(), current(Settings), token, current(Remembered).client, now())


def check_caller(known: Known, issuer: str) -> None:
    """Whether who shows an access token may ask (RFC 7662 section 2.1).

    :raises ServiceError: ``insufficient_scope``, 403
    """
    audience = issuer + tokens.INTROSPECTION_PATH
    known.check(scope=tokens.INTROSPECTION, audience=audience, roles=frozenset(ClientRole))


def may_ask(token: issued.Token, client: Client) -> bool:
    """Nobody learns of a token that is not theirs and not for them (RFC 7662 section 4)."""
    return token.client_id == client.client_id or not set(token.audience).isdisjoint(client.resources)


def said_of(
    session: Session,
    settings: Settings,
    token: issued.Token | None,
    find: Find,
    now: dt.datetime,
) -> dict[str, Any]:
    """What may be said of a token at this moment; every reason for no is the same bare no.

    1. It is ours, neither revoked nor over, and its client may take part.
    2. Of a sign-in: the person has not taken it back.
    3. Of a grant: it is active in its current version, and still gives something of what the token carries.

    The caller owes :func:`may_ask`.

    """
    client = find(session, token.client_id) if token else None
    if token is None or not token.live(now) or client is None or not client.active:
        return {"active": False}
    answer: dict[str, Any] = {
        "active": True,
        "iss": settings.issuer,
        "client_id": token.client_id,
        "token_type": "DPoP" if token.jkt else "Bearer",
        "aud": list(token.audience),
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": token.jti,
    }
    if token.scope:
        answer["scope"] = token.scope
    if token.confirmation:
        answer["cnf"] = token.confirmation
    if token.grant_id:
        told = _of_grant(session, token, find, now)
    elif login := logins.find(session, token.authorization_id or ""):
        told = _of_login(settings, client, login)
    else:
        return answer
    return answer | told if told else {"active": False}


def _of_login(settings: Settings, client: Client, login: LoginRow) -> dict[str, Any] | None:
    if login.status != LoginStatus.GIVEN:
        return None
    return {"sub": subject_of(client, str(login.person_id), settings.secret_key)}


def _of_grant(session: Session, token: issued.Token, find: Find, now: dt.datetime) -> dict[str, Any] | None:
    try:
        grant = active_grant(session, token.owner, token.grant_id, now, find)
    except ServiceError:
        return None
    terms = narrowing.carried(session, grant, token)
    if terms is None:  # the grant was replaced by one that gives nothing of what it carries
        return None
    told = {
        "sub": grant.owner,
        "grant_id": grant.grant_id,
        "authorization_details": tokens.details_of(grant, terms),
    }
    return told | tokens.delegation(token.actor, grant) if token.actor else told
