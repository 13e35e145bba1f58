"""What one decision asks of the database (the design's budget for the hot path): each statement is counted."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import event

from consent_service.db import db, writing
from consent_service.registry import serving
from tests.world import OTHER_OWNER, OWNER, World

UNCOUNTED = re.compile(r"BEGIN|COMMIT|ROLLBACK|;$")
TABLE = re.compile(r"^(?:SELECT |INSERT INTO |UPDATE )(\w+)")
APPEND = ["ledger_head", "ledger_pending", "ledger_payload"]
"""One durable append: may the log be written, the entry, its payload; however many share the transaction."""
DECISION = ["registry_epoch", "grant_version", *APPEND]
COUNTED = ["registry_epoch", "grant_version", "grant_reads", "grant_reads", *APPEND]
"""Where the grant has a limit, its counter is read and moved."""


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """The table of each statement that the driver was given, in order.

    Locks, which wait for nobody but the owner's own, are left out; an insert of many rows is one.
    """
    seen: list[str] = []
    heard: list[Any] = []
    last = ""
    with world.app.app_context():
        engine = db.engine

    def note(statement: str) -> None:
        nonlocal last
        found = TABLE.search(statement)
        again = bool(found) and found.group() == last and last.startswith("INSERT")
        last = found.group() if found else ""
        if "pg_advisory" not in statement and not UNCOUNTED.match(statement) and not again:
            seen.append(found.group(1) if found else statement)

    class Heard(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            note(str(query))
            return super().execute(query, *arguments, **options)

        def executemany(self, query: Any, *arguments: Any, **options: Any) -> None:
            note(str(query))
            super().executemany(query, *arguments, **options)

    def checked_out(connection: Any, *_arguments: Any) -> None:
        heard.append(connection)
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(note)
        else:
            connection.cursor_factory = Heard

    def connected(*_arguments: Any) -> None:
        seen.append("a new connection")

    event.listen(engine, "checkout", checked_out)
    event.listen(engine, "connect", connected)
    try:
        yield seen
    finally:
        event.remove(engine, "checkout", checked_out)
        event.remove(engine, "connect", connected)
        for connection in heard:
            if isinstance(connection, sqlite3.Connection):
                connection.set_trace_callback(None)
            else:
                connection.cursor_factory = psycopg.Cursor


def standing(world: World) -> dict[str, Any]:
    until = world.details()["access"]["valid_until"]
    return world.grant(world.details(access={"mode": "standing", "valid_until": until}))


def asked(world: World, question: Any, bearer: str) -> list[str]:
    with statements(world) as seen:
        assert world.ask(world.erp, question, bearer=bearer).json["decision"] is True
    return seen


def test_a_decision_reads_the_epoch_and_the_grant_s_version_and_appends(both_worlds: World) -> None:
    world = both_worlds
    question, bearer = world.question(standing(world), world.erp), world.bearer(world.erp)
    asked(world, question, bearer)
    assert asked(world, question, bearer) == DECISION
    assert asked(world, question, bearer) == DECISION


def test_a_limit_is_one_counter(both_worlds: World) -> None:
    world = both_worlds
    question, bearer = world.question(world.grant(), world.erp), world.bearer(world.erp)
    asked(world, question, bearer)
    assert asked(world, question, bearer) == COUNTED


def test_a_token_is_looked_up_once(both_worlds: World) -> None:
    world = both_worlds
    question = world.question(standing(world), world.erp)
    asked(world, question, world.bearer(world.erp))
    fresh = world.bearer(world.erp)
    first = asked(world, question, fresh)
    assert first.count("token") == 1
    assert first[-len(DECISION) :] == DECISION
    assert asked(world, question, fresh) == DECISION


def test_many_decisions_at_once_share_all_but_their_counters(both_worlds: World) -> None:
    world = both_worlds
    question, bearer = world.question(standing(world), world.erp), world.bearer(world.erp)
    asked(world, question, bearer)
    with statements(world) as seen:
        answer = world.app.test_client().post(
            "/access/v1/evaluations",
            json=question | {"evaluations": [{}] * 20},
            headers={"Authorization": f"Bearer {bearer}"},
        )
    assert [one["decision"] for one in answer.json["evaluations"]] == [True] * 20
    assert seen == DECISION


def test_which_owners_a_holder_serves_is_asked_once_and_never_of_who_serves_everybody(
    both_worlds: World,
) -> None:
    world = both_worlds
    question, bearer = world.question(standing(world), world.erp), world.bearer(world.erp)
    assert "served_owner" not in asked(world, question, bearer)
    with world.app.app_context(), writing() as session:
        serving.serve(session, world.erp.client_id, [OWNER, OTHER_OWNER], world.clock.now())
    assert asked(world, question, bearer).count("served_owner") == 1
    assert asked(world, question, bearer) == DECISION
