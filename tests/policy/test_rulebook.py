"""What a worker remembers ends when it is no longer true: at the very next decision, on every worker."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from consent_service.app import create_app
from consent_service.config import POLICIES, Settings
from consent_service.db import db, writing
from consent_service.ledger.model import Kind
from consent_service.ledger.store import PayloadRow
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish
from consent_service.registry import licences, parties
from consent_service.registry.model import Standing
from consent_service.web.current import current
from tests.world import OWNER, RESOURCE, World

BANK = "0192:310041238"
NO_MORE = '@id("no-more")@explanation("No more.")forbid (principal, action == Action::"read", resource);'


@contextmanager
def another_worker(world: World) -> Iterator[Callable[..., dict[str, Any]]]:
    """A second application on the same database, as another worker is; asks with the same token."""
    with world.app.app_context():
        settings = current(Settings)
    app: Flask = create_app(settings, world.clock)
    bearer = world.bearer(world.erp)

    def ask(token: dict[str, Any]) -> dict[str, Any]:
        answer = app.test_client().post(
            "/access/v1/evaluation",
            json=world.question(token, world.erp),
            headers={"Authorization": f"Bearer {bearer}"},
        )
        return {"status": answer.status_code} | (answer.json or {})

    yield ask
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def newer_policies(folder: Path, text: str = NO_MORE) -> PolicySet:
    shutil.copytree(POLICIES, folder)
    (folder / "90-more.cedar").write_text(text)
    return PolicySet.load(folder)


def change(world: World, work: Callable[[Any], object]) -> None:
    with world.app.app_context(), writing() as session:
        work(session)


def reasons(answer: dict[str, Any]) -> list[str]:
    return [one["policy"] for one in answer["context"]["reasons"]]


def test_published_policies_decide_at_once_on_every_worker(both_worlds: World, tmp_path: Path) -> None:
    world = both_worlds
    token, now = world.grant(), world.clock.now()
    newer = newer_policies(tmp_path / "newer")
    with another_worker(world) as elsewhere:
        assert elsewhere(token)["decision"] is True
        change(world, lambda session: publish(session, newer, now))
        for answer in (elsewhere(token), world.decide(token)):
            assert reasons(answer) == ["no-more"]
            assert answer["context"]["policy_digest"] == newer.digest
        change(world, lambda session: publish(session, PolicySet.load(POLICIES), now))
        assert elsewhere(token)["decision"] is True
        assert world.decide(token)["decision"] is True


def test_a_published_set_that_can_not_be_read_leaves_the_old_one_deciding(
    world: World, tmp_path: Path
) -> None:
    token = world.grant()
    before = world.decide(token)["context"]["policy_digest"]
    newer = newer_policies(tmp_path / "newer")
    change(world, lambda session: publish(session, newer, world.clock.now()))
    with world.app.app_context(), writing() as session:
        [row] = session.query(PayloadRow).filter_by(kind=Kind.POLICY_PUBLISHED)
        row.body = (row.body or b"").replace(b"forbid (principal", b"forbid )principal")
    answer = world.decide(token)
    assert (answer["decision"], answer["context"]["policy_digest"]) == (True, before)


MENDED: dict[str, tuple[Callable[[Any, dt.datetime], object], str]] = {
    "suspended": (
        lambda session, now: parties.set_standing(session, BANK, Standing.SUSPENDED, reason="x", now=now),
        "party-active",
    ),
    "licence ended": (
        lambda session, now: licences.end_licence(session, BANK, "credit", reason="x", now=now),
        "party-licensed",
    ),
}


@pytest.mark.parametrize("name", MENDED)
def test_a_change_of_who_takes_part_counts_at_once_on_every_worker(both_worlds: World, name: str) -> None:
    world, (work, policy) = both_worlds, MENDED[name]
    token, now = world.grant(), world.clock.now()
    with another_worker(world) as elsewhere:
        assert elsewhere(token)["decision"] is True
        change(world, lambda session: work(session, now))
        assert reasons(elsewhere(token)) == [policy]
        assert reasons(world.decide(token)) == [policy]


def test_a_licence_ends_with_its_time(world: World) -> None:
    token, now = world.grant(), world.clock.now()
    until = now + dt.timedelta(days=3)
    change(
        world,
        lambda session: licences.license_party(session, BANK, "credit", source="x", until=until, now=now),
    )
    world.clock.advance(days=2, hours=23)
    assert world.decide(token)["decision"] is True
    world.clock.advance(hours=1)
    assert reasons(world.decide(token)) == ["party-licensed"]


def test_a_place_that_another_holder_registers_counts_at_once(world: World) -> None:
    free = "https://free.example.no/api"
    token = world.grant(world.details(locations=[free, RESOURCE]))
    from consent_service.registry.model import ClientRole

    other = world.register(ClientRole.HOLDER, "Other", "0007:5599980116")
    assert world.decide(token, other)["decision"] is True  # nobody registered it, and this one has none
    world.register(ClientRole.HOLDER, "Third", "0184:99810114", resource=free)
    assert reasons(world.decide(token, other)) == ["holder-serves"]


def test_a_holder_s_token_that_is_revoked_is_refused_at_once_on_every_worker(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    with another_worker(world) as elsewhere:
        assert elsewhere(token)["decision"] is True
        bearer = world.bearer(world.erp)
        assert world.ask(world.erp, world.question(token, world.erp), bearer=bearer).status_code == 200
        revoked = world.erp.post("/oauth/revoke", {"token": bearer})
        assert revoked.status_code == 200
        answer = world.ask(world.erp, world.question(token, world.erp), bearer=bearer)
        assert answer.status_code == 401
        assert elsewhere(token)["decision"] is True  # another token of the same holder


def test_a_remembered_token_ends_with_its_time(world: World) -> None:
    token, bearer = world.grant(), world.bearer(world.erp)
    question = world.question(token, world.erp)
    assert world.ask(world.erp, question, bearer=bearer).status_code == 200
    world.clock.advance(minutes=9, seconds=59)
    assert world.ask(world.erp, question, bearer=bearer).status_code == 200
    world.clock.advance(seconds=1)
    assert world.ask(world.erp, question, bearer=bearer).status_code == 401


def test_a_suspended_holder_is_refused_with_the_token_it_has(world: World) -> None:
    token, bearer = world.grant(), world.bearer(world.erp)
    question = world.question(token, world.erp)
    assert world.ask(world.erp, question, bearer=bearer).status_code == 200
    change(
        world,
        lambda session: parties.set_standing(
            session, "0192:310052345", Standing.SUSPENDED, reason="x", now=world.clock.now()
        ),
    )
    assert world.ask(world.erp, question, bearer=bearer).status_code == 401


def test_reasons_are_told_in_the_caller_s_language(world: World) -> None:
    token = world.grant()
    browser = world.sign_in()
    world.revoke(browser, token["grant_id"])
    question = world.question(token, world.erp)

    def told(language: str) -> dict[str, str]:
        answer = world.ask(world.erp, question, headers={"Accept-Language": language})
        return dict(answer.json["context"]["reasons"][0])

    english = told("en")
    assert english["text"] == "The owner has taken this grant back."
    assert english["mend"] == "request_grant"
    assert told("nb, en;q=0.5")["text"] != english["text"]
    assert told("no-such-language") == english
    assert {told(one)["policy"] for one in ("sv", "da", "fi", "is")} == {"grant-revoked"}
    assert len({told(one)["text"] for one in ("en", "nb", "sv", "da", "fi", "is")}) == 6
    assert OWNER not in english["text"]


def test_what_would_have_made_it_pass_is_told(world: World) -> None:
    token = world.grant()

    def refused(**changes: Any) -> dict[str, Any]:
        answer = world.decide(token, **changes)
        assert answer["decision"] is False
        return dict(answer["context"])

    outside = refused(properties={"to": "2026-01-01"})
    assert outside["granted"] == {"period": {"from": "2024-01-01", "to": "2025-12-31"}}
    assert refused(context={"purpose": "statistics"})["granted"] == {"purpose": "credit_assessment"}
    other = refused(data_set="vat_return")
    assert other["granted"] == {"datatypes": ["financial_statement", "trial_balance"]}
    assert "granted" not in refused(properties={"owner": "0007:5599980108"})
    for _ in range(4):
        world.decide(token)
    limited = refused()
    tomorrow = world.clock.now().date() + dt.timedelta(days=1)
    assert limited["retry_at"].startswith(tomorrow.isoformat())
    assert [one["mend"] for one in limited["reasons"]] == ["retry_later"]


def test_a_word_of_long_ago_is_answered_with_a_step_up(world: World) -> None:
    until = (world.clock.now() + dt.timedelta(days=700)).strftime("%Y-%m-%dT%H:%M:%SZ")
    details = world.details(
        purpose="accounting_services",
        datatypes=["general_ledger"],
        access={"mode": "standing", "valid_until": until},
    )
    token = world.grant_of(details, datatypes=["general_ledger"])
    ask = {"data_set": "general_ledger", "context": {"purpose": "accounting_services"}}
    assert world.decide(token, **ask)["decision"] is True
    world.clock.advance(days=367)
    refused = world.decide(token, **ask)["context"]
    assert reasons({"context": refused}) == ["confirmation-fresh"]
    [step_up] = refused["obligations"]
    assert step_up["type"] == "step-up"
    assert step_up["properties"]["acr_value"].startswith("urn:")


def test_the_set_that_was_published_last_decides_whatever_the_publisher_s_clock_says(
    both_worlds: World, tmp_path: Path
) -> None:
    world = both_worlds
    newer, token, now = newer_policies(tmp_path / "newer"), world.grant(), world.clock.now()
    change(world, lambda session: publish(session, PolicySet.load(POLICIES), now))
    for policies, late, permit in (
        (newer, dt.timedelta(seconds=-2), False),
        (PolicySet.load(POLICIES), dt.timedelta(), True),
        (newer, dt.timedelta(), False),
    ):
        change(world, lambda session, told=policies, at=now + late: publish(session, told, at))
        answer = world.decide(token)
        assert answer["context"]["policy_digest"] == policies.digest
        assert answer["decision"] is permit
