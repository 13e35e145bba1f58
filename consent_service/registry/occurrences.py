"""What happened to a person, written down with the change itself, for whoever tells others of it.

Grants need nothing here: each of their changes is a ledger entry. What happens to people stays out
of the ledger, so it waits in this table until it was told, and is deleted then.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, Integer, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant


class Happening(StrEnum):
    """What can happen to a person that others should hear of."""

    SIGNED_OUT = "signed_out"
    """A session here ended before its time, by the person or by the service."""
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"


class OccurrenceRow(Base):
    """One thing that happened and was not told yet; ``sessions`` are the session's names by client."""

    __tablename__ = "occurrence"

    arrival: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    occurrence_id: Mapped[str] = mapped_column(String(36))
    kind: Mapped[str] = mapped_column(String(32))
    person_id: Mapped[str] = mapped_column(String(36))
    time: Mapped[dt.datetime] = mapped_column(Instant)
    sessions: Mapped[dict[str, str] | None] = mapped_column(JSON)
    about: Mapped[str] = mapped_column(String(64), default="")


def happened(
    session: Session,
    kind: Happening,
    person_id: str,
    now: dt.datetime,
    *,
    sessions: Mapping[str, str] | None = None,
    about: str = "",
) -> None:
    """Write down what happened, in the transaction in which it happens.

    :param sessions: by client, the name (``sid``) under which that client knows the session; where
        it is given, nobody else is told. None tells every client that knows the person
    :param about: what kind of thing it happened to, for example ``fido2-platform``
    """
    session.add(
        OccurrenceRow(
            occurrence_id=str(uuid.uuid4()),
            kind=kind.value,
            person_id=person_id,
            time=now,
            sessions=dict(sessions) if sessions is not None else None,
            about=about,
        )
    )
