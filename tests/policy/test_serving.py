"""A holder only for owners that it serves: recorded by the operator, decided by policy, told by the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from consent_service.cli import main
from consent_service.db import db, writing
from consent_service.ledger.model import Kind
from consent_service.ledger.store import payloads_of
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish
from consent_service.registry import serving
from tests.policy.test_policies import POLICIES
from tests.policy.test_rulebook import another_worker
from tests.world import OTHER_OWNER, OWNER, World

REFUSED = ["holder-serves-owner"]


def policies(answer: dict[str, Any]) -> list[str]:
    return [one["policy"] for one in answer["context"]["reasons"]]


def serve(world: World, *owners: str) -> list[str]:
    with world.app.app_context(), writing() as session:
        return serving.serve(session, world.erp.client_id, owners, world.clock.now())


def unserve(world: World, *owners: str) -> None:
    with world.app.app_context(), writing() as session:
        serving.unserve(session, world.erp.client_id, owners, world.clock.now())


def operator(world: World, *arguments: str) -> Result:
    """A command as the operator of this service gives it."""
    with world.app.app_context():
        url = db.engine.url.render_as_string(hide_password=False)
    environ = {
        "CONSENT_DATABASE_URL": url,
        "CONSENT_ISSUER": "http://localhost",
        "CONSENT_SECRET_KEY": "k" * 40,
    }
    return CliRunner().invoke(main, list(arguments), env=environ)


def test_a_holder_asks_about_the_owners_that_it_serves_and_about_no_others(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    with another_worker(world) as elsewhere:
        assert elsewhere(token)["decision"] is True  # none was ever recorded: it serves everybody
        assert serve(world, OTHER_OWNER) == [OTHER_OWNER]
        assert policies(elsewhere(token)) == policies(world.decide(token)) == REFUSED
        assert serve(world, OWNER, OTHER_OWNER, OWNER) == [OWNER]
        assert elsewhere(token)["decision"] is True
        unserve(world, OWNER)
        assert policies(elsewhere(token)) == policies(world.decide(token)) == REFUSED
        assert serve(world, OWNER) == [OWNER]
        assert elsewhere(token)["decision"] is world.decide(token)["decision"] is True


def test_who_served_its_last_owner_serves_nobody_until_the_limit_is_lifted(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    serve(world, OTHER_OWNER)
    unserve(world, OTHER_OWNER)
    assert policies(world.decide(token)) == REFUSED
    with world.app.app_context(), writing() as session:
        serving.serve_everybody(session, world.erp.client_id, world.clock.now())
    assert world.decide(token)["decision"] is True


def test_a_holder_learns_nothing_of_whom_it_does_not_serve(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    token = world.grant(browser=browser)
    serve(world, OTHER_OWNER)

    def told(context: dict[str, Any], **properties: str) -> dict[str, Any]:
        answer = world.decide(token, context=context, properties=properties)["context"]
        return {name: value for name, value in answer.items() if name not in {"id", "entry_id"}}

    known = told({}, **{"from": "2020-01-01"})
    assert policies({"context": known}) == REFUSED
    assert known == told({"grant_id": None}) == told({"grant_id": "none"})
    world.revoke(browser, token["grant_id"])
    assert known == told({})
    world.sequence()
    with world.app.app_context():  # the owner sees all of it
        row = payloads_of(db.session(), OWNER, [Kind.DECISION_DENY], limit=1)[0]
    recorded = json.loads(row.body or b"")
    assert [one["policy"] for one in recorded["reasons"]] == ["grant-revoked", *REFUSED]


def test_each_question_of_a_batch_and_of_a_search_is_about_its_own_owner(both_worlds: World) -> None:
    world = both_worlds
    token, bearer = world.grant(), world.bearer(world.erp)

    def post(path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {bearer}"}
        return world.app.test_client().post(f"/access/v1/{path}", json=body, headers=headers).json

    question = world.question(token, world.erp)
    other = {**question["resource"]["properties"], "owner": OTHER_OWNER}
    elsewhere = {"resource": {**question["resource"], "properties": other}}
    search = question | {"subject": {"type": "party"}}
    assert post("search/subject", search)["page"]["total"] == 1
    serve(world, OWNER)
    several = post("evaluations", question | {"evaluations": [{}, elsewhere, {}]})["evaluations"]
    assert [one["decision"] for one in several] == [True, False, True]
    assert policies(several[1]) == REFUSED
    assert post("search/subject", search)["page"]["total"] == 1
    unserve(world, OWNER)
    assert post("search/subject", search)["page"]["total"] == 0


def test_every_change_is_an_entry_of_its_owner_and_decisions_follow_from_them(both_worlds: World) -> None:
    world = both_worlds
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    token = world.grant()
    world.decide(token)
    serve(world, OTHER_OWNER)
    assert policies(world.decide(token)) == REFUSED
    serve(world, OWNER)
    world.decide(token)
    unserve(world, OWNER)
    assert policies(world.decide(token)) == REFUSED
    with world.app.app_context():
        kinds = [Kind.HOLDER_SERVES, Kind.HOLDER_SERVES_NO_MORE]
        found = [row.kind for row in payloads_of(db.session(), OWNER, kinds)]
    assert found == ["holder.serves_no_more", "holder.serves"]

    def replayed() -> list[Any]:
        return list(json.loads(operator(world, "ledger", "replay", "--json").output)["differences"])

    assert replayed() == []
    with world.app.app_context(), writing() as session:
        session.connection().exec_driver_sql(
            f"UPDATE served_owner SET ended_at = NULL WHERE owner = '{OWNER}'"
        )
    [smuggled] = replayed()
    assert smuggled["member"] == f"owners served by {world.erp.client_id}"
    with world.app.app_context(), writing() as session:
        serving.serve_everybody(session, world.erp.client_id, world.clock.now())
    assert world.decide(token)["decision"] is True
    assert replayed() == []


def test_the_operator_s_commands_count_at_the_next_decision(both_worlds: World) -> None:
    world, erp = both_worlds, both_worlds.erp.client_id
    token = world.grant()

    def said(*arguments: str) -> str:
        done = operator(world, "holder", *arguments)
        assert done.exit_code == 0, done.output
        return done.output

    assert "1 recorded" in said("serve", erp, OTHER_OWNER)
    assert policies(world.decide(token)) == REFUSED
    assert "1 recorded" in said("serve", erp, OTHER_OWNER, OWNER)
    assert world.decide(token)["decision"] is True
    assert f"no longer ask about {OWNER}" in said("unserve", erp, OWNER)
    assert policies(world.decide(token)) == REFUSED
    assert "every owner" in said("serve", erp, "--everybody")
    assert world.decide(token)["decision"] is True


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("serve", "{erp}"), "either OWNERS or --everybody"),
        (("serve", "{erp}", OWNER, "--everybody"), "either OWNERS or --everybody"),
        (("serve", "{erp}", "--everybody"), "already"),
        (("serve", "{bank}", OWNER), "not a data holder's client"),
        (("serve", "nobody", OWNER), "not a data holder's client"),
        (("serve", "{erp}", OWNER, "0192:1"), "check its digits"),
        (("unserve", "{erp}", OWNER), "is not recorded"),
        (("unserve", "{bank}", OWNER), "not a data holder's client"),
    ],
)
def test_what_can_not_be_recorded_is_one_clear_line_and_changes_nothing(
    world: World, arguments: tuple[str, ...], problem: str
) -> None:
    token = world.grant()
    names = {"erp": world.erp.client_id, "bank": world.bank.client_id}
    done = operator(world, "holder", *(one.format(**names) for one in arguments))
    assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
    assert problem in done.output
    assert world.decide(token)["decision"] is True
