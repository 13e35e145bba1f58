"""The service's signing keys: ES256, sealed in the database, rotated by command.

The newest key signs. A key that was replaced stays published until the last token that
it signed has ended (:data:`PUBLISHED_AFTER`).
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import String, Text, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ConfigurationError
from consent_service.sealing import Seal

ALGORITHM = "ES256"
PUBLISHED_AFTER = dt.timedelta(hours=1)  # longer than any access token lives
USE = "signing-key"


class SigningKeyRow(Base):
    """One signing key; the private part is sealed."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(16))
    public_jwk: Mapped[str] = mapped_column(Text)
    sealed_private_jwk: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    retired_at: Mapped[dt.datetime | None] = mapped_column(Instant)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs JWTs with the key of the moment."""

    kid: str
    key: ECKey

    def sign(self, claims: dict[str, Any], *, typ: str) -> str:
        """Return ``claims`` as a compact JWS (RFC 7515) with ``typ`` and ``kid`` in its header."""
        header = {"alg": ALGORITHM, "typ": typ, "kid": self.kid}
        return jwt.encode(header, claims, self.key, algorithms=[ALGORITHM])


def rotate(session: Session, secret_key: str, now: dt.datetime) -> str:
    """Make a new signing key, retire the one before it, and return the new ``kid`` (RFC 7638)."""
    key = ECKey.generate_key("P-256", private=True)
    kid = key.thumbprint()
    session.execute(update(SigningKeyRow).where(SigningKeyRow.retired_at.is_(None)).values(retired_at=now))
    public = {**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"}
    private = {**key.as_dict(private=True), "kid": kid}
    session.add(
        SigningKeyRow(
            kid=kid,
            algorithm=ALGORITHM,
            public_jwk=json.dumps(public),
            sealed_private_jwk=Seal(secret_key, USE).close(json.dumps(private)),
            created_at=now,
        )
    )
    return kid


def signer(session: Session, secret_key: str) -> Signer:
    """The signer with the key of the moment.

    :raises ConfigurationError: no key yet, or sealed with another secret
    """
    row = session.scalar(
        select(SigningKeyRow)
        .where(SigningKeyRow.retired_at.is_(None))
        .order_by(SigningKeyRow.created_at.desc())
        .limit(1)
    )
    if row is None:
        raise ConfigurationError("there is no signing key: run `consent-service keys rotate`")
    return Signer(row.kid, ECKey.import_key(json.loads(Seal(secret_key, USE).open(row.sealed_private_jwk))))


def published(session: Session, now: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    """The JWK Set (RFC 7517 section 5) of every key whose tokens may still live."""
    rows = session.scalars(
        select(SigningKeyRow)
        .where(
            or_(
                SigningKeyRow.retired_at.is_(None),
                SigningKeyRow.retired_at > now - PUBLISHED_AFTER,
            )
        )
        .order_by(SigningKeyRow.created_at.desc())
    )
    return {"keys": [json.loads(row.public_jwk) for row in rows]}
