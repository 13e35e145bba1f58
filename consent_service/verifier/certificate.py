"""Certificate-bound access tokens (RFC 8705 section 3): the thumbprint, and a client that shows its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from pathlib import Path

import httpx2

from consent_service.verifier.errors import Refused

TIMEOUT = 5.0  # seconds


def thumbprint(der: bytes) -> str:
    """The ``x5t#S256`` of a DER certificate (RFC 8705 section 3.1): base64url of its SHA-256, unpadded."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def check_binding(x5t: str, der: bytes | None) -> None:
    """Hold the certificate of a connection against the one that a token is bound to (section 3).

    :param der: from the TLS layer, or from a proxy that proved it (RFC 9440); None without one
    :raises Refused: ``invalid_token``, as section 3 wants it
    """
    if der is None or not hmac.compare_digest(thumbprint(der).encode(), x5t.encode()):
        raise Refused("the token is bound to another certificate than the connection's")


def http_client(certificate: Path, key: Path, authorities: Path | None = None) -> httpx2.Client:
    """An HTTP client that shows this certificate to whoever asks for one; at least TLS 1.2.

    :param certificate: PEM, the client's own first, then its intermediates
    :param authorities: PEM of who signed the server's certificate; by default the system's
    :raises OSError: a file can't be read, or certificate and key don't belong together
    """
    context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return httpx2.Client(verify=context, timeout=TIMEOUT, follow_redirects=False)
