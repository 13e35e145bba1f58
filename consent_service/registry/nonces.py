"""Server nonces for DPoP proofs (RFC 9449 sections 8 and 9): they bound when a proof can have been made.

A nonce is the number of a minute with its keyed hash, so every worker makes and knows the same ones
and nothing is stored. A proof with a nonce must have one of the last minutes'; whether a proof
without one is taken is a setting (``CONSENT_DPOP_NONCE``).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass, replace

MINUTE = 60  # seconds that one nonce is handed out
MINUTES = 5  # how long it is taken: the minute of its making and those after it
MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Nonces:
    """The nonces of one service (:class:`consent_service.verifier.dpop.Nonces`).

    :param required: refuse a proof that has none
    """

    key: bytes
    required: bool = False

    @classmethod
    def of(cls, secret_key: str, *, required: bool) -> Nonces:
        """The nonces that go with a service's secret."""
        return cls(hashlib.sha256(b"consent-service dpop nonce " + secret_key.encode()).digest(), required)

    def welcome(self) -> Nonces:
        """The same for our protected resources: handed out, checked where they come, never demanded."""
        return replace(self, required=False)

    def make(self, now: dt.datetime) -> str:
        """The nonce of this minute, for a ``DPoP-Nonce`` header."""
        return self._nonce(int(now.timestamp()) // MINUTE)

    def fresh(self, nonce: object, now: dt.datetime) -> bool:
        """Whether this is a nonce of ours that is young enough."""
        if not isinstance(nonce, str) or len(nonce) > 64:
            return False
        try:
            minute = int.from_bytes(base64.b64decode(nonce, altchars=b"-_", validate=True)[:8])
        except (binascii.Error, ValueError):
            return False
        age = int(now.timestamp()) // MINUTE - minute
        return 0 <= age < MINUTES and hmac.compare_digest(nonce, self._nonce(minute))

    def _nonce(self, minute: int) -> str:
        said = minute.to_bytes(8)
        mac = hmac.digest(self.key, said, "sha256")[:MAC_BYTES]
        return base64.urlsafe_b64encode(said + mac).decode()
