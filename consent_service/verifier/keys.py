"""Private keys as JWK files, and client assertions signed with them (RFC 7523)."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE = 60  # seconds


class ClientKey:
    """A client's ES256 key, read from a private JWK file (RFC 7517)."""

    def __init__(self, jwk: dict[str, Any]) -> None:
        self._key = jwt.PyJWK(jwk, algorithm="ES256").key
        self._kid = jwk.get("kid")

    @classmethod
    def read(cls, path: Path) -> ClientKey:
        """Read the file; raises ValueError when it holds no ES256 private key."""
        return cls(json.loads(path.read_text()))

    def assertion(self, client_id: str, issuer: str, now: dt.datetime) -> dict[str, str]:
        """The form parameters that authenticate ``client_id`` at ``issuer`` (RFC 7523 section 2.2)."""
        issued = int(now.timestamp())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": issued,
            "exp": issued + ASSERTION_LIFE,
        }
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self._sign(claims)}

    def request(
        self, client_id: str, issuer: str, parameters: Mapping[str, Any], now: dt.datetime
    ) -> dict[str, str]:
        """The parameters as one signed request (RFC 9101, OpenID Connect CIBA Core section 7.1.1)."""
        issued = int(now.timestamp())
        claims = {
            **parameters,
            "iss": client_id,
            "aud": issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": issued,
            "nbf": issued,
            "exp": issued + ASSERTION_LIFE,
        }
        return {"request": self._sign(claims, "oauth-authz-req+jwt")}

    def _sign(self, claims: dict[str, Any], typ: str = "JWT") -> str:
        named = {"kid": self._kid} if self._kid else {}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"typ": typ, **named})


def new_ec_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key, for example a party's DPoP key."""
    return ec.generate_private_key(ec.SECP256R1())
