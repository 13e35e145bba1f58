"""Refreshing (RFC 6749 section 6): bound to client and key, alive only while the grant is.

No rotation: a refresh token that is bound to a key is of no use to a thief (FAPI 2.0
section 5.3.2.1, note 3), and rotation loses tokens on a broken line.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants

from consent_service.config import Settings
from consent_service.oauth import sender, tokens
from consent_service.oauth.client import METHODS, OAuthClient
from consent_service.oauth.live import active_grant
from consent_service.oauth.server import session
from consent_service.registry import tokens as issued
from consent_service.web.current import current, now


class Refresh:
    """A refresh token in the words of Authlib's interface."""

    def __init__(self, token: issued.Token) -> None:
        self.token = token

    def check_client(self, client: OAuthClient) -> bool:
        return self.token.client_id == client.client_id

    def get_scope(self) -> str:
        return self.token.scope


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """``grant_type=refresh_token``."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> Refresh | None:
        token = issued.find(session(), refresh_token)
        if token is None or token.kind != "refresh_token" or not token.live(now()):
            return None
        return Refresh(token)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue a new access token.

        1. The request proves the key that the refresh token is bound to.
        2. The grant is still active.

        :raises ServiceError: ``invalid_dpop_proof``, ``invalid_grant``
        """
        token: issued.Token = self.request.refresh_token.token
        settings, moment = current(Settings), now()
        client = self.request.client.client
        found = sender.required(session(), client, f"{settings.issuer}/oauth/token", moment)
        sender.must_be(found, token, client)
        grant = active_grant(session(), token.owner, token.grant_id, moment)
        subject = tokens.of_grant(client, grant, found, token.authorization_id)
        return 200, tokens.access_token(session(), settings, subject, moment), self.TOKEN_RESPONSE_HEADER
