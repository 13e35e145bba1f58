"""RFC 8707, resource indicators: a token is for the holders that were named, one or several."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from tests.oauth.grants import SECOND, refresh, second_holder
from tests.oauth.relying import Relying, returned
from tests.world import ISSUER, RESOURCE, World


@pytest.fixture
def two(world: World) -> dict[str, Any]:
    """Details at two holders."""
    second_holder(world)
    return world.details(locations=[RESOURCE, SECOND])


def audience(answer: dict[str, Any]) -> Any:
    return jwt.decode(answer["access_token"], options={"verify_signature": False})["aud"]


def given(world: World, details: dict[str, Any], push: Any = None, **form: Any) -> dict[str, Any]:
    pushed = world.bank.push([details], **({"resource": push} if push else {}))
    assert pushed.status_code == 201, pushed.text
    code = world.approve(world.sign_in(), pushed)["code"]
    return dict(world.bank.redeem(code, **form).json)


def test_without_resource_the_token_is_for_every_location(world: World, two: dict[str, Any]) -> None:
    assert audience(given(world, two)) == [RESOURCE, SECOND]


def test_resource_at_the_token_endpoint_narrows_that_access_token_alone(
    world: World, two: dict[str, Any]
) -> None:
    token = given(world, two, resource=SECOND)
    assert audience(token) == SECOND
    assert token["authorization_details"][0]["locations"] == [SECOND]
    assert audience(refresh(world.bank, token).json) == [RESOURCE, SECOND]
    assert audience(refresh(world.bank, token, resource=RESOURCE).json) == RESOURCE


def test_resource_at_the_authorization_request_holds_for_all_its_tokens(
    world: World, two: dict[str, Any]
) -> None:
    token = given(world, two, push=RESOURCE)
    assert audience(token) == RESOURCE
    assert audience(refresh(world.bank, token).json) == RESOURCE
    wider = refresh(world.bank, token, resource=SECOND)
    assert (wider.status_code, wider.json["error"]) == (400, "invalid_target")


def test_several_resources_may_be_named(world: World, two: dict[str, Any]) -> None:
    token = given(world, two, push=[RESOURCE, SECOND], resource=[SECOND, RESOURCE])
    assert audience(token) == [RESOURCE, SECOND]


def test_a_resource_that_was_not_asked_for_is_an_invalid_target(world: World, two: dict[str, Any]) -> None:
    for named in ("https://else.example", [RESOURCE, "https://else.example"], RESOURCE + "/deeper"):
        pushed = world.bank.push([two], resource=named)
        assert (pushed.status_code, pushed.json["error"]) == (400, "invalid_target")
    code = world.approve(world.sign_in(), world.bank.push([two]))["code"]
    assert world.bank.redeem(code, resource="https://else.example").json["error"] == "invalid_target"
    assert world.bank.redeem(code).status_code == 200  # the code was not used up by it


def test_a_token_for_one_holder_is_unknown_to_the_other(world: World) -> None:
    other = second_holder(world)
    token = given(world, world.details(locations=[RESOURCE, SECOND]), resource=RESOURCE)
    asked = {"token": token["access_token"]}
    assert other.post("/oauth/introspect", asked).json == {"active": False}
    assert world.erp.post("/oauth/introspect", asked).json["active"] is True


def test_a_token_for_an_api_of_ours_is_for_that_one(world: World) -> None:
    form = {"grant_type": "client_credentials", "scope": "ledger"}
    assert world.bank.post("/oauth/token", form | {"resource": f"{ISSUER}/ledger"}).status_code == 200
    refused = world.bank.post("/oauth/token", form | {"resource": f"{ISSUER}/oauth/grants"})
    assert refused.json["error"] == "invalid_target"


def test_nothing_else_may_be_given_twice(world: World) -> None:
    assert world.bank.push(state=["a", "b"]).json["error"] == "invalid_request"


def test_a_sign_in_alone_is_for_userinfo_and_another_resource_is_an_invalid_target(world: World) -> None:
    for named in (RESOURCE, [f"{ISSUER}/oauth/userinfo", RESOURCE]):
        pushed = world.bank.push(authorization_details=None, scope="openid", resource=named)
        assert (pushed.status_code, pushed.json["error"]) == (400, "invalid_target")
    relying = Relying.register(world)
    back = returned(relying.leave(world.sign_in(), resource=RESOURCE))
    assert back["error"] == "invalid_target"


def test_a_sign_in_that_names_userinfo_gets_a_token_for_it_and_for_nothing_else(world: World) -> None:
    userinfo, relying = f"{ISSUER}/oauth/userinfo", Relying.register(world)
    browser, named = world.sign_in(), {"resource": userinfo}
    wrong = relying.redeem(relying.sign_in(browser, **named), resource=RESOURCE)
    assert (wrong.status_code, wrong.json["error"]) == (400, "invalid_target")
    token = relying.redeem(relying.sign_in(browser, **named), **named).json
    assert audience(token) == userinfo
    assert relying.userinfo(token).status_code == 200
