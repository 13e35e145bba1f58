"""The usual JWT of a client, verified straight away: ES256 by a key of its set, with a plain header.

joserfc verifies whatever else there is, and says no to what is wrong. It imports a key anew for every
token, which takes twice as long as the signature; here a key is read once.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

COORDINATE = 32  # bytes of a number of P-256 (RFC 7518 section 3.4)
COMPACT = re.compile(r"[\w-]{1,512}\.[\w-]+\.[\w-]+", re.ASCII)
HEADER = frozenset({"alg", "typ", "kid"})
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_ALGORITHM = ec.ECDSA(SHA256())


def read(token: str) -> tuple[Mapping[str, Any], Any] | None:
    """Header and payload of a compact JWS (RFC 7515 section 7.1), not verified; None if it is none."""
    if not COMPACT.fullmatch(token):
        return None
    head, payload, _signature = token.split(".")
    try:
        return _header(head), orjson.loads(_decoded(payload))
    except (ValueError, TypeError):
        return None


def verifies(token: str, header: Mapping[str, Any], jwks: Mapping[str, Any]) -> bool:
    """Whether this token is signed by the one key that it can be signed by.

    1. The header says ES256, and nothing that would have to be understood (``crit``, ``b64``, ``jwk``).
    2. It names the key by ``kid``, or the set has a single one.
    3. That key is of P-256 and, where it says what it is for, for signatures with ES256.
    4. The signature is by it, over what stands before (RFC 7518 section 3.4).

    No is not the last word: the token may be valid in another way.
    """
    if header.get("alg") != "ES256" or not header.keys() <= HEADER:
        return False
    key = _key(jwks, header.get("kid"))
    message, _, signature = token.rpartition(".")
    try:
        raw = _decoded(signature)
        if key is None or len(raw) != 2 * COORDINATE:
            return False
        r, s = (int.from_bytes(part) for part in (raw[:COORDINATE], raw[COORDINATE:]))
        key.verify(encode_dss_signature(r, s), message.encode("ascii"), _ALGORITHM)
    except (InvalidSignature, ValueError):
        return False
    return True


def _key(jwks: Mapping[str, Any], kid: object) -> ec.EllipticCurvePublicKey | None:
    known = jwks["keys"]
    found = [key for key in known if key.get("kid") == kid] if kid is not None else known
    if len(found) != 1:
        return None
    key = found[0]
    if key.get("kty") != "EC" or key.get("crv") != "P-256" or "key_ops" in key:
        return None
    if key.get("use", "sig") != "sig" or key.get("alg", "ES256") != "ES256":
        return None
    return _public(key["x"], key["y"])


@lru_cache(maxsize=4096)
def _public(x: str, y: str) -> ec.EllipticCurvePublicKey:
    point = int.from_bytes(_decoded(x)), int.from_bytes(_decoded(y))
    return ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()


@lru_cache(maxsize=4096)
def _header(text: str) -> Mapping[str, Any]:
    """The same few headers come again and again."""
    header = orjson.loads(_decoded(text))
    if not isinstance(header, dict):
        raise TypeError("a header is an object")
    return header


def _decoded(text: str) -> bytes:
    padded = text.encode("ascii").translate(_URL_SAFE) + b"=" * (-len(text) % 4)
    return binascii.a2b_base64(padded, strict_mode=True)
