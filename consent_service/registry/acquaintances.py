"""Which clients know which persons, and under which name: those that a person signed in to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.stored import rows_changed


class AcquaintanceRow(Base):
    """A client knows a person as ``subject`` (the ``sub`` of its ID tokens)."""

    __tablename__ = "acquaintance"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255))
    last_at: Mapped[dt.datetime] = mapped_column(Instant)


def note(session: Session, person_id: str, client_id: str, subject: str, now: dt.datetime) -> None:
    """A client learned who a person is: it was given an ID token or answered at userinfo."""
    known = AcquaintanceRow.person_id == person_id, AcquaintanceRow.client_id == client_id
    values = {"subject": subject, "last_at": now}
    if rows_changed(session.execute(update(AcquaintanceRow).where(*known).values(**values))):
        return
    try:
        with session.begin_nested():
            session.add(AcquaintanceRow(person_id=person_id, client_id=client_id, **values))
    except IntegrityError:  # another sign-in of the same person was faster
        session.execute(update(AcquaintanceRow).where(*known).values(**values))


def of_person(session: Session, person_id: str) -> Sequence[AcquaintanceRow]:
    """Every client that knows a person."""
    return session.scalars(select(AcquaintanceRow).where(AcquaintanceRow.person_id == person_id)).all()
