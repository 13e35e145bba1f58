"""Persons and whom they act for: from the eID's word and the registers', at this moment."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import jsonify
from sqlalchemy import select, text

from consent_service.db import db, reading, writing
from consent_service.errors import ServiceError
from consent_service.registry import people
from consent_service.registry.model import REPRESENTATION_LIFE, NationalIdentity
from consent_service.registry.registers import asking
from consent_service.registry.registers.base import NoRegister, RegisterUnavailable
from consent_service.registry.registers.memory import Memory
from consent_service.registry.registers.nordic import Nordic
from consent_service.registry.registers.norway import Norway
from consent_service.registry.registers.together import LATELY, Registers
from consent_service.registry.store import RepresentationRow
from tests.conftest import FrozenClock
from tests.nations import Nation
from tests.registry.conftest import Odd
from tests.world import World

OWNER = "0192:310028142"
KEY = "k" * 40
INGRID = NationalIdentity(
    "https://eid.example", "i", "Ingrid Hauge", "TEST-NO-0001", birth_date=dt.date(1979, 4, 12), country="NO"
)


@pytest.fixture
def world(database_url: str, nation: Nation, clock: FrozenClock, tmp_path: Path) -> Iterator[World]:
    with World.make(database_url, nation.url, clock, tmp_path) as made, made.app.app_context():
        yield made


@pytest.fixture
def norway(world: World, nation: Nation) -> Registers:
    return nation.registers("NO", engine=db.engine)


def rights(person_id: str, now: dt.datetime) -> list[str]:
    return [one.owner for one in people.representations(reading(), person_id) if one.holds(now)]


def test_a_person_says_for_whom_they_act_and_the_register_confirms_it(
    world: World, norway: Registers
) -> None:
    now = world.clock.now()
    person = people.introduce(INGRID, norway, KEY, now)
    assert rights(person.person_id, now) == []
    people.confirm(person.person_id, OWNER, norway, KEY, now)
    assert rights(person.person_id, now) == [OWNER]
    people.confirm(person.person_id, "0192:310060011", norway, KEY, now)
    assert rights(person.person_id, now) == [OWNER]
    assert people.introduce(INGRID, norway, KEY, now).person_id == person.person_id
    assert rights(person.person_id, now) == [OWNER], "the next sign-in looks at it again"


def test_who_leaves_is_out_at_the_next_check_an_hour_later_at_most(
    world: World, nation: Nation, norway: Registers
) -> None:
    now = world.clock.now()
    person = people.introduce(INGRID, norway, KEY, now)
    people.confirm(person.person_id, OWNER, norway, KEY, now)
    nation.set_roles("ingrid")
    later = now + REPRESENTATION_LIFE + dt.timedelta(seconds=1)
    assert rights(person.person_id, later) == []
    people.refresh(person.person_id, norway, KEY, later)
    assert people.representations(reading(), person.person_id) == []


def test_who_leaves_is_out_at_the_moment_of_an_approval(
    world: World, nation: Nation, norway: Registers
) -> None:
    now = world.clock.now()
    person = people.introduce(INGRID, norway, KEY, now)
    people.confirm(person.person_id, OWNER, norway, KEY, now)
    nation.set_roles("ingrid")
    people.confirm(person.person_id, OWNER, norway, KEY, now + dt.timedelta(seconds=1))
    with pytest.raises(ServiceError) as refused:
        people.representation(reading(), person.person_id, OWNER, now)
    assert refused.value.code == "not_your_organisation"


def test_what_is_remembered_makes_no_representation_younger(world: World, norway: Registers) -> None:
    now = world.clock.now()
    norway.look(OWNER, now)
    person = people.introduce(INGRID, norway, KEY, now)
    with writing() as session:
        session.add(
            RepresentationRow(
                owner=OWNER,
                person_id=person.person_id,
                role="chair",
                owner_name="",
                source="",
                checked_at=now - REPRESENTATION_LIFE * 2,
            )
        )
    people.refresh(person.person_id, norway, KEY, now + LATELY)
    [right] = people.representations(reading(), person.person_id)
    assert right.checked_at == now
    assert right.source == "Enhetsregisteret"


def test_when_the_register_is_down_what_stands_goes_on_and_what_is_new_waits(
    world: World, norway: Registers, odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAUSES", ())
    now = world.clock.now()
    person = people.introduce(INGRID, norway, KEY, now)
    people.confirm(person.person_id, OWNER, norway, KEY, now)
    gone = Registers({"0192": Norway(odd.url)}, None, Memory(db.engine, KEY))
    half = now + dt.timedelta(minutes=30)
    for owner in (OWNER, "0192:310034568"):
        with pytest.raises(RegisterUnavailable):
            people.confirm(person.person_id, owner, gone, KEY, half)
    assert rights(person.person_id, half) == [OWNER]
    late = now + dt.timedelta(minutes=90)
    with pytest.raises(RegisterUnavailable):
        people.refresh(person.person_id, gone, KEY, late)
    assert rights(person.person_id, late) == []
    assert len(people.representations(reading(), person.person_id)) == 1, "kept for when it answers again"


def test_two_people_who_are_one_to_the_register_are_nobody(world: World, norway: Registers) -> None:
    now = world.clock.now()
    person = people.introduce(INGRID, norway, KEY, now)
    people.confirm(person.person_id, OWNER, norway, KEY, now)
    namesake = people.introduce(
        dataclasses.replace(INGRID, subject="j", person_number="TEST-NO-9999"), norway, KEY, now
    )
    people.confirm(namesake.person_id, OWNER, norway, KEY, now)
    assert rights(person.person_id, now) == rights(namesake.person_id, now) == []


def test_one_person_with_two_eids_is_one_person(world: World, norway: Registers) -> None:
    now = world.clock.now()
    person = people.introduce(INGRID, norway, KEY, now)
    other = people.introduce(dataclasses.replace(INGRID, issuer="https://other.example"), norway, KEY, now)
    for one in (person, other):
        people.confirm(one.person_id, OWNER, norway, KEY, now)
    assert rights(person.person_id, now) == rights(other.person_id, now) == [OWNER]


def test_a_date_of_birth_lies_sealed(world: World, norway: Registers) -> None:
    people.introduce(INGRID, norway, KEY, world.clock.now())
    row = reading().execute(text("SELECT * FROM person")).mappings().one()
    assert "1979" not in str({name: value for name, value in row.items() if name != "created_at"})


def test_who_signed_in_before_details_were_kept_is_known_by_number_alone(
    world: World, nation: Nation, norway: Registers
) -> None:
    now = world.clock.now()
    person = people.introduce(INGRID, norway, KEY, now)
    with writing() as session:
        session.execute(text("UPDATE person SET sealed_details = NULL"))
    people.confirm(person.person_id, OWNER, norway, KEY, now)
    assert rights(person.person_id, now) == []
    people.confirm(person.person_id, OWNER, nation.registers(otherwise=True), KEY, now)
    assert rights(person.person_id, now) == [OWNER]


def test_nobody_is_confirmed_without_a_register_or_without_having_signed_in(
    world: World, norway: Registers
) -> None:
    now = world.clock.now()
    person = people.introduce(INGRID, NoRegister(), KEY, now)
    people.confirm(person.person_id, OWNER, NoRegister(), KEY, now)
    people.confirm("nobody", OWNER, norway, KEY, now)
    assert reading().scalars(select(RepresentationRow)).all() == []


def test_of_whom_nothing_was_said_the_registers_are_asked_again_after_a_while_and_not_on_every_page(
    world: World, odd: Odd
) -> None:
    odd.answer = lambda path: jsonify(signatory_rights=[])
    register = Registers({}, Nordic(odd.url))
    now = world.clock.now()
    person = people.introduce(INGRID, register, KEY, now)
    for minutes in (0, 1, 4):
        people.refresh(person.person_id, register, KEY, now + dt.timedelta(minutes=minutes))
    assert len(odd.asked) == 1
    people.refresh(person.person_id, register, KEY, now + people.LATELY)
    people.refresh(person.person_id, register, KEY, now + people.LATELY)
    assert len(odd.asked) == 2
