"""Sign-in through a national eID: an OpenID Connect client (authorization code, PKCE S256).

Any OpenID provider will do; which one is configuration. Authlib's client makes the
request and redeems the code, joserfc checks the ID token.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consent_service.errors import ServiceError
from consent_service.registry.model import NationalIdentity

ALGORITHMS = ["ES256", "PS256", "RS256"]  # RS256 is what most national brokers still sign with
TIMEOUT = 5.0  # seconds
LEEWAY = 30  # seconds


@dataclass(frozen=True, slots=True)
class Attempt:
    """What must be remembered in the browser's session between leaving and coming back."""

    url: str
    state: str
    nonce: str
    code_verifier: str


class EidBroker:
    """The eID broker at ``issuer``; an empty issuer means that none is configured."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, redirect_uri: str, country: str = ""
    ) -> None:
        self.issuer = issuer
        self._country = country
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._http = httpx2.Client(timeout=TIMEOUT)
        self._metadata: dict[str, Any] = {}

    @property
    def origin(self) -> str:
        """Scheme and host of the broker's authorization endpoint, as last known."""
        parts = urlsplit(self._metadata.get("authorization_endpoint", self.issuer))
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    def begin(self) -> Attempt:
        """Make an authorization request (OpenID Connect Core section 3.1.2.1; RFC 7636).

        It asks for a sign-in at this moment: what we say of when somebody signed in must be true.

        :raises ServiceError: ``eid_unavailable``
        """
        metadata = self._discover()
        nonce, verifier = generate_token(32), generate_token(64)
        with self._oauth() as client:
            url, state = client.create_authorization_url(
                metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, prompt="login"
            )
        return Attempt(url, state, nonce, verifier)

    def finish(self, attempt: Attempt, response_url: str, now: dt.datetime) -> NationalIdentity:
        """Redeem the response and return who it vouches for.

        1. state matches what this browser left with (RFC 6749 section 10.12).
        2. The code is redeemed with its verifier (RFC 7636 section 4.5).
        3. The ID token's signature, iss, aud, exp, iat and nonce hold (Core section 3.1.3.7).
        4. It names a person: sub, name and pid; with birthdate (Core section 5.1) and ``pid_country``
           where the broker gives them.

        :raises ServiceError: ``eid_failed`` or ``eid_unavailable``
        """
        metadata = self._discover()
        try:
            with self._oauth(state=attempt.state) as client:
                token = client.fetch_token(
                    metadata["token_endpoint"],
                    authorization_response=response_url,
                    code_verifier=attempt.code_verifier,
                )
            claims = self._verify(str(token["id_token"]), attempt.nonce, now)
            amr = claims.get("amr")
            born, country = claims.get("birthdate"), claims.get("pid_country") or self._country
            return NationalIdentity(
                self.issuer,
                str(claims["sub"]),
                str(claims["name"]),
                str(claims["pid"]),
                tuple(one for one in amr if isinstance(one, str)) if isinstance(amr, list) else (),
                dt.date.fromisoformat(str(born)) if born else None,
                str(country) if country else None,
            )
        except httpx2.HTTPError as error:
            raise self._unavailable(error) from error
        except (AuthlibBaseError, JoseError, KeyError, ValueError) as error:
            raise ServiceError(
                "eid_failed",
                "Signing in with your eID did not work. Please try again.",
                detail=type(error).__name__,
            ) from error

    def _verify(self, id_token: str, nonce: str, now: dt.datetime) -> dict[str, Any]:
        keys = KeySet.import_key_set(self._get(self._discover()["jwks_uri"]))  # type: ignore[arg-type]
        token = jwt.decode(id_token, keys, algorithms=ALGORITHMS)
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        registry.validate(token.claims)
        return token.claims

    def _oauth(self, **options: Any) -> OAuth2Client:
        return OAuth2Client(
            client_id=self._client_id,
            client_secret=self._client_secret,
            redirect_uri=self._redirect_uri,
            scope="openid profile",
            code_challenge_method="S256",
            timeout=TIMEOUT,
            **options,
        )

    def _discover(self) -> dict[str, Any]:
        if not self.issuer:
            raise ServiceError(
                "eid_unavailable", "No eID is set up here yet. Please tell the operator.", status=503
            )
        if not self._metadata:
            metadata = self._get(f"{self.issuer}/.well-known/openid-configuration")
            if metadata.get("issuer") != self.issuer:  # OpenID Connect Discovery section 4.3
                raise self._unavailable(ValueError("the metadata names another issuer"))
            self._metadata = metadata
        return self._metadata

    def _get(self, url: str) -> dict[str, Any]:
        try:
            document = self._http.get(url).raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise self._unavailable(error) from error
        return document if isinstance(document, dict) else {}

    def _unavailable(self, error: Exception) -> ServiceError:
        return ServiceError(
            "eid_unavailable",
            "The eID can't be reached right now. Please try again in a few minutes.",
            status=503,
            detail=repr(error),
        )
