"""What the ledger survives: kill -9 under load, a full disk. ``make torture`` runs the long form."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from consent_service.db import db, reading
from consent_service.ledger.store import PayloadRow
from consent_service.ledger.verify import verify
from tests.torture.torture import torture
from tests.world import World

KILLS = 12


@pytest.mark.story
def test_nothing_acknowledged_is_lost_when_workers_and_sequencers_are_killed(
    database_url: str, tmp_path: Path
) -> None:
    outcome = torture(database_url, tmp_path / "home", KILLS)
    assert outcome.problems == []
    assert outcome.kills == KILLS
    assert outcome.acknowledged > 100
    assert outcome.entries >= outcome.acknowledged
    assert outcome.checkpoints > 1


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file of this process can grow beyond ``room`` bytes, as under a quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_denies_writes_nothing_half_and_recovers_by_itself(world: World) -> None:
    access = {"mode": "standing", "valid_until": world.details()["access"]["valid_until"]}
    token = world.grant(world.details(access=access))
    bearer, question = world.bearer(world.erp), world.question(token, world.erp)

    def ask() -> bool:
        answer = world.ask(world.erp, question, bearer=bearer)
        assert answer.status_code == 200
        if not answer.json["decision"]:
            assert answer.json["context"]["reasons"][0]["policy"] == "ledger-unavailable"
        return bool(answer.json["decision"])

    permitted = sum(ask() for _ in range(3))
    with world.app.app_context():
        path = Path(str(db.engine.url.database))
    largest = max(one.stat().st_size for one in path.parent.iterdir() if one.is_file())
    with full_disk(largest + 64 * 1024):
        answers = [ask() for _ in range(80)]
        assert not all(answers)
        assert not any(answers[answers.index(False) :])
        browser = world.app.test_client()
        assert browser.get("/healthz").status_code == 200
        permitted += sum(answers)
        world_sequence_fails(world)
    permitted += sum(ask() for _ in range(3))
    assert ask()
    permitted += 1
    world.sequence()
    with world.app.app_context():
        found = verify(reading())
        assert found, found.problem
        assert found.pending == 0
        counted = reading().scalar(
            select(func.count()).select_from(PayloadRow).where(PayloadRow.kind == "decision.permit")
        )
    assert counted == permitted


def world_sequence_fails(world: World) -> None:
    """The sequencer, too, meets the full disk; its thread tries again later."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        world.sequence()
    except (SQLAlchemyError, OSError):
        return
