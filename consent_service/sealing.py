"""Sealing what must not lie in clear: signing keys and national identity numbers.

One Fernet key (AES-128-CBC with HMAC-SHA256) for each use, derived from
``CONSENT_SECRET_KEY`` by HKDF (RFC 5869), so that a value sealed for one use
opens for no other.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consent_service.errors import ConfigurationError


class Seal:
    """Seals and opens text for one use, for example ``signing-key``."""

    def __init__(self, secret_key: str, use: str) -> None:
        derived = HKDF(SHA256(), length=32, salt=None, info=f"consent-service {use}".encode()).derive(
            secret_key.encode()
        )
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def close(self, text: str) -> str:
        """Return ``text`` sealed, as ASCII."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return what was sealed; raises ConfigurationError when the key is another."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise ConfigurationError(
                "CONSENT_SECRET_KEY is not the one that this database was sealed with"
            ) from None
