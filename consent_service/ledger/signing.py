"""The log's own key: Ed25519, one for each origin, sealed in the database.

A log is known by its origin and this key. A new key is therefore a new origin: set
``CONSENT_LEDGER_ORIGIN`` to a name that was never used.
"""

from __future__ import annotations

import base64
import datetime as dt

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ConfigurationError
from consent_service.ledger.append import append, hold
from consent_service.ledger.model import Kind
from consent_service.ledger.note import NoteSigner, VerifierKey
from consent_service.sealing import Seal

USE = "ledger-key"


class LogKeyRow(Base):
    """The key of one origin; ``verifier_key`` is public, the private part sealed."""

    __tablename__ = "ledger_key"

    origin: Mapped[str] = mapped_column(String(255), primary_key=True)
    verifier_key: Mapped[str] = mapped_column(Text)
    sealed_private_key: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)


def ensure(session: Session, origin: str, secret_key: str, now: dt.datetime) -> None:
    """Make the key of this origin, with its ledger entry, unless there is one."""
    hold(session, USE)
    if session.get(LogKeyRow, origin) is not None:
        return
    signer = NoteSigner(origin, Ed25519PrivateKey.generate())
    private = base64.b64encode(signer.private.private_bytes_raw()).decode()
    session.add(
        LogKeyRow(
            origin=origin,
            verifier_key=str(signer.verifier),
            sealed_private_key=Seal(secret_key, USE).close(private),
            created_at=now,
        )
    )
    append(session, Kind.KEY_CREATED, {"use": USE, "verifier_key": str(signer.verifier)}, now=now)


def signer(session: Session, origin: str, secret_key: str) -> NoteSigner:
    """The signer of this origin's checkpoints.

    :raises ConfigurationError: no key yet, or sealed with another secret
    """
    row = session.get(LogKeyRow, origin)
    if row is None:
        raise ConfigurationError(f"the log {origin} has no key yet: `consent-service serve` makes one")
    private = base64.b64decode(Seal(secret_key, USE).open(row.sealed_private_key))
    return NoteSigner(origin, Ed25519PrivateKey.from_private_bytes(private))


def verifier_key(session: Session, origin: str) -> VerifierKey | None:
    """The public key of this origin's log, or None."""
    row = session.get(LogKeyRow, origin)
    return VerifierKey.parse(row.verifier_key) if row else None
