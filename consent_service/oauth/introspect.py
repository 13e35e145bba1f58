"""Token introspection (RFC 7662), also signed (RFC 9701): a token is active only while its grant is."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import request as http
from werkzeug.datastructures import MIMEAccept

from consent_service import keys
from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.keys import Algorithm
from consent_service.oauth import narrowing, tokens
from consent_service.oauth.client import METHODS, OAuthClient
from consent_service.oauth.live import active_grant
from consent_service.oauth.server import session
from consent_service.registry import logins, parties
from consent_service.registry import tokens as issued
from consent_service.registry.logins import LoginStatus
from consent_service.registry.model import Client
from consent_service.registry.subjects import subject_of
from consent_service.web.current import current, now

SIGNED = "application/token-introspection+jwt"
ALGORITHMS = (Algorithm.ES256, Algorithm.PS256)


def wants_jwt(accepted: MIMEAccept) -> bool:
    """Whether the JWT is named, and liked no less than plain JSON."""
    named = {value.lower(): quality for value, quality in accepted}
    return 0 < named.get(SIGNED, 0) >= named.get("application/json", 0)


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

    def check_params(self, request: Any, _client: OAuthClient) -> None:
        """RFC 7662 section 2.1: token is required; a hint that is not known is ignored."""
        if "token" not in request.form:
            raise InvalidRequestError("token is missing")

    def query_token(self, token_string: str, _hint: str | None) -> issued.Token | None:
        return issued.find(session(), token_string)

    def check_permission(self, token: issued.Token, client: OAuthClient, _request: Any) -> bool:
        """Nobody learns of a token that is not theirs and not for them (RFC 7662 section 4)."""
        return token.client_id == client.client_id or bool(set(token.audience) & set(client.client.resources))

    def create_introspection_payload(self, token: issued.Token | None) -> dict[str, Any]:
        """What may be said of a token; every reason for no is the same bare no."""
        client = parties.find(session(), token.client_id) if token else None
        if token is None or not token.live(now()) or client is None or not client.active:
            return {"active": False}
        answer: dict[str, Any] = {
            "active": True,
            "iss": current(Settings).issuer,
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
        login = logins.find(session(), token.authorization_id or "")
        if login is not None and token.grant_id is None:
            if login.status != LoginStatus.GIVEN:
                return {"active": False}
            answer["sub"] = subject_of(client, str(login.person_id), current(Settings).secret_key)
        if token.grant_id:
            try:
                grant = active_grant(session(), token.owner, token.grant_id, now())
            except ServiceError:
                return {"active": False}
            terms = narrowing.carried(session(), grant, token)
            if terms is None:  # the grant was replaced by one that gives nothing of what it carries
                return {"active": False}
            answer |= {
                "sub": grant.owner,
                "grant_id": grant.grant_id,
                "authorization_details": tokens.details_of(grant, terms),
            }
            if token.actor:
                answer |= tokens.delegation(token.actor, grant)
        return answer
