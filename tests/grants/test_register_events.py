"""What follows when a register tells that an owner or a party is bankrupt, dissolved or merged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from consent_service.db import db, reading, writing, writing_to
from consent_service.errors import ServiceError
from consent_service.grants import disputes, owning, register_events, store
from consent_service.grants.register_events import Looked
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import watch
from consent_service.registry.extract import LegalStatus
from consent_service.registry.registers.base import NoRegister, Register
from consent_service.registry.watch import WatchedRow
from consent_service.upkeep.keeper import Keeper
from consent_service.web.current import named, provide
from tests.conftest import FrozenClock
from tests.nations import Nation
from tests.world import OWNER, World, csrf

BANK, HAUGE = "0192:310041238", "0192:310034568"
HTML = {"Accept": "text/html"}


@pytest.fixture
def world(database_url: str, nation: Nation, clock: FrozenClock, tmp_path: Path) -> Iterator[World]:
    with World.make(database_url, nation.url, clock, tmp_path) as made:
        yield made


def look(world: World, organisation: str) -> Looked:
    with world.app.app_context():
        register: Any = named("register")
        return register_events.look(partial(writing_to, db.engine), register, organisation, world.clock.now())


def state(world: World, token: dict[str, Any]) -> tuple[str, str]:
    with world.app.app_context():
        found = store.find(reading(), token["grant_id"])
        assert found is not None
        return found.status.value, found.reason


@pytest.mark.parametrize("status", ["bankrupt", "dissolved", "merged"])
def test_an_owner_s_bankruptcy_deletion_or_merger_suspends_its_grants(
    world: World, nation: Nation, status: str
) -> None:
    token = world.grant()
    nation.set_status(OWNER, status)
    assert look(world, OWNER) == Looked(LegalStatus(status), changed=True, moved=1)
    assert state(world, token) == ("suspended", "register_event")
    denied = world.decide(token)
    assert not denied["decision"]
    assert {reason["policy"] for reason in denied["context"]["reasons"]} == {"grant-suspended"}
    assert look(world, OWNER) == Looked(LegalStatus(status)), "told once"


def test_one_that_is_wound_up_goes_on(world: World, nation: Nation) -> None:
    token = world.grant()
    nation.set_status(OWNER, "liquidation")
    assert look(world, OWNER) == Looked(LegalStatus.LIQUIDATION, changed=True)
    assert world.decide(token)["decision"]


def test_it_is_one_ledger_entry_with_who_said_so(world: World, nation: Nation) -> None:
    world.grant()
    nation.set_status(OWNER, "bankrupt")
    look(world, OWNER)
    with world.app.app_context():
        [row] = ledger.payloads_of(reading(), OWNER, [Kind.OWNER_STANDING], limit=5)
        assert row.body is not None
        for told in (b'"bankrupt"', b'"registered"', b'"the sandbox register"'):
            assert told in row.body


def test_the_owner_is_told_in_words(world: World, nation: Nation) -> None:
    token = world.grant()
    nation.set_status(OWNER, "bankrupt")
    look(world, OWNER)
    browser = world.sign_in()
    page = browser.get(f"/grants/{token['grant_id']}").text
    assert "Suspended, because the business is bankrupt or gone" in page
    assert "the business register" in page
    assert "tells that this business is bankrupt" in browser.get("/").text
    assert world.revoke(browser, token["grant_id"]).status_code == 303, "it can still be taken back"
    assert state(world, token)[0] == "revoked"


def test_what_rested_for_this_alone_goes_on_when_the_register_has_it_in_order(
    world: World, nation: Nation
) -> None:
    first = world.grant()
    nation.set_status(OWNER, "bankrupt")
    look(world, OWNER)
    now = world.clock.now()
    with world.app.app_context(), writing() as session:
        disputes.begin(session, OWNER, actor="operator", reason="a court", now=now)
    nation.set_status(OWNER, "registered")
    assert look(world, OWNER).moved == 0, "it is in dispute still"
    assert state(world, first)[0] == "suspended"
    with world.app.app_context(), writing() as session:
        assert disputes.settle(session, OWNER, actor="operator", reason="settled", now=now) == 1
    assert state(world, first)[0] == "active"
    assert world.decide(first)["decision"]


def test_what_the_dispute_suspended_rests_on_while_the_business_is_bankrupt(
    world: World, nation: Nation
) -> None:
    token = world.grant()
    now = world.clock.now()
    with world.app.app_context(), writing() as session:
        disputes.begin(session, OWNER, actor="operator", reason="a court", now=now)
    nation.set_status(OWNER, "bankrupt")
    look(world, OWNER)
    with world.app.app_context(), writing() as session:
        assert disputes.settle(session, OWNER, actor="operator", reason="settled", now=now) == 0
    assert state(world, token) == ("suspended", "dispute")
    nation.set_status(OWNER, "registered")
    assert look(world, OWNER).moved == 1
    assert state(world, token)[0] == "active"


def test_a_party_s_bankruptcy_suspends_what_owners_gave_it(world: World, nation: Nation) -> None:
    mine, theirs = (
        world.grant(),
        world.grant(world.details(owner={"authority": "iso6523-actorid-upis", "ID": HAUGE})),
    )
    nation.set_status(BANK, "bankrupt")
    assert look(world, BANK).moved == 2
    assert state(world, mine) == state(world, theirs) == ("suspended", "party_status")
    page = world.sign_in().get(f"/grants/{mine['grant_id']}").text
    assert "Suspended, because the party is bankrupt or gone" in page
    nation.set_status(BANK, "registered")
    assert look(world, BANK).moved == 2
    assert state(world, mine)[0] == "active"


def test_nothing_new_is_agreed_to_by_a_bankrupt_owner(world: World, nation: Nation) -> None:
    before = world.grant()
    browser = world.sign_in()
    path, page = world.open_request(browser, world.bank.push())
    nation.set_status(OWNER, "bankrupt")
    answered = world.answer(browser, path, page)
    assert answered.status_code == 409
    assert "bankrupt or gone" in answered.text
    assert state(world, before) == ("suspended", "register_event"), "found at the approval, and done at once"


def test_nothing_new_is_agreed_to_with_a_bankrupt_party(world: World, nation: Nation) -> None:
    browser = world.sign_in()
    path, page = world.open_request(browser, world.bank.push())
    nation.set_status(BANK, "dissolved")
    assert world.answer(browser, path, page).status_code == 409


def test_who_left_the_board_between_reading_and_answering_answers_nothing(
    world: World, nation: Nation
) -> None:
    browser = world.sign_in()
    path, page = world.open_request(browser, world.bank.push())
    nation.set_roles("ingrid", (HAUGE, "sole_proprietor"))
    assert world.answer(browser, path, page).status_code == 403


def test_a_member_who_signs_only_jointly_answers_nothing(world: World) -> None:
    browser = world.sign_in("marte")
    _path, page = world.open_request(browser, world.bank.push())
    assert page.status_code == 403


def test_where_a_register_does_not_answer_nothing_is_concluded(world: World, nation: Nation) -> None:
    token = world.grant()
    with world.app.app_context():
        looked = register_events.look(partial(writing_to, db.engine), NoRegister(), OWNER, world.clock.now())
        assert looked == Looked(None)
        assert watch.status_of(reading(), OWNER) is LegalStatus.REGISTERED
        row = reading().get(WatchedRow, OWNER)
        assert row is not None
        assert row.due_at == world.clock.now() + watch.AGAIN
    assert world.decide(token)["decision"]


def test_what_a_crash_left_undone_is_done_at_the_next_look(world: World, nation: Nation) -> None:
    token = world.grant()
    nation.set_status(BANK, "bankrupt")
    with world.app.app_context(), writing() as session:  # noted, and then the process died
        watch.learn(session, BANK, LegalStatus.BANKRUPT, "x", world.clock.now())
    assert world.decide(token)["decision"]
    with world.app.app_context():
        assert watch.due(reading(), watch.shard_of(BANK), world.clock.now(), 5) == [BANK]
    assert look(world, BANK) == Looked(LegalStatus.BANKRUPT, moved=1)
    with world.app.app_context():
        assert watch.due(reading(), watch.shard_of(BANK), world.clock.now(), 5) == []


def keeper(world: World) -> Keeper:
    register: Register = named("register")  # type: ignore[assignment]
    return Keeper(db.engine, "k" * 40, None, world.clock, register)


def test_workers_look_by_themselves_at_who_is_due_a_shard_at_a_time(world: World, nation: Nation) -> None:
    token = world.grant()
    nation.set_status(OWNER, "bankrupt")
    with world.app.app_context():
        one = keeper(world)
        assert [one.registers() for _ in range(watch.SHARDS + 1)] == [0] * (watch.SHARDS + 1), (
            "looked at when it was given"
        )
        world.clock.advance(hours=13)
        two, looked = keeper(world), 0
        for _ in range(watch.SHARDS):
            looked += one.registers() + two.registers()
        assert looked == 2, "the owner and the bank, each once"
    assert state(world, token) == ("suspended", "register_event")


def test_a_turn_is_bounded_and_the_rest_is_due_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from consent_service.upkeep import keeper as module

    monkeypatch.setattr(module, "LOOKS", 3)
    now = world.clock.now()
    same = [
        one for one in (f"0184:{number}" for number in range(99810100, 99810200)) if watch.shard_of(one) == 0
    ][:5]
    with world.app.app_context():
        with writing() as session:
            for organisation in same:
                watch.watch(session, organisation, now - dt.timedelta(days=1))
        one = keeper(world)
        counts = [one.registers() for _ in range(watch.SHARDS * 3)]
    assert [count for count in counts if count] == [3, 2]


def test_the_table_says_who_is_watched(world: World) -> None:
    world.grant()
    with world.app.app_context():
        rows = {row.organisation: row for row in reading().query(WatchedRow)}
        assert set(rows) == {OWNER, BANK}
        with writing() as session:
            watch.watch(session, OWNER, world.clock.now())
            session.execute(update(WatchedRow).values(status="merged"))
        assert watch.is_gone(reading(), OWNER)


def test_a_person_says_for_whom_they_act_where_the_register_can_t_be_searched(
    world: World, nation: Nation
) -> None:
    with world.app.app_context():
        provide(world.app, register=nation.registers("NO", engine=db.engine))
    browser = world.sign_in()
    account = browser.get("/account")
    assert "None at the moment" in account.text
    assert '<option value="IS">Iceland</option>' in account.text
    form = {"csrf_token": csrf(account), "country": "NO"}
    wrong = browser.post("/businesses", data=form | {"number": "310028143"}, follow_redirects=True)
    assert "no number of a business" in wrong.text
    other = browser.post("/businesses", data=form | {"number": "310060011"}, follow_redirects=True)
    assert "names nobody of your name" in other.text
    mine = browser.post("/businesses", data=form | {"number": "310 028 142"})
    assert mine.status_code == 303
    assert "Fjellvik Båtbyggeri AS" in browser.get("/").text


def test_who_comes_with_a_request_is_looked_up_for_its_owner(world: World, nation: Nation) -> None:
    with world.app.app_context():
        provide(world.app, register=nation.registers("NO", engine=db.engine))
    back = world.approve(world.sign_in(), world.bank.push())
    assert "code" in back
    _path, page = world.open_request(world.sign_in("jonas"), world.bank.push())
    assert page.status_code == 403


def test_trying_every_number_takes_for_ever(world: World) -> None:
    browser = world.sign_in("jonas")
    form = {"csrf_token": csrf(browser.get("/account")), "country": "NO", "number": "310028142"}
    answers = [browser.post("/businesses", data=form).status_code for _ in range(21)]
    assert answers == [303] * 20 + [429]


def test_what_the_owner_paused_stays_paused_while_the_business_is_bankrupt(
    world: World, nation: Nation
) -> None:
    token = world.grant()
    browser = world.sign_in()
    now = world.clock.now()
    with world.app.app_context(), writing() as session:
        owning.suspend(session, OWNER, token["grant_id"], "somebody", now)
    nation.set_status(OWNER, "bankrupt")
    assert look(world, OWNER).moved == 0
    with world.app.app_context(), writing() as session, pytest.raises(ServiceError) as refused:
        owning.resume(session, OWNER, token["grant_id"], "somebody", now)
    assert refused.value.code == "suspended_by_others"
    nation.set_status(OWNER, "registered")
    assert look(world, OWNER).moved == 0, "the owner's own word is left alone"
    with world.app.app_context(), writing() as session:
        owning.resume(session, OWNER, token["grant_id"], "somebody", now)
    assert world.decide(token)["decision"]
    assert "Paused" in browser.get(f"/grants/{token['grant_id']}").text


def test_a_bankrupt_owner_changes_no_grant(world: World, nation: Nation) -> None:
    token = world.grant()
    browser = world.sign_in()
    page = browser.get(f"/grants/{token['grant_id']}/change")
    assert page.status_code == 200
    nation.set_status(OWNER, "bankrupt")
    form = {"csrf_token": csrf(page), "version": "1", "datatypes": ["trial_balance"]}
    assert browser.post(f"/grants/{token['grant_id']}/change", data=form).status_code == 409
    assert state(world, token) == ("suspended", "register_event")
