"""Token revocation (RFC 7009): ends tokens, not grants; a grant is the owner's to take back."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from consent_service.oauth.client import METHODS, OAuthClient
from consent_service.oauth.server import session
from consent_service.registry import tokens
from consent_service.web.current import now


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """``/oauth/revoke``."""

    CLIENT_AUTH_METHODS = METHODS

    def authenticate_token(self, request: Any, client: OAuthClient) -> tokens.Token | None:
        """The token to revoke, if there is one and it is this client's.

        A token that is unknown or somebody else's is answered with 200 like any other
        (RFC 7009 section 2.2), and nothing happens.
        """
        if "token" not in request.form:
            raise InvalidRequestError("token is missing")
        token = tokens.find(session(), request.form["token"])
        return token if token and token.client_id == client.client_id else None

    def revoke_token(self, token: tokens.Token, _request: Any) -> None:
        tokens.revoke(session(), token, now())
