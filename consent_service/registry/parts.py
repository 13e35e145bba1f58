"""What a decision has to know of clients: read on the path of every one.

Plain statements, made once, without the object mapper's share.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from consent_service.prepared import Prepared
from consent_service.registry.model import ClientRole, Standing
from consent_service.registry.store import ClientRow, LicenceRow, OrganisationRow, ResourceRow, ServedRow
from consent_service.stored import moment


@dataclass(frozen=True, slots=True)
class Part:
    """What a decision has to know of a client: its role, whose it is, and whether it may take part.

    ``limited``: a holder that serves the owners that are recorded for it, and nobody else.
    """

    role: str
    organisation: str
    active: bool
    licences: tuple[tuple[str, dt.datetime], ...] = ()
    limited: bool = False

    def licences_at(self, now: dt.datetime) -> frozenset[str]:
        """The licences that count at this moment."""
        return frozenset(licence for licence, until in self.licences if now < until)


_CLIENT, _ORGANISATION, _RESOURCE = ClientRow.__table__, OrganisationRow.__table__, ResourceRow.__table__
_OWNERS = ServedRow.__table__
_PART = Prepared(
    select(
        _CLIENT.c.role,
        _CLIENT.c.organisation_id,
        _CLIENT.c.status,
        _ORGANISATION.c.status,
        exists().where(_OWNERS.c.client_id == _CLIENT.c.client_id),
    )
    .join(_ORGANISATION, _ORGANISATION.c.identifier == _CLIENT.c.organisation_id)
    .where(_CLIENT.c.client_id == bindparam("client_id"))
)
_LICENCE = LicenceRow.__table__
_LICENCES = Prepared(
    select(_LICENCE.c.licence, _LICENCE.c.valid_until).where(
        _LICENCE.c.organisation_id == bindparam("organisation")
    )
)
_SERVED = select(_RESOURCE.c.uri, _RESOURCE.c.client_id).where(
    _RESOURCE.c.uri.in_(bindparam("locations", expanding=True))
)
_HAS_RESOURCES = select(_RESOURCE.c.uri).where(_RESOURCE.c.client_id == bindparam("client_id")).limit(1)

_SERVES_OWNER = select(_OWNERS.c.owner).where(
    _OWNERS.c.owner == bindparam("owner"),
    _OWNERS.c.client_id == bindparam("client_id"),
    _OWNERS.c.ended_at.is_(None),
)


def part_of(session: Session, client_id: str) -> Part | None:
    """What a decision has to know of a client, or None where there is none."""
    row = _PART.first(session, {"client_id": client_id})
    if row is None:
        return None
    licences = _LICENCES.rows(session, {"organisation": row[1]})
    active = row[2] == Standing.ACTIVE and row[3] == Standing.ACTIVE
    held = tuple((licence, moment(until)) for licence, until in licences)
    return Part(row[0], row[1], active, held, bool(row[4]))


def served_by(session: Session, locations: Sequence[str]) -> dict[str, str]:
    """Which holder's client registered each of these addresses; the others are left out."""
    rows = session.connection().execute(_SERVED, {"locations": list(locations)})
    return {row[0]: row[1] for row in rows}


def has_resources(session: Session, client_id: str) -> bool:
    """Whether a holder registered any address."""
    return session.connection().execute(_HAS_RESOURCES, {"client_id": client_id}).first() is not None


def serves(session: Session, client_id: str, owner: str) -> bool:
    """Whether an owner is among those that are recorded for a holder."""
    found = session.connection().execute(_SERVES_OWNER, {"client_id": client_id, "owner": owner})
    return found.first() is not None


def may_ask_about(session: Session, client_id: str, owner: str) -> bool:
    """Whether a holder serves everybody, or this owner."""
    part = part_of(session, client_id)
    return part is not None and (not part.limited or serves(session, client_id, owner))


def free_holders(session: Session) -> list[str]:
    """Holders' clients that registered no address: they may serve one that nobody registered."""
    placed = select(ResourceRow.client_id)
    wanted = ClientRow.role == ClientRole.HOLDER, ClientRow.client_id.not_in(placed)
    return list(session.scalars(select(ClientRow.client_id).where(*wanted)))
