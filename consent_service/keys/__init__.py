"""The service's signing keys: made, announced, signing, retired; and what signs with them.

A key is published before it signs and after it has signed, so that whoever verifies never meets
an unknown one. Its private part is sealed in the database, opened once a worker, and destroyed
when it retires. Each step is an entry in the ledger.
"""

from consent_service.keys.jws import Algorithm, SigningKey, generate
from consent_service.keys.rotation import rotate
from consent_service.keys.signing import DatabaseSigner, Signer, signer
from consent_service.keys.store import PUBLISHED_AFTER, find, published

ALGORITHM = Algorithm.ES256
"""What signs where nothing else was agreed on."""

__all__ = [
    "ALGORITHM",
    "PUBLISHED_AFTER",
    "Algorithm",
    "DatabaseSigner",
    "Signer",
    "SigningKey",
    "find",
    "generate",
    "published",
    "rotate",
    "signer",
]
