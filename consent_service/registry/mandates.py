"""Supervisors' mandates: who may read which records of the ledger, on what ground, until when."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ServiceError
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import identifiers, parties
from consent_service.registry.model import ClientRole


class MandateRow(Base):
    """One mandate; an empty list of owners or kinds means all of them."""

    __tablename__ = "mandate"

    mandate_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), index=True)
    owners: Mapped[list[str]] = mapped_column(JSON)
    kinds: Mapped[list[str]] = mapped_column(JSON)
    basis: Mapped[str] = mapped_column(Text)
    valid_until: Mapped[dt.datetime] = mapped_column(Instant)
    ended_at: Mapped[dt.datetime | None] = mapped_column(Instant)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a mandate covers: owners by identifier, and subjects of entries such as ``decision``."""

    owners: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def covers(self, owner: str, kind: str) -> bool:
        """Whether a payload of this owner and kind is within the scope."""
        return (not self.owners or owner in self.owners) and (
            not self.kinds or kind.partition(".")[0] in self.kinds
        )


def give(
    session: Session,
    client_id: str,
    scope: Scope,
    *,
    basis: str,
    valid_until: dt.datetime,
    now: dt.datetime,
) -> str:
    """Give a supervisor's client a mandate; one ledger entry. Returns the mandate's id.

    :param basis: the legal basis, in words that the owners can look up
    :raises ServiceError: ``unknown_client``, ``invalid_mandate``, ``invalid_identifier``
    """
    ledger.hold(session, registry="changes")
    client = parties.find(session, client_id)
    if client is None or client.role is not ClientRole.SUPERVISOR:
        raise ServiceError("unknown_client", f"{client_id} is not a supervisor's client")
    known = {kind.partition(".")[0] for kind in Kind}
    if not basis.strip() or valid_until <= now or not set(scope.kinds) <= known:
        raise ServiceError(
            "invalid_mandate",
            f"a mandate needs a legal basis, an end to come, and kinds out of {sorted(known)}",
        )
    owners = [identifiers.parse(one) for one in scope.owners]
    mandate_id = str(uuid.uuid4())
    row = MandateRow(
        mandate_id=mandate_id,
        client_id=client_id,
        owners=owners,
        kinds=list(scope.kinds),
        basis=basis.strip(),
        valid_until=valid_until,
        ended_at=None,
    )
    session.add(row)
    _record(
        session, Kind.MANDATE_GIVEN, row, {"valid_until": valid_until.astimezone(dt.UTC).isoformat()}, now
    )
    return mandate_id


def end(session: Session, mandate_id: str, now: dt.datetime) -> None:
    """End a mandate at once; one ledger entry.

    :raises ServiceError: ``unknown_mandate``
    """
    ledger.hold(session, registry="changes")
    row = session.get(MandateRow, mandate_id)
    if row is None or row.ended_at is not None:
        raise ServiceError(
            "unknown_mandate", f"there is no mandate {mandate_id} that could be ended", status=404
        )
    row.ended_at = now
    _record(session, Kind.MANDATE_ENDED, row, {}, now)


def scopes_of(session: Session, client_id: str, now: dt.datetime) -> Sequence[Scope]:
    """What a client may look at now."""
    rows = session.scalars(
        select(MandateRow).where(
            MandateRow.client_id == client_id, MandateRow.ended_at.is_(None), MandateRow.valid_until > now
        )
    )
    return [Scope(tuple(row.owners), tuple(row.kinds)) for row in rows]


def _record(session: Session, kind: Kind, row: MandateRow, more: dict[str, Any], now: dt.datetime) -> None:
    payload = {
        "mandate_id": row.mandate_id,
        "client_id": row.client_id,
        "owners": row.owners,
        "kinds": row.kinds,
        "basis": row.basis,
        **more,
    }
    ledger.append(session, kind, payload, now=now, client_id=row.client_id)
