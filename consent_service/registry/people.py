"""Persons and whom they may act for: from the eID broker's word and the register's."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.orm import Session

from consent_service.db import lock, reading, writing
from consent_service.errors import ServiceError
from consent_service.registry.model import (
    NationalIdentity,
    OrganisationRole,
    RegisteredRole,
    Representation,
)
from consent_service.registry.registers.base import Found, Register
from consent_service.registry.signatures import plain
from consent_service.registry.store import PersonRow, RepresentationRow
from consent_service.sealing import Seal
from consent_service.stored import Rows

USE, DETAILS = "national-number", "national-details"
LATELY = dt.timedelta(minutes=5)


_PERSON = Rows(PersonRow, PersonRow.person_id == bindparam("person_id"))
_RIGHTS = Rows(
    RepresentationRow,
    RepresentationRow.person_id == bindparam("person_id"),
    order_by=RepresentationRow.owner_name,
)


@dataclass(frozen=True, slots=True)
class Person:
    """A human who signs in; the name is the eID's, the language is the one that they chose, if they did."""

    person_id: str
    name: str
    language: str | None = None


def introduce(identity: NationalIdentity, register: Register, secret_key: str, now: dt.datetime) -> Person:
    """Remember the person whom an eID broker vouches for, and what the registers say of them.

    :raises RegisterUnavailable: no register answered; nothing is stored then
    """
    row = reading().scalar(_by_eid(identity))
    known = {one.owner for one in representations(reading(), row.person_id)} if row else set()
    found = register.roles_of(identity, known, now)  # over the network, so before the transaction
    with writing() as session:
        _hold(session, identity, [one.organisation for one in found.roles])
        row = session.scalar(_by_eid(identity))
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
        row.sealed_details = Seal(secret_key, DETAILS).close(_details(identity))
        row.looked_at = now
        session.flush()
        _replace_roles(session, row, found, secret_key)
        return Person(row.person_id, row.name, row.language)


def find(session: Session, person_id: str) -> Person | None:
    """The person with this id, or None."""
    row = _PERSON.first(session, person_id=person_id)
    return Person(row.person_id, row.name, row.language) if row else None


def speak(session: Session, person_id: str, language: str) -> None:
    """Remember the language that a person chose (BCP 47)."""
    session.execute(update(PersonRow).where(PersonRow.person_id == person_id).values(language=language))


def refresh(person_id: str, register: Register, secret_key: str, now: dt.datetime) -> None:
    """Ask the registers again when what they said last no longer counts.

    Of somebody of whom they said nothing, they are asked again after :data:`LATELY`, not on every page.

    :raises RegisterUnavailable: what is stored stays, and goes on not counting
    """
    known = representations(reading(), person_id)
    if known and all(right.holds(now) for right in known):
        return
    row = reading().get(PersonRow, person_id)
    if row is None:
        return
    if not known and row.looked_at is not None and now - row.looked_at < LATELY:
        return
    identity = _identity(row, secret_key)
    found = register.roles_of(identity, {one.owner for one in known}, now)
    with writing() as session:
        _hold(session, identity, [one.organisation for one in found.roles])
        row = session.get(PersonRow, person_id)
        if row is not None:
            row.looked_at = now
            _replace_roles(session, row, found, secret_key)


def confirm(person_id: str, owner: str, register: Register, secret_key: str, now: dt.datetime) -> None:
    """Ask at this moment whether the person acts for this owner, and remember the answer.

    For what depends on it now: whoever has just left the board is out. It is also how somebody says
    for whom they act where a register can't be searched by person.

    :raises RegisterUnavailable: what is stored stays, and counts for as long as it would have
    """
    row = reading().get(PersonRow, person_id)
    if row is None:
        return
    identity = _identity(row, secret_key)
    role = register.role_in(identity, owner, now, fresh=True)
    with writing() as session:
        _hold(session, identity, [owner])
        row = session.get(PersonRow, person_id)
        if row is not None:
            _end(session, person_id, owner)
            _add_roles(session, row, [role] if role else [], secret_key)


def owner_name(session: Session, owner: str) -> str:
    """An owner's name as its register last stated it to somebody who represents it; "" where nobody does."""
    query = select(RepresentationRow.owner_name).where(RepresentationRow.owner == owner)
    return session.scalar(query.order_by(RepresentationRow.checked_at.desc()).limit(1)) or ""


def representations(session: Session, person_id: str) -> list[Representation]:
    """Everything this person was last said to represent, by the owner's name."""
    return [_to_model(row) for row in _RIGHTS.all(session, person_id=person_id)]


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


def _replace_roles(session: Session, person: PersonRow, found: Found, secret_key: str) -> None:
    """What the registers said takes the place of what they said before, where they said anything."""
    for row in session.scalars(
        select(RepresentationRow).where(RepresentationRow.person_id == person.person_id)
    ).all():
        if row.owner not in found.unanswered:
            session.delete(row)
    session.flush()
    _add_roles(session, person, found.roles, secret_key)


def _add_roles(session: Session, person: PersonRow, roles: Iterable[RegisteredRole], secret_key: str) -> None:
    """One row a business; of two people who are one and the same to the register, neither gets one."""
    for role in roles:
        if not role.by_number and (others := _taken_for(session, person, role.organisation, secret_key)):
            for other in others:
                session.delete(other)
            structlog.get_logger().warning("two people for one in a register", owner=role.organisation)
            continue
        session.add(
            RepresentationRow(
                owner=role.organisation,
                person_id=person.person_id,
                role=role.role,
                owner_name=role.name,
                source=role.source,
                checked_at=role.checked_at,
                by_number=role.by_number,
            )
        )
    session.flush()


def _taken_for(session: Session, person: PersonRow, owner: str, secret_key: str) -> list[RepresentationRow]:
    """The rows of other people who act for this owner as somebody of the same name and date of birth.

    Who has the same national number is the same person, known by another eID.
    """
    me = _identity(person, secret_key)
    rows = session.execute(
        select(RepresentationRow, PersonRow)
        .join(PersonRow, PersonRow.person_id == RepresentationRow.person_id)
        .where(
            RepresentationRow.owner == owner,
            RepresentationRow.by_number.is_(False),
            RepresentationRow.person_id != person.person_id,
        )
    ).all()
    found = []
    for row, other in rows:
        they = _identity(other, secret_key)
        alike = plain(they.name) == plain(me.name) and they.birth_date == me.birth_date
        if alike and (they.person_number, they.country) != (me.person_number, me.country):
            found.append(row)
    return found


def _end(session: Session, person_id: str, owner: str) -> None:
    session.execute(
        delete(RepresentationRow).where(
            RepresentationRow.owner == owner, RepresentationRow.person_id == person_id
        )
    )


def _hold(session: Session, person: NationalIdentity, owners: Iterable[str]) -> None:
    """One at a time for a person, and for an owner: of two who are one, each must see the other."""
    lock(session, f"person {person.issuer} {person.subject}", *(f"represents {owner}" for owner in owners))


def _by_eid(identity: NationalIdentity) -> Select[PersonRow]:
    return select(PersonRow).where(
        PersonRow.eid_issuer == identity.issuer, PersonRow.eid_subject == identity.subject
    )


def _details(identity: NationalIdentity) -> str:
    born = identity.birth_date.isoformat() if identity.birth_date else None
    return json.dumps({"birth_date": born, "country": identity.country})


def _identity(row: PersonRow, secret_key: str) -> NationalIdentity:
    details: dict[str, str | None] = {}
    if row.sealed_details is not None:  # who signed in before there were any
        details = json.loads(Seal(secret_key, DETAILS).open(row.sealed_details))
    born = details.get("birth_date")
    return NationalIdentity(
        row.eid_issuer,
        row.eid_subject,
        row.name,
        Seal(secret_key, USE).open(row.sealed_person_number),
        birth_date=dt.date.fromisoformat(born) if born else None,
        country=details.get("country"),
    )


def _to_model(row: RepresentationRow) -> Representation:
    return Representation(row.owner, row.owner_name, OrganisationRole(row.role), row.source, row.checked_at)
