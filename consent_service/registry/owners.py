"""Owners of whom it is disputed who may act for them."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import String, Text, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.prepared import Prepared


class DisputeRow(Base):
    """An owner in dispute, for as long as it lasts."""

    __tablename__ = "owner_dispute"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[dt.datetime] = mapped_column(Instant)


_DISPUTED = Prepared(select(DisputeRow.owner).where(DisputeRow.owner == bindparam("owner")))


def disputed(session: Session, owner: str) -> bool:
    """Whether it is disputed who may act for this owner."""
    session.flush()
    return _DISPUTED.first(session, {"owner": owner}) is not None


def set_disputed(session: Session, owner: str, reason: str, now: dt.datetime) -> bool:
    """Note a dispute; False where it is noted already."""
    if session.get(DisputeRow, owner):
        return False
    session.add(DisputeRow(owner=owner, reason=reason, since=now))
    session.flush()
    return True


def settle(session: Session, owner: str) -> bool:
    """Note that a dispute is over; False where there is none."""
    row = session.get(DisputeRow, owner)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True
