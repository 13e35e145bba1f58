"""The ``Client-Cert`` header (RFC 9440), and how the application knows who wrote it.

Pure: the listener writes what the application reads, with the same lines.
"""

from __future__ import annotations

import base64
import binascii
import re

HEADER = "Client-Cert"
SECRET_HEADER = "X-Listener-Secret"
"""What only our listener and a proxy that the operator set up can send; see ``web/certificate.py``."""
LARGEST = 16 * 1024  # bytes of DER; real ones have one to four thousand
_FIELD = re.compile(r" *:([A-Za-z0-9+/]*={0,2}): *")


def encode(der: bytes) -> str:
    """A DER certificate as a Structured Field byte sequence (RFC 9440 section 2.1, RFC 8941)."""
    return f":{base64.b64encode(der).decode()}:"


def decode(value: str) -> bytes:
    """The DER certificate in the header's value; the caller still parses it.

    One byte sequence without parameters (RFC 9440 section 2.2). A second header line, which WSGI
    joins to the first with a comma, is no byte sequence any more and is refused with the rest.

    :raises ValueError: malformed
    """
    found = _FIELD.fullmatch(value)
    if found is None or len(value) > 2 * LARGEST:
        raise ValueError("Client-Cert is not one byte sequence")
    try:
        der = base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise ValueError("Client-Cert is not base64") from error
    if not der or encode(der) != value.strip(" "):
        raise ValueError("Client-Cert is not one certificate")
    return der
