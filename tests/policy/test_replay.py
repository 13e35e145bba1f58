"""``ledger replay``: every decision follows from the entries before it, or the entry is named."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent_service.cli import main
from consent_service.config import POLICIES
from consent_service.db import db, writing
from consent_service.ledger.append import append
from consent_service.ledger.model import Kind, canonical
from consent_service.ledger.store import PayloadRow, payloads_of
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish
from consent_service.policy.rulebook import Rulebook
from consent_service.registry import mandates, parties
from consent_service.registry.model import ClientRole, Standing
from tests.world import OWNER, World

NOBODY = (
    '@id("nobody")@explanation("No.")'
    'forbid (principal, action == Action::"read", resource) when { context.reads > 999 };'
)


def run(world: World, *arguments: str) -> Result:
    with world.app.app_context():
        url = db.engine.url.render_as_string(hide_password=False)
    return CliRunner().invoke(main, ["ledger", "replay", "--database", url, *arguments])


def report(world: World, *arguments: str) -> dict[str, Any]:
    return dict(json.loads(run(world, "--json", *arguments).output))


def lead_a_life(world: World) -> dict[str, Any]:
    """Grants of every mode, reads up to the limit, refusals, a suspension, an expiry and a revocation."""
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    browser = world.sign_in()
    access = world.details()["access"]
    daily = world.grant(browser=browser)
    for _ in range(6):  # four are agreed to
        world.decide(daily)
    once = world.grant(world.details(access={"mode": "once", "valid_until": access["valid_until"]}), browser)
    world.decide(once, data_set="financial_statement")
    world.decide(daily, context={"grant_id": None})
    world.decide(daily, party="nobody")
    world.decide(daily, properties={"owner": "0007:5599980108"})
    bank = "0192:310041238"
    for standing in (Standing.SUSPENDED, Standing.ACTIVE):
        with world.app.app_context(), writing() as session:
            parties.set_standing(session, bank, standing, reason="test", now=world.clock.now())
        world.decide(once)
    assert world.revoke(browser, daily["grant_id"]).status_code == 303
    world.decide(daily)
    world.clock.advance(days=100)
    world.decide(once)
    world.sequence()
    return daily


def test_every_decision_of_a_life_follows_from_its_entries(both_worlds: World) -> None:
    lead_a_life(both_worlds)
    found = report(both_worlds)
    assert found["differences"] == []
    assert found["decisions"] == 14
    done = run(both_worlds)
    assert done.exit_code == 0
    assert "every decision follows" in done.output


def test_a_grant_that_ends_at_the_very_decision_is_replayed_so(both_worlds: World) -> None:
    world = both_worlds
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    browser = world.sign_in()
    soon = (world.clock.now() + dt.timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    access = world.details()["access"]
    short = world.grant(world.details(access=access | {"valid_until": soon}), browser)
    world.clock.advance(seconds=1)
    world.revoke(browser, world.grant(browser=browser)["grant_id"])
    world.clock.advance(days=6)
    bearer = world.bearer(world.erp)
    question = world.question(short, world.erp, context={"grant_id": None})
    answer = world.ask(world.erp, question, bearer=bearer).json
    assert answer["decision"] is False
    world.sequence()
    assert report(world)["differences"] == []


def test_what_is_not_sequenced_yet_is_replayed_too(world: World) -> None:
    token = lead_a_life(world)
    world.clock.advance(days=-100)
    world.decide(token)
    found = report(world)
    assert (found["differences"], found["decisions"]) == ([], 15)


def test_a_range_is_decided_and_everything_before_it_is_taken_in(world: World) -> None:
    lead_a_life(world)
    assert report(world, "--from", "0", "--to", "3")["decisions"] == 0
    whole = report(world)["entries"]
    last = report(world, "--from", str(whole - 4))
    assert last["differences"] == []
    assert 0 < last["decisions"] <= 4


FORGERIES = [
    ("permit", lambda payload: payload | {"permit": not payload["permit"]}),
    ("reasons", lambda payload: payload | {"reasons": []}),
    ("obligations", lambda payload: payload | {"obligations": []}),
    ("facts", lambda payload: payload | {"facts": payload["facts"].replace('"reads":0', '"reads":1')}),
    ("party", lambda payload: payload | {"party": None}),
    ("client_id", lambda payload: payload | {"holder": "another"}),
    ("asked", lambda payload: payload | {"asked": payload["asked"] | {"data_set": "payroll"}}),
]


@pytest.mark.parametrize(("member", "forge"), FORGERIES, ids=[name for name, _ in FORGERIES])
def test_a_decision_that_does_not_follow_is_named_and_the_exit_code_says_so(
    world: World, member: str, forge: Any
) -> None:
    lead_a_life(world)
    entry_id, _ = change(world, "decision.permit", forge)
    done = run(world, "--json")
    assert done.exit_code == 1
    assert (entry_id, member) in {
        (one["entry_id"], one["member"]) for one in json.loads(done.output)["differences"]
    }
    assert entry_id in run(world).output


def test_a_grant_that_was_widened_in_the_tables_is_found(world: World) -> None:
    token = lead_a_life(world)
    with world.app.app_context(), writing() as session:
        session.connection().exec_driver_sql(
            f"UPDATE grant_version SET party = '0192:999' WHERE grant_id = '{token['grant_id']}'"
        )
    done = run(world)
    assert done.exit_code == 1
    assert f"grant {token['grant_id']}" in done.output


def test_a_grant_that_the_ledger_does_not_know_is_found(world: World) -> None:
    token = lead_a_life(world)
    with world.app.app_context(), writing() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO grant_version SELECT owner, 'smuggled', 1, party, client_id, terms, status, reason, "
            f"created_at, entry_id, given_at FROM grant_version WHERE grant_id = '{token['grant_id']}' AND version = 1"
        )
    assert "smuggled" in run(world).output
    assert run(world).exit_code == 1


def test_a_suspension_that_was_taken_out_of_the_tables_is_found(world: World) -> None:
    lead_a_life(world)
    with world.app.app_context(), writing() as session:
        parties.set_standing(
            session, "0192:310041238", Standing.SUSPENDED, reason="test", now=world.clock.now()
        )
    with world.app.app_context(), writing() as session:
        session.connection().exec_driver_sql("UPDATE organisation SET status = 'active'")
    assert "organisation 0192:310041238" in run(world).output


SMUGGLED = [
    (
        "client",
        "UPDATE client SET redirect_uris = '[\"https://evil.example/callback\"]' WHERE role = 'party'",
    ),
    ("client", "UPDATE client SET role = 'supervisor' WHERE role = 'party'"),
    (
        "client",
        "UPDATE client SET jwks = (SELECT jwks FROM client WHERE role = 'holder') WHERE role = 'party'",
    ),
    ("client", "INSERT INTO holder_resource SELECT 'https://more.example.no', client_id FROM client LIMIT 1"),
    (
        "mandate",
        (
            "INSERT INTO mandate SELECT 'smuggled', client_id, '[]', '[]', 'none', "
            "'2099-01-01 00:00:00.000000', NULL FROM client LIMIT 1"
        ),
    ),
]


@pytest.mark.parametrize(("what", "statement"), SMUGGLED)
def test_whoever_was_changed_beside_the_ledger_is_found(world: World, what: str, statement: str) -> None:
    lead_a_life(world)
    with world.app.app_context(), writing() as session:
        session.connection().exec_driver_sql(statement)
    done = run(world)
    assert done.exit_code == 1
    assert f"{what} " in done.output


def test_mandates_are_as_their_entries_tell(both_worlds: World) -> None:
    world = both_worlds
    peer = world.register(ClientRole.SUPERVISOR, "Datatilsynet", "0192:310052345")
    with world.app.app_context(), writing() as session:
        ids = [
            mandates.give(
                session,
                peer.client_id,
                mandates.Scope(owners=(OWNER,)),
                basis="a law",
                valid_until=world.clock.now() + dt.timedelta(days=30),
                now=world.clock.now(),
            )
            for _ in range(2)
        ]
        mandates.end(session, ids[0], world.clock.now())
    assert report(world)["differences"] == []


def test_a_policy_set_that_was_never_published_is_a_difference(world: World) -> None:
    token = world.grant()
    world.decide(token)
    members = [one["member"] for one in report(world)["differences"]]
    assert members == ["policy_digest", "policy_digest"]  # of the agreement and of the read


def test_published_files_that_do_not_have_their_digest_are_found(world: World) -> None:
    lead_a_life(world)
    change(
        world,
        "policy.published",
        lambda payload: (
            payload | {"files": payload["files"] | {"10-grant.cedar": "permit(principal,action,resource);"}}
        ),
    )
    assert run(world).exit_code == 1


def test_other_policies_show_what_would_have_changed(world: World, tmp_path: Path) -> None:
    lead_a_life(world)
    stricter = tmp_path / "stricter"
    shutil.copytree(POLICIES, stricter)
    (stricter / "90-more.cedar").write_text(
        '@id("no-trial-balance")@explanation("Not that.")'
        'forbid (principal, action, resource == dataset::"trial_balance");'
    )
    done = run(world, "--policies", str(stricter))
    assert done.exit_code == 0
    assert "decisions would have changed" in done.output
    assert "party" in done.output
    assert OWNER in done.output
    changed = report(world, "--policies", str(stricter))["changed"]
    assert changed
    assert {(one["was"], one["would_be"]) for one in changed} == {(True, False)}
    assert all("no-trial-balance" in one["reasons"] for one in changed)
    assert "no decision would have changed" in run(world, "--policies", str(POLICIES)).output


def test_an_erased_decision_is_counted_and_is_no_difference(world: World) -> None:
    from consent_service.grants import records

    token = lead_a_life(world)
    with world.app.app_context(), writing() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT entry_id FROM ledger_payload WHERE kind = 'decision.permit' "
            f"AND grant_id = '{token['grant_id']}' ORDER BY time, entry_id"
        )
        first = rows.fetchone()[0]
        records.erase_for_owner(session, OWNER, first, actor="p", reason="owner", now=dt.datetime.now(dt.UTC))
    found = report(world)
    assert found["differences"] == []
    assert found["erased"] >= 1


def change(world: World, kind: str, forge: Any) -> tuple[str, dict[str, Any]]:
    """Forge the first payload of a kind, as an operator with the database could; verify would find it too."""
    with world.app.app_context():
        path = str(db.engine.url.database)
        db.session.remove()
    with sqlite3.connect(path) as connection:
        entry_id, body = connection.execute(
            "SELECT entry_id, body FROM ledger_payload WHERE kind = ? ORDER BY time, entry_id", (kind,)
        ).fetchone()
        forged = forge(json.loads(body))
        connection.execute(
            "UPDATE ledger_payload SET body = ? WHERE entry_id = ?", (canonical(forged), entry_id)
        )
    connection.close()
    return entry_id, forged


def test_a_worker_that_does_not_follow_the_published_policies_is_found(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = lead_a_life(world)
    world.clock.advance(days=-100)
    newer = tmp_path / "newer"
    shutil.copytree(POLICIES, newer)
    (newer / "90-more.cedar").write_text(NOBODY)
    with world.app.app_context(), writing() as session:
        assert publish(session, PolicySet.load(newer), world.clock.now())
    assert world.decide(token)["context"]["policy_digest"] == PolicySet.load(newer).digest
    assert report(world)["differences"] == []
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    monkeypatch.setattr(Rulebook, "_published", lambda _self, _session, present: present)
    world.decide(token)
    [one] = report(world)["differences"]
    assert one["member"] == "policy_digest"


def test_an_agreement_that_the_policies_did_not_allow_is_found(world: World) -> None:
    lead_a_life(world)

    def wider(payload: dict[str, Any]) -> dict[str, Any]:
        return payload | {"terms": payload["terms"] | {"retention": "P9Y"}}

    entry_id, _ = change(world, "grant.activated", wider)
    found = {(one["entry_id"], one["member"]): one["replayed"] for one in report(world)["differences"]}
    assert found[entry_id, "agreement"] == "retention-within-purpose"


def test_a_grant_that_is_given_twice_is_found(world: World) -> None:
    token = lead_a_life(world)
    with world.app.app_context(), writing() as session:
        row = payload_row(session, token["grant_id"])
        append(
            session,
            Kind.GRANT_ACTIVATED,
            json.loads(row.body or b"{}"),
            now=world.clock.now(),
            owner=OWNER,
            grant_id=token["grant_id"],
            grant_version=1,
        )
    found = [one["replayed"] for one in report(world)["differences"]]
    assert "it gives a grant that was given before" in found


def test_a_changed_catalogue_has_an_entry_of_its_own(world: World, tmp_path: Path) -> None:
    lead_a_life(world)
    newer = tmp_path / "newer"
    shutil.copytree(POLICIES, newer)
    (newer / "90-more.cedar").write_text(NOBODY)

    def published() -> list[str]:
        kinds = [Kind.CATALOGUE_PUBLISHED, Kind.POLICY_PUBLISHED]
        with world.app.app_context():
            return sorted(row.kind for row in payloads_of(db.session(), "", kinds))

    for change, expected in (("", 3), ("\n# another\n", 5)):
        path = newer / "catalogue" / "purposes.yaml"
        path.write_text(path.read_text() + change)
        with world.app.app_context(), writing() as session:
            assert publish(session, PolicySet.load(newer), world.clock.now())
        assert len(published()) == expected
    assert published().count("catalogue.published") == 2
    assert report(world)["differences"] == []


def payload_row(session: Session, grant_id: str) -> PayloadRow:
    [row] = session.scalars(
        select(PayloadRow).where(PayloadRow.grant_id == grant_id, PayloadRow.kind == Kind.GRANT_ACTIVATED)
    )
    return row


def test_why_a_grant_ended_may_be_erased_and_is_no_difference(both_worlds: World) -> None:
    from consent_service.grants import records

    world = both_worlds
    token = lead_a_life(world)
    with world.app.app_context(), writing() as session:
        [revoked] = payloads_of(session, OWNER, [Kind.GRANT_REVOKED])
        records.erase_for_owner(
            session, OWNER, revoked.entry_id, actor="p", reason="owner", now=world.clock.now()
        )
    world.decide(token)
    found = report(world)
    assert found["differences"] == []
    assert found["erased"] >= 1
