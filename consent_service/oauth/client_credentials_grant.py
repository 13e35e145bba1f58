"""Client credentials (RFC 6749 section 4.4): how a client's machine gets a token for an API of ours."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.oauth import tokens
from consent_service.oauth.client_auth import METHOD
from consent_service.oauth.server import session
from consent_service.registry.model import Client
from consent_service.web.current import current, now


class MachineGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """``grant_type=client_credentials``, with the one scope that a client of its role can have."""

    TOKEN_ENDPOINT_AUTH_METHODS = [METHOD]  # noqa: RUF012

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue a bearer token, ten minutes long: for decisions, or for the ledger.

        :raises ServiceError: ``invalid_scope``
        """
        client: Client = self.request.client.client
        scope, path = tokens.MACHINE_SCOPES[client.role]
        if (self.request.form.get("scope") or scope).split() != [scope]:
            raise ServiceError("invalid_scope", f"a {client.role}'s token has the scope {scope}")
        settings = current(Settings)
        subject = tokens.Subject(client, client.client_id, (settings.issuer + path,), scope=scope)
        return 200, tokens.access_token(session(), settings, subject, now()), self.TOKEN_RESPONSE_HEADER
