"""private_key_jwt: client authentication with a signed assertion (RFC 7523, FAPI 2.0 section 5.3.2.1).

Authlib's own check takes RS256, a list as audience and assertions without ``iat``; this
one does not. Whatever is wrong, the answer is the same sentence, so that nobody learns
which clients exist.
"""

from __future__ import annotations

import datetime as dt
import warnings
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, OAuth2Request
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet
from sqlalchemy.orm import Session

from consent_service.registry import used
from consent_service.registry.model import Client, ClientRole

# joserfc warns of the name EdDSA since RFC 9864 renamed it; FAPI 2.0 and its clients still say EdDSA.
warnings.filterwarnings("ignore", message=".*EdDSA.*", category=SecurityWarning)

METHOD = "private_key_jwt"
ALGORITHMS = ["PS256", "ES256", "EdDSA"]  # FAPI 2.0 section 5.4.1
AHEAD = 10  # seconds that a client's clock may be ahead
LONGEST = 3600  # seconds from iat to exp; bounds how long a jti is remembered
JTI_LENGTH = 256
FAR = 2**40  # a NumericDate beyond any calendar
GRANT_TYPES = {
    ClientRole.PARTY: frozenset({"authorization_code", "refresh_token", "client_credentials"}),
    ClientRole.HOLDER: frozenset({"client_credentials"}),
    ClientRole.SUPERVISOR: frozenset({"client_credentials"}),
}


class OAuthClient(ClientMixin):  # type: ignore[misc]
    """Our client in the words of Authlib's interface."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.client_id = client.client_id

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return None  # always stated (FAPI 2.0 section 5.3.2.2)

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.client.redirect_uris

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == METHOD

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in GRANT_TYPES[self.client.role]


class PrivateKeyJwt(JWTBearerClientAssertion):  # type: ignore[misc]
    """The check, for one request's session and moment."""

    CLIENT_AUTH_METHOD = METHOD

    def __init__(self, session: Session, issuer: str, now: dt.datetime) -> None:
        super().__init__(validate_jti=True)
        self._session, self._issuer, self._now = session, issuer, now

    def __call__(self, query_client: Any, request: OAuth2Request) -> OAuthClient:
        """Authenticate the client of a request.

        1. One assertion of the right type, and a ``client_id`` beside it that agrees, if any.
        2. Signed with PS256, ES256 or EdDSA by a key of the client that ``sub`` names.
        3. ``iss`` and ``sub`` are the client, ``aud`` is our issuer as one string.
        4. ``exp``, ``iat`` and ``nbf`` hold; no longer than an hour from iat to exp.
        5. ``jti`` was not used by this client before.
        6. The client and its organisation are active.

        :raises InvalidClientError: one sentence for every reason
        """
        try:
            client = super().__call__(query_client, request)
        except (InvalidClientError, JoseError, ValueError, TypeError) as error:
            raise _refused() from error
        stated = request.form.get("client_id")
        if client is None or (stated is not None and stated != client.client_id):
            raise _refused()
        if not client.client.active:
            raise _refused()
        return client  # type: ignore[no-any-return]

    def resolve_client_public_key(self, client: OAuthClient) -> KeySet:
        return KeySet.import_key_set(client.client.jwks)  # type: ignore[arg-type]

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> dict[str, Any]:
        token = jwt.decode(assertion, resolve_key, algorithms=ALGORITHMS)
        self.verify_claims(token.claims)
        return token.claims

    def verify_claims(self, claims: dict[str, Any]) -> None:
        now, jti = self._now.timestamp(), claims.get("jti")
        issued, expires = _time(claims.get("iat")), _time(claims.get("exp"))
        not_before = _time(claims.get("nbf", issued))
        if claims.get("iss") != claims.get("sub") or claims.get("aud") != self._issuer:
            raise _refused()
        if issued > now + AHEAD or not_before > now + AHEAD or expires <= now or expires - issued > LONGEST:
            raise _refused()
        if not isinstance(jti, str) or not 0 < len(jti) <= JTI_LENGTH:
            raise _refused()
        until = dt.datetime.fromtimestamp(int(expires) + 1, dt.UTC)
        if not used.use_once(self._session, f"client {claims['sub']}", jti, until):
            raise _refused()


def _time(value: object) -> float:
    """A NumericDate (RFC 7519 section 2), or the refusal that a missing or absurd one earns."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < FAR:
        raise _refused()
    return value


def _refused() -> InvalidClientError:
    return InvalidClientError(description="Client authentication failed.", status_code=401)
