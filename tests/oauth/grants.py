"""What a party does with a grant that it holds, as steps that several test files share."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from consent_service.registry.model import ClientRole
from tests.world import Peer, World

SECOND = "https://second.example.se/api"
SETS = ["financial_statement", "trial_balance"]


def second_holder(world: World) -> Peer:
    """Another data holder, with an address of its own."""
    return world.register(ClientRole.HOLDER, "Andra System AB", "0007:5599980116", resource=SECOND)


def change(
    world: World, grant_id: str, action: str, details: dict[str, Any], peer: Peer | None = None
) -> TestResponse:
    """PAR for another version of a grant."""
    named = {"grant_id": grant_id, "grant_management_action": action}
    return (peer or world.bank).push([details], **named)


def changed(
    world: World, browser: FlaskClient, grant_id: str, action: str, details: dict[str, Any], **form: Any
) -> dict[str, Any]:
    """The token response after the owner's yes."""
    pushed = change(world, grant_id, action, details)
    assert pushed.status_code == 201, pushed.text
    back = world.approve(browser, pushed, **({"datatypes": details["datatypes"]} | form))
    redeemed = world.bank.redeem(back["code"])
    assert redeemed.status_code == 200, redeemed.text
    return dict(redeemed.json)


def api_token(peer: Peer, scope: str, *, dpop: bool = False) -> str:
    """An access token for the grants API."""
    answer = peer.post("/oauth/token", {"grant_type": "client_credentials", "scope": scope}, dpop=dpop)
    assert answer.status_code == 200, answer.text
    return str(answer.json["access_token"])


def call(world: World, method: str, grant_id: str, token: str, **headers: str) -> TestResponse:
    """One call of the grants API by a bearer token."""
    named = {"Authorization": f"Bearer {token}"} | headers
    return world.app.test_client().open(f"/oauth/grants/{grant_id}", method=method, headers=named)


def query(world: World, grant_id: str, peer: Peer | None = None) -> TestResponse:
    token = api_token(peer or world.bank, "grant_management_query")
    return call(world, "GET", grant_id, token)


def hand_back(world: World, grant_id: str, peer: Peer | None = None) -> TestResponse:
    token = api_token(peer or world.bank, "grant_management_revoke")
    return call(world, "DELETE", grant_id, token)


def introspect(peer: Peer, token: str) -> dict[str, Any]:
    answer = peer.post("/oauth/introspect", {"token": token})
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def refresh(peer: Peer, token: dict[str, Any], **form: Any) -> TestResponse:
    asked = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]} | form
    return peer.post("/oauth/token", asked, dpop=True)


def machine(peer: Peer, grant_id: str, dpop: bool = True, **form: Any) -> TestResponse:
    """Client credentials that name a grant."""
    asked = {"grant_type": "client_credentials", "grant_id": grant_id} | form
    return peer.post("/oauth/token", asked, dpop=dpop)


def until(world: World, days: int) -> str:
    return (world.clock.now() + dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def recurring(world: World, days: int, value: int = 4, unit: str = "day") -> dict[str, Any]:
    return {
        "mode": "recurring",
        "frequency": {"unit": unit, "value": value},
        "valid_until": until(world, days),
    }


def as_form(details: dict[str, Any]) -> str:
    return json.dumps([details])
