"""The two servers as a client meets them, and what is sent to them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import secrets
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm

from benchmarks import population

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASSERTION_LIFE = 1800  # seconds: they are made before the run, and each is sent once
REDIRECT, PLACE = "https://bank.example.no/cb", population.PLACE
BANK, ERP = "bank", "erp"


class Key:
    """A client's ES256 key. It signs as fast as can be: the load must not be what is measured."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self.public: dict[str, Any] = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        named = json.dumps({name: self.public[name] for name in ("crv", "kty", "x", "y")})
        self.thumbprint = _base64url(hashlib.sha256(named.replace(" ", "").encode()).digest())

    def to_json(self) -> str:
        """The private key, for the process that makes the load."""
        return str(ECAlgorithm.to_jwk(self._key))

    @classmethod
    def from_json(cls, text: str) -> Key:
        key = ECAlgorithm.from_jwk(text)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key)

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        parts = [_base64url(json.dumps(one).encode()) for one in ({"alg": "ES256", **header}, claims)]
        message = ".".join(parts)
        r, s = decode_dss_signature(self._key.sign(message.encode(), ec.ECDSA(SHA256())))
        return f"{message}.{_base64url(r.to_bytes(32) + s.to_bytes(32))}"

    def proof(self, url: str) -> str:
        """A DPoP proof for a POST there (RFC 9449 section 4.2)."""
        public = {name: self.public[name] for name in ("crv", "kty", "x", "y")}
        claims = {"jti": secrets.token_urlsafe(16), "htm": "POST", "htu": url, "iat": _now()}
        return self.sign(claims, typ="dpop+jwt", jwk=public)

    def assertion(self, client_id: str, issuer: str) -> dict[str, str]:
        """The form parameters of private_key_jwt, good for one request (RFC 7523 section 2.2)."""
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": _now(),
            "exp": _now() + ASSERTION_LIFE,
        }
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.sign(claims)}


@dataclass
class Side:
    """One server: where its endpoints are, and what its clients hold."""

    name: str
    issuer: str
    paths: dict[str, str]
    keys: dict[str, Key]
    browsers: list[dict[str, str]] = field(default_factory=list)
    """Cookies of signed-in browsers; one without any signs in on its first way through."""
    owners: list[str] = field(default_factory=list)
    """For each browser, whose data is asked for."""
    introspecting: dict[str, str] = field(default_factory=dict)
    """The headers with which a data holder may ask about tokens without signing anything."""

    def url(self, endpoint: str) -> str:
        return self.issuer + self.paths[endpoint]

    def form(self, client_id: str, values: dict[str, str]) -> bytes:
        """A form that its client signs for, good once."""
        return encode({**values, **self.keys[client_id].assertion(client_id, self.issuer)})

    def forms(self, client_id: str, values: dict[str, str], count: int) -> list[bytes]:
        return [self.form(client_id, values) for _ in range(count)]


def details(owner: str) -> str:
    """What the bank asks for: a credit check (RFC 9396)."""
    asked = population.TERMS | {"owner": {"authority": "iso6523-actorid-upis", "ID": owner}}
    return json.dumps([asked])


def encode(values: dict[str, str]) -> bytes:
    return urllib.parse.urlencode(values).encode()


def challenge(verifier: str) -> str:
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _now() -> int:
    return int(dt.datetime.now(dt.UTC).timestamp())
