"""What may come once: the ``jti`` of assertions and DPoP proofs, in a table that all workers share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.registry.tokens import digest
from consent_service.stored import insert_once
from consent_service.verifier.dpop import Nonces, check_proof


class UsedRow(Base):
    """A ``jti`` that may not come again, by whoever used it, until it would be refused for its age."""

    __tablename__ = "used_jti"

    issuer: Mapped[str] = mapped_column(String(128), primary_key=True)
    jti_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)


_USE = insert_once(UsedRow.__table__, "issuer", "jti_hash", "expires_at")


class SharedReplay:
    """The DPoP proofs seen so far (:class:`consent_service.verifier.dpop.Replay`)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def use(self, jkt: str, jti: str, until: dt.datetime) -> bool:
        return use_once(self._session, f"dpop {jkt}", jti, until)


def use_once(session: Session, issuer: str, jti: str, expires_at: dt.datetime) -> bool:
    """Note a ``jti`` as used by its issuer (a client, a key); False when it was used before."""
    values = {"issuer": issuer, "jti_hash": digest(jti), "expires_at": expires_at}
    return _USE.change(session, values) == 1


def proven_key(
    session: Session,
    proofs: Sequence[str],
    method: str,
    url: str,
    now: dt.datetime,
    token: str | None = None,
    nonces: Nonces | None = None,
) -> str:
    """The thumbprint of the key that a request proves to hold (RFC 9449 section 4.3).

    :param session: a transaction that writes: a proof is used up whether or not it helps
    :param token: the access token that the proof must go with
    :param nonces: those that the endpoint hands out
    :raises DPoPError: what is wrong with the proof
    """
    return check_proof(
        proofs,
        method=method,
        url=url,
        now=now,
        replay=SharedReplay(session),
        access_token=token,
        nonces=nonces,
    )
