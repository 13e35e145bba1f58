"""The client certificate of the present request (RFC 8705, RFC 9440), and what can be read in it.

TLS ends before the application: in our own listener, or in a proxy. A header says which
certificate was shown there, and a header is worth what its writer is worth. So it counts
only beside the secret that the listener, or the operator's proxy, shares with the application.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from flask import request

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.verifier import certificate as verifier
from consent_service.web.client_cert import HEADER, SECRET_HEADER, decode

RSA_BITS, EC_BITS = 2048, 224  # FAPI 2.0 section 5.4.1


def presented(settings: Settings) -> x509.Certificate | None:
    """The certificate that the client of the present request showed, or None.

    1. Without a secret of ours in the settings, no header counts (fail closed).
    2. Without that secret, once, in the request, the header may come from anybody: it is not looked at.
    3. The header is one byte sequence (RFC 9440 section 2.2) that holds one certificate.

    That the client has the private key, TLS has checked. The caller still owes whose
    certificate it is: by thumbprint, by JWKS, or by name and authority.

    :raises ServiceError: ``invalid_request``, step 3
    """
    der = _shown(settings)
    try:
        return None if der is None else x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise _unreadable(error) from error


def presented_thumbprint(settings: Settings) -> str | None:
    """The ``x5t#S256`` of the same certificate, which is all that a token's binding asks for.

    :raises ServiceError: ``invalid_request``, where the header is malformed
    """
    der = _shown(settings)
    return None if der is None else verifier.thumbprint(der)


def _shown(settings: Settings) -> bytes | None:
    said = request.headers.getlist(SECRET_HEADER)
    if not settings.listener_secret or len(said) != 1:
        return None
    if not hmac.compare_digest(said[0].encode(), settings.listener_secret.encode()):
        return None
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    try:
        if len(values) != 1:
            raise ValueError("more than one Client-Cert header")
        return decode(values[0])
    except ValueError as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ServiceError:
    return ServiceError("invalid_request", "The client certificate can't be read.", detail=str(error))


def thumbprint(certificate: x509.Certificate) -> str:
    """Its ``x5t#S256`` (RFC 8705 section 3.1)."""
    return verifier.thumbprint(certificate.public_bytes(Encoding.DER))


def strong(certificate: x509.Certificate) -> bool:
    """Whether its key is one that FAPI 2.0 takes (section 5.4.1); TLS took whatever was shown."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.key_size >= EC_BITS
    return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def in_jwks(certificate: x509.Certificate, jwks: Mapping[str, Any]) -> bool:
    """Whether a client registered this very certificate (RFC 8705 section 2.2.2).

    A key of the set names it: by ``x5c``, whose first member it is, or by ``x5t#S256``. A key that
    names no certificate is there to verify signatures, and does not count.
    """
    der = certificate.public_bytes(Encoding.DER)
    return any(_names(one, der) for one in jwks.get("keys", ()) if isinstance(one, Mapping))


def _names(jwk: Mapping[str, Any], der: bytes) -> bool:
    chain = jwk.get("x5c")
    if isinstance(chain, list) and chain and isinstance(chain[0], str):
        try:
            return base64.b64decode(chain[0], validate=True) == der  # standard base64 (RFC 7517 4.7)
        except binascii.Error:
            return False
    return jwk.get("x5t#S256") == verifier.thumbprint(der)


def mtls_aliases(settings: Settings, endpoints: Mapping[str, str]) -> dict[str, Any]:
    """The metadata member that says where a certificate is asked for (RFC 8705 section 5).

    Empty where one is asked for everywhere.
    """
    if not settings.mtls_url:
        return {}
    moved = {name: settings.mtls_url + url.removeprefix(settings.issuer) for name, url in endpoints.items()}
    return {"mtls_endpoint_aliases": moved}


def called_at(settings: Settings, url: str) -> str:
    """The address of an endpoint as the client called it: ours, or its alias, and no third."""
    alias = settings.mtls_url
    if alias and request.host == urlsplit(alias).netloc:
        return alias + url.removeprefix(settings.issuer)
    return url
