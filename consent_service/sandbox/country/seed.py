"""The people and organisations of the sandbox, read from a YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

STATUSES = ("registered", "liquidation", "bankrupt", "dissolved", "merged")
SIGNATURES = ("chair_alone", "two_members", "chair_and_member", "board")


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation in the register; ``status`` is one of :data:`STATUSES`.

    ``signature`` are rules of :data:`SIGNATURES`, any of which binds it, beside what a sole
    proprietor, a managing director and a holder of procuration may by their position.
    """

    id: str
    name: str
    country: str
    status: str = "registered"
    signature: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """A person's role in an organisation."""

    organisation: str
    role: str


@dataclass(frozen=True, slots=True)
class Person:
    """A test person; ``pid`` is their national number in the eID's words."""

    id: str
    pid: str
    name: str
    birthdate: str
    roles: tuple[Role, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Country:
    """Everybody, by id; the registrar's desk may change it while it runs."""

    organisations: dict[str, Organisation]
    persons: dict[str, Person]

    def by_pid(self, pid: str) -> Person | None:
        """The person with this national number."""
        return next((person for person in self.persons.values() if person.pid == pid), None)

    def holding(self, organisation: str, *roles: str) -> list[tuple[Person, str]]:
        """Who has a role there (one of these, where some are named), and which."""
        return [
            (person, role.role)
            for person in self.persons.values()
            for role in person.roles
            if role.organisation == organisation and (not roles or role.role in roles)
        ]


def load(path: Path) -> Country:
    """Read a seed file; raises ValueError with one sentence when it can't be used."""
    try:
        document = yaml.safe_load(path.read_text())
        organisations = [
            Organisation(**{**one, "signature": tuple(one.get("signature", ()))})
            for one in document["organisations"]
        ]
        persons = [
            Person(**{**one, "roles": tuple(Role(**role) for role in one["roles"])})
            for one in document["persons"]
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a seed file: {error}") from error
    for one in organisations:
        if one.status not in STATUSES or set(one.signature) - set(SIGNATURES):
            raise ValueError(f"{path}: {one.id} has a status or a signature rule that is none")
    known = {one.id for one in organisations}
    for person in persons:
        for role in person.roles:
            if role.organisation not in known:
                raise ValueError(f"{path}: {person.id} has a role in {role.organisation}, which is not there")
    return Country({one.id: one for one in organisations}, {one.id: one for one in persons})
