"""Client credentials that name a grant: a party's machine uses a standing grant, with nobody at a browser."""

from __future__ import annotations

import json

import jwt
import pytest

from consent_service.registry.model import ClientRole
from tests.oauth.grants import SECOND, changed, introspect, machine, second_holder, until
from tests.world import RESOURCE, World


def test_the_token_is_bound_and_carries_the_current_version(world: World) -> None:
    browser = world.sign_in()
    given = world.grant(browser=browser)
    asked = world.details(datatypes=["vat_return"])
    changed(world, browser, given["grant_id"], "replace", asked)
    answer = machine(world.bank, given["grant_id"]).json
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert answer["token_type"] == "DPoP"
    assert claims["cnf"]["jkt"] == world.bank.dpop.jkt
    assert claims["grant_id"] == answer["grant_id"] == given["grant_id"]
    assert claims["authorization_details"] == answer["authorization_details"]
    assert answer["authorization_details"][0]["datatypes"] == ["vat_return"]
    assert "refresh_token" not in answer
    assert introspect(world.erp, answer["access_token"])["active"] is True


def test_a_once_only_grant_is_used_by_a_machine_too(world: World) -> None:
    given = world.grant(world.details(access={"mode": "once", "valid_until": until(world, 30)}))
    assert world.decide(machine(world.bank, given["grant_id"]).json)["decision"] is True


def test_without_proof_of_a_key_there_is_no_token(world: World) -> None:
    given = world.grant()
    answer = machine(world.bank, given["grant_id"], dpop=False)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_dpop_proof")


def test_somebody_else_s_grant_and_none_have_the_same_answer(world: World) -> None:
    given = world.grant()
    other = world.register(ClientRole.PARTY, "Another Bank", "0007:5599980116")
    answers = [machine(other, given["grant_id"]), machine(world.bank, "nothing"), machine(world.bank, "")]
    assert {(one.status_code, one.text) for one in answers} == {(400, answers[0].text)}
    assert answers[0].json["error"] == "invalid_grant"


def test_an_ended_grant_gives_no_token(world: World) -> None:
    browser = world.sign_in()
    given = world.grant(browser=browser)
    world.revoke(browser, given["grant_id"])
    answer = machine(world.bank, given["grant_id"])
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")


def test_a_token_never_outlives_its_grant(world: World) -> None:
    given = world.grant()
    world.clock.advance(days=89, hours=23, minutes=57)
    assert machine(world.bank, given["grant_id"]).json["expires_in"] <= 180
    world.clock.advance(minutes=3)
    assert machine(world.bank, given["grant_id"]).json["error"] == "invalid_grant"


def test_a_holder_has_no_grant_to_use(world: World) -> None:
    given = world.grant()
    assert machine(world.erp, given["grant_id"]).json["error"] == "unauthorized_client"


def test_no_scope_goes_with_a_grant(world: World) -> None:
    given = world.grant()
    assert machine(world.bank, given["grant_id"], scope="ledger").json["error"] == "invalid_scope"


def test_it_can_be_narrowed_and_not_widened(world: World) -> None:
    second_holder(world)
    given = world.grant(world.details(locations=[RESOURCE, SECOND]))
    [granted] = given["authorization_details"]
    less = json.dumps([granted | {"datatypes": ["trial_balance"]}])
    narrow = machine(world.bank, given["grant_id"], resource=RESOURCE, authorization_details=less).json
    [told] = narrow["authorization_details"]
    assert (told["datatypes"], told["locations"]) == (["trial_balance"], [RESOURCE])
    more = json.dumps([granted | {"datatypes": ["vat_return"]}])
    refused = machine(world.bank, given["grant_id"], authorization_details=more)
    assert refused.json["error"] == "invalid_authorization_details"


@pytest.mark.parametrize("resource", ["https://else.example", "", "nonsense"])
def test_a_resource_outside_the_grant_is_an_invalid_target(world: World, resource: str) -> None:
    given = world.grant()
    assert machine(world.bank, given["grant_id"], resource=resource).json["error"] == "invalid_target"
