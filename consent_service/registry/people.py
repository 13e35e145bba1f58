"""Persons and whom they may act for: from the eID broker's word and the register's."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.registry.model import (
    NationalIdentity,
    OrganisationRole,
    RegisteredRole,
    Representation,
)
from consent_service.registry.registers.base import Register
from consent_service.registry.store import PersonRow, RepresentationRow
from consent_service.sealing import Seal

USE = "national-number"


@dataclass(frozen=True, slots=True)
class Person:
    """A human who signs in; the name is the eID's."""

    person_id: str
    name: str


def introduce(identity: NationalIdentity, register: Register, secret_key: str, now: dt.datetime) -> Person:
    """Remember the person whom an eID broker vouches for, and what the register says of them.

    :raises RegisterUnavailable: nothing is stored then
    """
    roles = register.roles_of(identity)  # over the network, so before the transaction
    with writing() as session:
        row = session.scalar(
            select(PersonRow).where(
                PersonRow.eid_issuer == identity.issuer, PersonRow.eid_subject == identity.subject
            )
        )
        if row is None:
            row = PersonRow(
                person_id=str(uuid.uuid4()),
                eid_issuer=identity.issuer,
                eid_subject=identity.subject,
                created_at=now,
            )
            session.add(row)
        row.name = identity.name
        row.sealed_person_number = Seal(secret_key, USE).close(identity.person_number)
        session.flush()
        _replace_roles(session, row.person_id, roles, register.name, now)
        return Person(row.person_id, row.name)


def find(session: Session, person_id: str) -> Person | None:
    """The person with this id, or None."""
    row = session.get(PersonRow, person_id)
    return Person(row.person_id, row.name) if row else None


def refresh(person_id: str, register: Register, secret_key: str, now: dt.datetime) -> None:
    """Ask the register again when what it said last no longer counts.

    :raises RegisterUnavailable: what is stored stays, and goes on not counting
    """
    known = representations(reading(), person_id)
    row = reading().get(PersonRow, person_id)
    if row is None or (known and all(right.holds(now) for right in known)):
        return
    identity = NationalIdentity(
        row.eid_issuer, row.eid_subject, row.name, Seal(secret_key, USE).open(row.sealed_person_number)
    )
    roles = register.roles_of(identity)
    with writing() as session:
        _replace_roles(session, person_id, roles, register.name, now)


def owner_name(session: Session, owner: str) -> str:
    """An owner's name as its register last stated it to somebody who represents it; "" where nobody does."""
    query = select(RepresentationRow.owner_name).where(RepresentationRow.owner == owner)
    return session.scalar(query.order_by(RepresentationRow.checked_at.desc()).limit(1)) or ""


def representations(session: Session, person_id: str) -> list[Representation]:
    """Everything this person was last said to represent, by the owner's name."""
    rows = session.scalars(
        select(RepresentationRow)
        .where(RepresentationRow.person_id == person_id)
        .order_by(RepresentationRow.owner_name)
    )
    return [_to_model(row) for row in rows]


def representation(session: Session, person_id: str, owner: str, now: dt.datetime) -> Representation:
    """This person's right to act for this owner at this moment.

    :raises ServiceError: ``not_your_organisation``: there is none, or its source said so too long ago
    """
    row = session.get(RepresentationRow, (owner, person_id))
    if row is None or not _to_model(row).holds(now):
        raise ServiceError(
            "not_your_organisation",
            "You are not registered as somebody who may act for this business.",
            status=403,
        )
    return _to_model(row)


def _replace_roles(
    session: Session, person_id: str, roles: list[RegisteredRole], source: str, now: dt.datetime
) -> None:
    session.execute(delete(RepresentationRow).where(RepresentationRow.person_id == person_id))
    # One row a business; who is both chair and managing director acts as the first in this order.
    order = list(OrganisationRole)
    first: dict[str, RegisteredRole] = {}
    for role in sorted(roles, key=lambda role: order.index(role.role)):
        first.setdefault(role.organisation, role)
    for role in first.values():
        session.add(
            RepresentationRow(
                owner=role.organisation,
                person_id=person_id,
                role=role.role,
                owner_name=role.name,
                source=source,
                checked_at=now,
            )
        )


def _to_model(row: RepresentationRow) -> Representation:
    return Representation(row.owner, row.owner_name, OrganisationRole(row.role), row.source, row.checked_at)
