"""Certificates that a client's keys name (RFC 7517 sections 4.7 and 4.9, RFC 8705 section 2.2.2)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from consent_service.verifier.certificate import thumbprint

THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
MEMBERS = frozenset({"x5c", "x5t#S256"})


def fitting(jwk: Mapping[str, Any], key: OctKey | RSAKey | ECKey | OKPKey) -> dict[str, Any]:
    """The members of a key that name its certificate, the chain above it left out; empty without any.

    :raises ValueError: the certificate is another key's, or can't be read
    """
    kept: dict[str, Any] = {}
    stated = jwk.get("x5t#S256")
    if stated is not None:
        if not isinstance(stated, str) or not THUMBPRINT.fullmatch(stated):
            raise ValueError("x5t#S256 must be a base64url SHA-256 thumbprint")
        kept["x5t#S256"] = stated
    if "x5c" in jwk:
        der = _first(jwk["x5c"])
        if _key_of(der) != getattr(key, "public_key", None):
            raise ValueError("x5c must begin with a certificate of the key")
        if stated not in {None, thumbprint(der)}:
            raise ValueError("x5t#S256 must be the thumbprint of x5c")
        kept["x5c"] = [base64.b64encode(der).decode()]
    return kept


def named(jwks: Mapping[str, Any]) -> list[str]:
    """The certificates that the keys of a checked set name, by thumbprint."""
    keys = jwks["keys"]
    return [
        str(key["x5t#S256"]) if "x5t#S256" in key else thumbprint(_first(key["x5c"]))
        for key in keys
        if MEMBERS & set(key)
    ]


def _key_of(der: bytes) -> object:
    try:
        return x509.load_der_x509_certificate(der).public_key()
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError("x5c must hold a certificate that can be read") from error


def _first(chain: object) -> bytes:
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        raise ValueError("x5c must be a list of certificates")
    try:
        return base64.b64decode(chain[0], validate=True)
    except binascii.Error as error:
        raise ValueError("x5c must be base64") from error
