"""Redeeming an authorization code (RFC 6749 section 4.1.3) with PKCE (RFC 7636) and DPoP (RFC 9449)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, grants
from authlib.oauth2.rfc7636 import CodeChallenge

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.oauth import given, sender, store
from consent_service.oauth.client import METHODS, OAuthClient
from consent_service.oauth.server import session
from consent_service.oauth.store import AuthorizationRow
from consent_service.registry.tokens import revoke_authorization
from consent_service.web.current import current, now


class Code:
    """An authorization code in the words of Authlib's interface."""

    def __init__(self, row: AuthorizationRow) -> None:
        self.row = row
        self.code_challenge = row.code_challenge

    def get_redirect_uri(self) -> str:
        return self.row.redirect_uri

    def get_scope(self) -> str:
        return ""


class S256CodeChallenge(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 alone: Authlib takes ``plain`` too.

    Who has to use it is settled where the request comes in. A code that was asked for with a challenge
    is not redeemed without its verifier, nor one without a challenge with one (RFC 9700 section 4.8.2).
    """

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012  (the base class has a list here)

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str:
        return "S256"

    def validate_code_verifier(self, grant: CodeGrant, result: Any) -> None:
        """A verifier that is missing does not fit the challenge: ``invalid_grant`` (RFC 7636 section 4.6)."""
        if grant.request.authorization_code.code_challenge and not grant.request.form.get("code_verifier"):
            raise InvalidGrantError(description="code_verifier is missing.")
        super().validate_code_verifier(grant, result)


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """The token endpoint's half; the other half is PAR and the owner's page."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    @classmethod
    def check_authorization_endpoint(cls, _request: Any) -> bool:
        return False

    def query_authorization_code(self, code: str, client: OAuthClient) -> Code | None:
        """The code, if it is this client's, fresh and unused; using it twice ends what it gave.

        1. Known, and issued to this client.
        2. Not used before; otherwise every token that came from it is revoked (RFC 6749 section 4.1.2).
        3. Not older than 60 s.
        """
        row = store.by_code(session(), code)
        if row is None or row.client_id != client.client_id:
            return None
        if row.code_used_at is not None:
            revoke_authorization(session(), row.request_id, now())
            raise InvalidGrantError("The code was used before; what it gave is revoked.")
        if row.code_expires_at is None or now() >= row.code_expires_at:
            return None
        return Code(row)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Use the code up and issue tokens.

        1. The request proves a key, the one the authorization was bound to if it was.
        2. What was given still holds: the grant is active, the sign-in was not taken back.
        3. The access token carries the grant, or what of it this request asks for.
        4. The code is consumed by one conditional UPDATE. Who comes second ends what it gave.

        :raises ServiceError: ``invalid_dpop_proof``, ``invalid_grant``,
            ``invalid_authorization_details``, ``invalid_target``
        """
        row: AuthorizationRow = self.request.authorization_code.row
        settings, moment = current(Settings), now()
        client = self.request.client.client
        found = sender.required(session(), client, f"{settings.issuer}/oauth/token", moment)
        if row.jkt is not None and row.jkt != found.jkt:
            raise ServiceError("invalid_dpop_proof", "the proof is by another key than the authorization's")
        asked = tuple(row.parameters.get("resource", ()))
        subject = given.subject_of(session(), settings, client, row.request_id, found, moment, asked)
        if not store.use_code(session(), row.request_id, moment):  # somebody else has, at this very moment
            revoke_authorization(session(), row.request_id, moment)
            raise ServiceError("invalid_grant", "the code was used before")
        return 200, given.response(session(), settings, subject, moment), self.TOKEN_RESPONSE_HEADER
