"""Upkeep: token tables do not grow without end, nobody waits for the purge, nobody has to remember it."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, func, insert, select, update
from sqlalchemy.orm import Session

from consent_service.db import db, writing, writing_to
from consent_service.grants.model import Status
from consent_service.grants.store import ReadsRow, RequestRow
from consent_service.grants.windows import SINCE_EVER
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind
from consent_service.oauth.store import AuthorizationRow
from consent_service.registry.store import TokenRow
from consent_service.registry.used import UsedRow, use_once
from consent_service.upkeep import turns
from consent_service.upkeep.keeper import PURGE, PURGE_EVERY, Keeper
from consent_service.upkeep.purge import AIM, ENDED, LARGEST, SMALLEST, Bite, lapse, purge
from consent_service.web.session import SessionRow
from tests.world import OWNER, World


def engine_of(world: World) -> Engine:
    with world.app.app_context():
        return db.engine


def never(_seconds: float) -> bool:
    return False


def count(world: World, table: Any) -> int:
    with Session(engine_of(world)) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def fill(world: World, many: int, ended: dt.timedelta) -> None:
    """So many tokens that ended so long ago."""
    end = world.clock.now() - ended
    rows = [
        {
            "token_hash": uuid.uuid4().hex * 2,
            "kind": "access_token",
            "client_id": world.bank.client_id,
            "jti": str(uuid.uuid4()),
            "scope": "",
            "audience": [],
            "issued_at": end - dt.timedelta(minutes=10),
            "expires_at": end + dt.timedelta(microseconds=number),
        }
        for number in range(many)
    ]
    with writing_to(engine_of(world)) as session:
        session.execute(insert(TokenRow), rows)


def keeper(world: World) -> Keeper:
    return Keeper(engine_of(world), "k" * 40, None, world.clock)


def test_what_has_ended_is_deleted_in_bites_and_what_lives_stays(both_worlds: World) -> None:
    token = both_worlds.grant()
    alive = count(both_worlds, TokenRow)
    fill(both_worlds, 1300, dt.timedelta(hours=1))
    waits: list[float] = []
    deleted, all_gone = purge(
        engine_of(both_worlds), both_worlds.clock.now(), wait=lambda s: waits.append(s) or False
    )
    assert (deleted, all_gone) == (1300, True)
    assert waits  # others had their turn in between
    assert count(both_worlds, TokenRow) == alive
    assert both_worlds.decide(token)["decision"] is True
    assert both_worlds.bank.post("/oauth/introspect", {"token": token["access_token"]}).json["active"] is True


def test_a_purge_that_is_interrupted_goes_on_where_it_stopped(both_worlds: World) -> None:
    alive = count(both_worlds, TokenRow)
    fill(both_worlds, 1300, dt.timedelta(hours=1))
    deleted, all_gone = purge(engine_of(both_worlds), both_worlds.clock.now(), wait=lambda _s: True)
    assert (0 < deleted < 1300, all_gone) == (True, False)
    again, all_gone = purge(engine_of(both_worlds), both_worlds.clock.now(), wait=never)
    assert (deleted + again, all_gone) == (1300, True)
    assert count(both_worlds, TokenRow) == alive


def test_a_purge_that_may_take_no_time_stops_after_one_bite(world: World) -> None:
    fill(world, 1300, dt.timedelta(hours=1))
    deleted, all_gone = purge(engine_of(world), world.clock.now(), wait=never, seconds=0)
    assert (deleted, all_gone) == (500, False)


def test_a_token_stays_until_its_status_list_has_ended_too(world: World) -> None:
    world.grant()
    before = count(world, TokenRow)
    world.clock.advance(minutes=39)
    purge(engine_of(world), world.clock.now(), wait=never)
    assert count(world, TokenRow) == before
    world.clock.advance(minutes=2)
    purge(engine_of(world), world.clock.now(), wait=never)
    assert count(world, TokenRow) < before
    assert count(world, TokenRow) >= 1  # the refresh token lives as long as the grant


def test_used_proofs_sessions_authorizations_and_answered_requests_end_too(both_worlds: World) -> None:
    token = both_worlds.grant()
    both_worlds.revoke(both_worlds.sign_in(), token["grant_id"])
    both_worlds.bank.push()
    tables = (UsedRow, SessionRow, AuthorizationRow, RequestRow)
    assert all(count(both_worlds, table) for table in tables)
    both_worlds.clock.advance(days=31)
    lapse(engine_of(both_worlds), both_worlds.clock.now(), wait=never)
    purge(engine_of(both_worlds), both_worlds.clock.now(), wait=never)
    assert [count(both_worlds, table) for table in tables] == [0, 0, 0, 0]


def test_what_was_asked_for_is_known_while_its_grant_lives(both_worlds: World) -> None:
    """Or an owner who gave less could not give all of it again."""
    both_worlds.grant()
    both_worlds.clock.advance(days=31)
    purge(engine_of(both_worlds), both_worlds.clock.now(), wait=never)
    assert count(both_worlds, RequestRow) == 1


def test_counts_of_windows_that_are_over_end_and_those_of_all_time_stay(both_worlds: World) -> None:
    token = both_worlds.grant()
    assert both_worlds.decide(token)["decision"] is True
    once = {"owner": OWNER, "grant_id": "once", "data_set": "trial_balance", "window_start": SINCE_EVER}
    with writing_to(engine_of(both_worlds)) as session:
        session.execute(insert(ReadsRow).values(**once, reads=1))
    both_worlds.clock.advance(days=366)  # a window of a year could still be counted in
    purge(engine_of(both_worlds), both_worlds.clock.now(), wait=never)
    assert count(both_worlds, ReadsRow) == 2
    both_worlds.clock.advance(days=2)
    purge(engine_of(both_worlds), both_worlds.clock.now(), wait=never)
    with Session(engine_of(both_worlds)) as session:
        assert list(session.scalars(select(ReadsRow.grant_id))) == ["once"]


def test_a_code_is_known_for_days_so_that_using_it_twice_ends_what_it_gave(world: World) -> None:
    back = world.approve(world.sign_in(), world.bank.push())
    token = dict(world.bank.redeem(back["code"]).json)
    world.clock.advance(days=6)
    purge(engine_of(world), world.clock.now(), wait=never)
    assert world.bank.redeem(back["code"]).json["error"] == "invalid_grant"
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    assert world.bank.post("/oauth/token", form, dpop=True).json["error"] == "invalid_grant"


def test_a_request_that_nobody_answered_lapses_in_the_ledger_by_itself(both_worlds: World) -> None:
    for _ in range(3):
        both_worlds.bank.push()
    both_worlds.clock.advance(minutes=36)
    engine, moment = engine_of(both_worlds), both_worlds.clock.now()
    assert lapse(engine, moment, wait=never) == 3
    assert lapse(engine, moment, wait=never) == 0
    with Session(engine) as session:
        assert set(session.scalars(select(RequestRow.status))) == {Status.LAPSED}
        assert len(ledger.payloads_of(session, OWNER, [Kind.REQUEST_LAPSED])) == 3


def test_an_open_request_is_left_alone(world: World) -> None:
    world.bank.push()
    assert lapse(engine_of(world), world.clock.now(), wait=never) == 0
    purge(engine_of(world), world.clock.now(), wait=never)
    assert count(world, RequestRow) == 1


def test_a_proof_that_could_still_be_replayed_is_remembered(both_worlds: World) -> None:
    until = both_worlds.clock.now() + dt.timedelta(seconds=30)
    with both_worlds.app.app_context(), writing() as session:
        assert use_once(session, "bank", "a jti", until)
    purge(engine_of(both_worlds), both_worlds.clock.now(), wait=never)
    with both_worlds.app.app_context(), writing() as session:
        assert not use_once(session, "bank", "a jti", until)


@given(st.floats(0, 60), st.integers(SMALLEST, LARGEST))
def test_a_bite_that_took_too_long_is_followed_by_a_smaller_one(seconds: float, rows: int) -> None:
    following = Bite(rows).after(seconds).rows
    assert SMALLEST <= following <= LARGEST
    if seconds > AIM and rows > SMALLEST:
        assert following < rows
    if seconds < AIM / 1.1 and rows < LARGEST:
        assert following > rows
    assert following <= 2 * rows


def test_others_can_write_between_two_bites(both_worlds: World) -> None:
    """What waits for the pen, or for a row, gets it before the purge has ended."""
    fill(both_worlds, 3000, dt.timedelta(hours=1))
    engine, moment = engine_of(both_worlds), both_worlds.clock.now()
    wrote = []

    def wait(_seconds: float) -> bool:
        with writing_to(engine) as session:
            wrote.append(use_once(session, "bank", f"jti {len(wrote)}", moment + dt.timedelta(minutes=1)))
        return False

    purge(engine, moment, wait=wait)
    assert wrote
    assert all(wrote)


def test_a_row_that_somebody_holds_is_left_for_the_next_time(both_worlds: World) -> None:
    engine, moment = engine_of(both_worlds), both_worlds.clock.now()
    if engine.dialect.name != "postgresql":
        return  # on SQLite nobody holds a row while another writes
    fill(both_worlds, 10, dt.timedelta(hours=1))
    with Session(engine) as holding:
        name = holding.scalar(select(TokenRow.token_hash).where(TokenRow.expires_at < moment).limit(1))
        holding.execute(update(TokenRow).where(TokenRow.token_hash == name).values(revoked_at=moment))
        assert purge(engine, moment, wait=never)[0] == 9
        holding.rollback()
    assert purge(engine, moment, wait=never)[0] == 1


def test_workers_purge_by_themselves_and_one_at_a_time(both_worlds: World) -> None:
    fill(both_worlds, 700, dt.timedelta(hours=1))
    one, other = keeper(both_worlds), keeper(both_worlds)
    with writing_to(one.engine) as session:
        assert turns.take(session, PURGE, both_worlds.clock.now(), dt.timedelta(minutes=2))
    assert other.tables() == 0  # somebody is at it
    both_worlds.clock.advance(minutes=3)  # and has died
    other.stopped.wait = never  # type: ignore[assignment]
    assert other.tables() == 700
    assert one.tables() == 0
    with Session(one.engine) as session:
        assert turns.done_at(session, PURGE) == both_worlds.clock.now()
    fill(both_worlds, 5, dt.timedelta(hours=1))
    both_worlds.clock.advance(seconds=PURGE_EVERY.total_seconds())
    assert one.tables() == 5


def test_a_purge_that_did_not_end_is_due_again_at_once(world: World) -> None:
    fill(world, 1300, dt.timedelta(hours=1))
    one = keeper(world)
    one.stopped.set()  # woken after the first bite
    assert one.tables() == 500
    with Session(one.engine) as session:
        assert turns.done_at(session, PURGE) is None
        assert turns.is_due(session, PURGE, world.clock.now())


def test_of_workers_that_look_together_one_takes_the_job(both_worlds: World) -> None:
    engine = create_engine(both_worlds.app.config["SQLALCHEMY_DATABASE_URI"])
    start, taken = threading.Barrier(6), []

    def look() -> None:
        start.wait()
        with writing_to(engine) as session:
            taken.append(turns.take(session, "a job", both_worlds.clock.now(), dt.timedelta(minutes=1)))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert sorted(taken) == [False] * 5 + [True]


def test_the_thread_goes_on_after_a_failure_and_ends_when_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, looked = keeper(world), threading.Semaphore(0)
    monkeypatch.setattr("consent_service.upkeep.keeper.INTERVAL", 0.01)

    def fails() -> int:
        looked.release()
        raise RuntimeError

    one.keys = fails  # type: ignore[method-assign]
    thread = one.start()
    for _ in range(3):
        assert looked.acquire(timeout=5)
    one.stopped.set()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_every_table_with_an_end_is_purged_by_an_index(world: World) -> None:
    """A bite must not walk its table: SQLite's plan names an index on the moment that ends a row."""
    with world.app.app_context():
        for one in ENDED:
            name = one.table.__tablename__
            query = (
                f"SELECT rowid FROM \"{name}\" WHERE {one.ends.key} < '2026' ORDER BY {one.ends.key} LIMIT 5"
            )
            plan = str(db.session().connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
            assert "USING" in plan, plan
            assert "TEMP B-TREE" not in plan, plan
