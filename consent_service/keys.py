"""The service's signing keys: ES256, sealed in the database, rotated by command.

The newest key signs. A key that was replaced stays published until the last token that
it signed has ended (:data:`PUBLISHED_AFTER`).
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import String, Text, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ConfigurationError
from consent_service.sealing import Seal

ALGORITHM = "ES256"
PUBLISHED_AFTER = dt.timedelta(days=3)  # longer than any access token lives, and than an event is on its way
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


class Algorithm(StrEnum):
    """How we sign (RFC 7518 section 3.1); each has a key of its own (RFC 8725 section 3.1)."""

    ES256 = "ES256"
    RS256 = "RS256"
    """For security event tokens (CAEP Interoperability Profile section 2.6)."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs JWTs with the keys of the moment."""

    keys: dict[str, tuple[str, ECKey | RSAKey]]

    def sign(self, claims: dict[str, Any], *, typ: str, alg: Algorithm = Algorithm.ES256) -> str:
        """Return ``claims`` as a compact JWS (RFC 7515) with ``typ`` and ``kid`` in its header."""
        if alg not in self.keys:
            raise ConfigurationError(f"there is no {alg} signing key: run `consent-service keys rotate`")
        kid, key = self.keys[alg]
        return jwt.encode({"alg": alg.value, "typ": typ, "kid": kid}, claims, key, algorithms=[alg.value])


def rotate(
    session: Session, secret_key: str, now: dt.datetime, algorithm: Algorithm = Algorithm.ES256
) -> str:
    """Make a new signing key, retire the one before it, and return the new ``kid`` (RFC 7638)."""
    key = (
        ECKey.generate_key("P-256", private=True)
        if algorithm is Algorithm.ES256
        else RSAKey.generate_key(2048, private=True)
    )
    kid = key.thumbprint()
    of_its_kind = SigningKeyRow.retired_at.is_(None), SigningKeyRow.algorithm == algorithm.value
    session.execute(update(SigningKeyRow).where(*of_its_kind).values(retired_at=now))
    public = {**key.as_dict(private=False), "kid": kid, "alg": algorithm.value, "use": "sig"}
    private = {**key.as_dict(private=True), "kid": kid}
    session.add(
        SigningKeyRow(
            kid=kid,
            algorithm=algorithm.value,
            public_jwk=json.dumps(public),
            sealed_private_jwk=Seal(secret_key, USE).close(json.dumps(private)),
            created_at=now,
        )
    )
    return kid


def signer(session: Session, secret_key: str) -> Signer:
    """The signer with the keys of the moment.

    :raises ConfigurationError: no key yet, or sealed with another secret
    """
    rows = session.scalars(
        select(SigningKeyRow).where(SigningKeyRow.retired_at.is_(None)).order_by(SigningKeyRow.created_at)
    ).all()
    opened: dict[str, tuple[str, ECKey | RSAKey]] = {}
    for row in rows:
        private = json.loads(Seal(secret_key, USE).open(row.sealed_private_jwk))
        kind = ECKey if row.algorithm == ALGORITHM else RSAKey
        opened[row.algorithm] = row.kid, kind.import_key(private)
    if ALGORITHM not in opened:
        raise ConfigurationError("there is no signing key: run `consent-service keys rotate`")
    return Signer(opened)


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
