"""A client's public keys (RFC 7517): which may be registered, and what the ledger holds of them."""

from __future__ import annotations

from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from consent_service.errors import ServiceError
from consent_service.registry import client_certificates

KEY_MEMBERS = {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"}
MINIMUM_RSA_BITS = 2048


def public_jwks(jwks: dict[str, Any]) -> dict[str, Any]:
    """Check a client's JWK Set (RFC 7517) and keep its public members only.

    :raises ServiceError: ``invalid_client_metadata``: no key, a symmetric or a weak one
    """
    try:
        keys = [{name: value for name, value in key.items() if name in KEY_MEMBERS} for key in jwks["keys"]]
        imported = [import_key(key) for key in keys]
    except (KeyError, TypeError, AttributeError, ValueError, JoseError) as error:
        raise _unfit("jwks must be a JWK Set of public keys") from error
    if not imported:
        raise _unfit("jwks must hold at least one public key")
    for key in imported:
        if not isinstance(key, RSAKey | ECKey | OKPKey):
            raise _unfit("a client's key must be asymmetric")
        if isinstance(key, RSAKey) and key.public_key.key_size < MINIMUM_RSA_BITS:
            raise _unfit(f"an RSA key has at least {MINIMUM_RSA_BITS} bits")
    try:
        for kept, given, key in zip(keys, jwks["keys"], imported, strict=True):
            kept.update(client_certificates.fitting(given, key))
    except ValueError as error:
        raise _unfit(f"jwks: {error}") from error
    return {"keys": keys}


def thumbprints(jwks: dict[str, Any]) -> list[str]:
    """The keys of a set by their thumbprints (RFC 7638), sorted, and then the certificates that they name.

    That is what the ledger holds of them.
    """
    certificates = sorted(f"x5t#S256:{one}" for one in client_certificates.named(jwks))
    return sorted(import_key(key).thumbprint() for key in jwks["keys"]) + certificates


def _unfit(sentence: str) -> ServiceError:
    return ServiceError("invalid_client_metadata", sentence)
