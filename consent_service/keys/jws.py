"""Keys and compact signatures (RFC 7515, RFC 7518) of the three algorithms that we sign with.

Pure. Straight from the cryptography library: a signature is on the path of every token, and the
general way through a JOSE library costs twice as much as the signature itself (ADR 15).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

RSA_BITS = 2048
"""What FAPI 2.0 asks for at least (section 5.4.1); a longer one signs three times as slowly."""
COORDINATE = 32  # bytes of a number of P-256
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Algorithm(StrEnum):
    """How we sign (RFC 7518 section 3.1); each has a key of its own (RFC 8725 section 3.1)."""

    ES256 = "ES256"
    PS256 = "PS256"
    RS256 = "RS256"
    """For OpenID Connect clients that were never told otherwise (OpenID Connect Core section 15.1)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the one algorithm that it is for."""

    algorithm: Algorithm
    private: PrivateKey

    @property
    def public_jwk(self) -> dict[str, Any]:
        """What is published: the public part with ``kid``, ``alg`` and ``use`` (RFC 7517 section 4)."""
        members = _public_members(self.private)
        return {**members, "kid": _thumbprint(members), "alg": self.algorithm.value, "use": "sig"}

    @property
    def kid(self) -> str:
        """The key's thumbprint (RFC 7638)."""
        return _thumbprint(_public_members(self.private))

    def to_text(self) -> str:
        """The private part, to be sealed."""
        der = self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return base64.b64encode(der).decode()

    @classmethod
    def from_text(cls, algorithm: str, text: str) -> SigningKey:
        """What :meth:`to_text` wrote, or a private JWK of before."""
        if text.startswith("{"):
            return cls(Algorithm(algorithm), _from_jwk(orjson.loads(text)))
        private = load_der_private_key(base64.b64decode(text), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise TypeError("a signing key is of an elliptic curve or RSA")
        return cls(Algorithm(algorithm), private)

    def sign(self, message: bytes) -> bytes:
        """The bare signature of this algorithm (RFC 7518 sections 3.3 to 3.5)."""
        return _SIGN[self.algorithm](self.private, message)


def generate(algorithm: Algorithm) -> SigningKey:
    """A new key; one for RSA takes a tenth of a second."""
    if algorithm is Algorithm.ES256:
        return SigningKey(algorithm, ec.generate_private_key(ec.SECP256R1()))
    return SigningKey(algorithm, rsa.generate_private_key(65537, RSA_BITS))


def compact(key: SigningKey, kid: str, typ: str, claims: dict[str, Any]) -> str:
    """A JWT in compact form (RFC 7515 section 3.1)."""
    message = _header(key.algorithm, kid, typ) + b"." + _base64url(orjson.dumps(claims))
    return (message + b"." + _base64url(key.sign(message))).decode()


@lru_cache(maxsize=64)
def _header(algorithm: Algorithm, kid: str, typ: str) -> bytes:
    return _base64url(orjson.dumps({"alg": algorithm.value, "typ": typ, "kid": kid}))


def _es256(key: Any, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(COORDINATE, "big") + s.to_bytes(COORDINATE, "big")


def _ps256(key: Any, message: bytes) -> bytes:
    return bytes(key.sign(message, padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size), SHA256()))


def _rs256(key: Any, message: bytes) -> bytes:
    return bytes(key.sign(message, padding.PKCS1v15(), SHA256()))


_SIGN: dict[Algorithm, Callable[[PrivateKey, bytes], bytes]] = {
    Algorithm.ES256: _es256,
    Algorithm.PS256: _ps256,
    Algorithm.RS256: _rs256,
}


def _public_members(key: PrivateKey) -> dict[str, str]:
    """The members that make a public key, and no others (RFC 7638 section 3.2)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return {
            "crv": "P-256",
            "kty": "EC",
            "x": _number(point.x, COORDINATE),
            "y": _number(point.y, COORDINATE),
        }
    numbers = key.public_key().public_numbers()
    return {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}


def _thumbprint(members: dict[str, str]) -> str:
    ordered = orjson.dumps(members, option=orjson.OPT_SORT_KEYS)
    return _base64url(hashlib.sha256(ordered).digest()).decode()


def _from_jwk(jwk: dict[str, str]) -> ec.EllipticCurvePrivateKey:
    scalar = base64.urlsafe_b64decode(jwk["d"] + "==")
    return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def _number(value: int, length: int = 0) -> str:
    return _base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big")).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
