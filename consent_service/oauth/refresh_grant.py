"""Refreshing (RFC 6749 section 6): bound to the client, alive only while what was given is.

No rotation where a key is proven: the token is of no use to a thief (FAPI 2.0 section 5.3.2.1,
note 3), and rotation loses tokens on a broken line. A bearer's is used once: the next one comes with
the answer, and one that comes a second time ends all (RFC 9700 section 4.14.2).
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.oauth import given, sender
from consent_service.oauth.client import METHODS, OAuthClient
from consent_service.oauth.server import session
from consent_service.registry import tokens as issued
from consent_service.web.current import current, now


class Refresh:
    """A refresh token in the words of Authlib's interface."""

    def __init__(self, token: issued.Token) -> None:
        self.token = token

    def check_client(self, client: OAuthClient) -> bool:
        """Whether it is this client's, and alive; one that was used before ends all that came with it."""
        if self.token.client_id != client.client_id:
            return False
        if self.token.revoked_at is not None and self.token.authorization_id is not None:
            issued.revoke_authorization(session(), self.token.authorization_id, now())
        return self.token.live(now())

    def get_scope(self) -> str:
        return self.token.scope


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """``grant_type=refresh_token``."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> Refresh | None:
        token = issued.held(session(), refresh_token)
        return Refresh(token) if token is not None and token.kind == "refresh_token" else None

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue a new access token.

        1. The request proves a key or a certificate, and the refresh token is its to use.
        2. What was given still holds: the grant is active, the sign-in was not taken back.
        3. A token that is bound to no key is used up by one conditional UPDATE. Who comes second ends all.
        4. The access token carries the grant as it stands now, and the scopes, or what of them this
           request asks for.

        :raises ServiceError: ``invalid_dpop_proof``, ``invalid_grant``,
            ``invalid_authorization_details``, ``invalid_target``
        """
        token: issued.Token = self.request.refresh_token.token
        settings, moment = current(Settings), now()
        client = self.request.client.client
        found = sender.required(session(), client, f"{settings.issuer}/oauth/token", moment)
        bound = bool(token.confirmation)
        if bound:
            sender.must_be(found, token, client)
        subject = given.subject_of(
            session(),
            settings,
            client,
            token.authorization_id,
            found,
            moment,
            within=token.audience,
            granted=(token.owner, token.grant_id) if token.grant_id else None,
        )
        if not bound and not issued.use(session(), token, moment):  # somebody else has, at this very moment
            issued.revoke_authorization(session(), str(token.authorization_id), moment)
            raise ServiceError("invalid_grant", "the refresh token was used before")
        only = self.request.form.get("scope", "").split()
        answer = given.response(
            session(), settings, subject, moment, refreshed=True, renews=not bound, only=only
        )
        return 200, answer, self.TOKEN_RESPONSE_HEADER
