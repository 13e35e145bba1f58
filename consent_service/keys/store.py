"""The table of signing keys, and what is asked of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import String, Text, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.keys.jws import Algorithm

ANNOUNCED_FOR = dt.timedelta(minutes=15)
"""How long a key is published before it signs: three times what a cache may keep the key set."""
PUBLISHED_AFTER = dt.timedelta(days=30)
"""How long a key that signs no more stays published. Nothing that is signed lives longer: the signer
refuses it."""


class State(StrEnum):
    """Where a key is in its life."""

    ANNOUNCED = "announced"
    SIGNING = "signing"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


class SigningKeyRow(Base):
    """One signing key; the private part is sealed, and gone once the key has retired."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(16))
    public_jwk: Mapped[str] = mapped_column(Text)
    sealed_private_key: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    activates_at: Mapped[dt.datetime] = mapped_column(Instant)
    activated_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    retired_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    withdrawn_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    """Since when it is published no more although something that it signed may live: it was stolen."""

    @property
    def state(self) -> State:
        if self.withdrawn_at is not None:
            return State.WITHDRAWN
        if self.retired_at is not None:
            return State.RETIRED
        return State.ANNOUNCED if self.activated_at is None else State.SIGNING


def every(session: Session) -> Sequence[SigningKeyRow]:
    """Every key there ever was, newest first."""
    return session.scalars(
        select(SigningKeyRow)
        .order_by(SigningKeyRow.created_at.desc(), SigningKeyRow.kid)
        .execution_options(populate_existing=True)
    ).all()


def living(session: Session, algorithm: Algorithm, state: State) -> SigningKeyRow | None:
    """The key of this algorithm that signs, or the one that is announced; there is one of each at most."""
    return next((row for row in every(session) if row.algorithm == algorithm and row.state is state), None)


def published(session: Session, now: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    """The JWK Set (RFC 7517 section 5): keys that will sign, that sign, and whose tokens may still live."""
    rows = session.scalars(
        select(SigningKeyRow)
        .where(
            SigningKeyRow.withdrawn_at.is_(None),
            or_(SigningKeyRow.retired_at.is_(None), SigningKeyRow.retired_at > now - PUBLISHED_AFTER),
        )
        .order_by(SigningKeyRow.algorithm, SigningKeyRow.created_at.desc())
    )
    return {"keys": [orjson.loads(row.public_jwk) for row in rows]}


def find(session: Session, kid: str) -> dict[str, Any] | None:
    """The public JWK of a key of ours, however old; None for one that was never ours or was withdrawn."""
    row = session.get(SigningKeyRow, kid)
    return orjson.loads(row.public_jwk) if row is not None and row.withdrawn_at is None else None
