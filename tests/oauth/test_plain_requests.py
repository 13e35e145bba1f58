"""The usual requests are answered before the framework: nothing else is different about them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from consent_service.db import reading, writing
from consent_service.oauth.edge import Edge
from consent_service.registry.model import ClientRole, Standing
from consent_service.registry.parties import set_standing
from consent_service.registry.store import TokenRow
from consent_service.registry.used import UsedRow
from tests.world import ISSUER, Peer, World

TOKEN, INTROSPECT = "/oauth/token", "/oauth/introspect"
MACHINE = {"grant_type": "client_credentials"}
ASKING = MACHINE | {"scope": "introspection"}
UNUSUAL = {"content_type": "application/x-www-form-urlencoded; charset=utf-8"}
"""Says nothing new, and only the framework takes it."""


@pytest.fixture
def edge(world: World) -> Edge:
    """The edge of a service that knows its clients: each has come once."""
    for peer in (world.bank, world.erp):
        assert peer.post(TOKEN, MACHINE).status_code == 200
    found: Any = world.app.wsgi_app
    found = found.behind  # the edge of decisions comes first
    assert isinstance(found, Edge)
    return found


@pytest.fixture
def alone(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Edge:
    """The same with nothing behind it: what it does not answer fails."""

    def nothing(*_anything: object) -> Any:
        raise AssertionError("not answered before the framework")

    monkeypatch.setattr(edge, "behind", nothing)
    return edge


def by_token(world: World, peer: Peer, asking: str, token: str, **headers: str) -> TestResponse:
    headers = {"Authorization": f"Bearer {asking}"} | headers
    return world.app.test_client().post(INTROSPECT, data={"token": token}, headers=headers)


def asking(peer: Peer) -> str:
    answer = peer.post(TOKEN, ASKING)
    assert answer.status_code == 200, answer.text
    return str(answer.json["access_token"])


def test_both_ways_say_the_same(world: World, edge: Edge) -> None:
    token = world.grant()["access_token"]
    for path, form, varies in (
        (INTROSPECT, {"token": token}, set()),
        (INTROSPECT, {"token": "unknown"}, set()),
        (TOKEN, MACHINE, {"access_token"}),
    ):
        plain, usual = world.erp.post(path, form), world.erp.post(path, form, **UNUSUAL)
        assert (plain.status_code, usual.status_code) == (200, 200)
        assert {**plain.json, **dict.fromkeys(varies)} == {**usual.json, **dict.fromkeys(varies)}
        differs = {"X-Request-ID", "Content-Length"}
        said = [{name: value for name, value in one.headers if name not in differs} for one in (plain, usual)]
        assert said[0] == said[1]


def test_a_known_client_is_answered_before_the_framework(world: World, alone: Edge) -> None:
    token = world.erp.post(TOKEN, MACHINE).json["access_token"]
    assert world.erp.post(INTROSPECT, {"token": token}).json["active"] is True


def test_a_grant_that_was_revoked_is_inactive_at_the_very_next_question(world: World, edge: Edge) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    assert world.erp.post(INTROSPECT, {"token": token["access_token"]}).json["active"] is True
    assert world.revoke(browser, token["grant_id"]).status_code == 303
    assert world.erp.post(INTROSPECT, {"token": token["access_token"]}).json == {"active": False}


def test_a_token_that_was_revoked_is_inactive_at_the_very_next_question(world: World, edge: Edge) -> None:
    token = world.grant()["access_token"]
    asks = asking(world.erp)
    assert by_token(world, world.erp, asks, token).json["active"] is True
    assert world.bank.post("/oauth/revoke", {"token": token}).status_code == 200
    assert world.erp.post(INTROSPECT, {"token": token}).json == {"active": False}
    assert by_token(world, world.erp, asks, token).json == {"active": False}


@pytest.mark.parametrize("options", [{}, UNUSUAL])
def test_an_assertion_counts_once_whichever_way_it_came(world: World, edge: Edge, options: Any) -> None:
    once = world.erp.assertion()
    assert world.erp.post(TOKEN, MACHINE, assertion=once).status_code == 200
    again = world.erp.post(TOKEN, MACHINE, assertion=once, **options)
    assert (again.status_code, again.json["error"]) == (401, "invalid_client")
    assert world.erp.post(INTROSPECT, {"token": "x"}, assertion=once).status_code == 401


def test_who_is_suspended_is_refused_at_once(world: World, edge: Edge) -> None:
    asks, token = asking(world.erp), world.grant()["access_token"]
    assert by_token(world, world.erp, asks, token).json["active"] is True
    now = world.clock.now()
    with world.app.app_context(), writing() as session:
        set_standing(session, "0192:310052345", Standing.SUSPENDED, reason="test", now=now)
    assert world.erp.post(TOKEN, MACHINE).status_code == 401
    assert world.erp.post(INTROSPECT, {"token": token}).status_code == 401
    assert by_token(world, world.erp, asks, token).status_code == 401


def test_failures_before_are_counted_and_hold_here_too(world: World, edge: Edge) -> None:
    for _ in range(20):
        bad = world.erp.assertion(key=world.bank.key)
        assert world.erp.post(TOKEN, MACHINE, assertion=bad).status_code == 401
    assert world.erp.post(TOKEN, MACHINE).status_code == 429
    assert world.erp.post(INTROSPECT, {"token": "x"}).status_code == 429


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"aud": [ISSUER]},
        {"iss": "somebody"},
        {"exp": 1},
        {"exp": None},
        {"iat": 2**33},
        {"jti": None},
        {"jti": "x" * 257},
    ],
)
def test_an_assertion_that_does_not_hold_is_refused_as_ever(
    world: World, edge: Edge, changes: dict[str, Any]
) -> None:
    answer = world.erp.post(TOKEN, MACHINE, assertion=world.erp.assertion(**changes))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_what_is_refused_has_written_nothing_but_its_assertion(world: World, edge: Edge) -> None:
    with world.app.app_context():
        before = reading().scalar(select(func.count()).select_from(TokenRow))
        used = reading().scalar(select(func.count()).select_from(UsedRow))
    answer = world.erp.post(TOKEN, MACHINE | {"scope": "everything"})
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_scope")
    with world.app.app_context():
        assert reading().scalar(select(func.count()).select_from(TokenRow)) == before
        assert reading().scalar(select(func.count()).select_from(UsedRow)) == (used or 0) + 1


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "nonsense"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "resource": "https://elsewhere.example"}, "invalid_target"),
        ({"grant_type": "client_credentials", "client_id": "another"}, "invalid_client"),
        ({"grant_type": "client_credentials", "scope": "a\x00b"}, "invalid_request"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_as_ever(
    world: World, edge: Edge, form: dict[str, Any], error: str
) -> None:
    assert world.erp.post(TOKEN, form).json["error"] == error


def test_a_client_whose_tokens_are_bound_gets_no_other(world: World, edge: Edge) -> None:
    from consent_service.registry.store import ClientRow

    with world.app.app_context(), writing() as session:
        from consent_service.ledger import append as ledger

        ledger.hold(session, registry="changes")
        session.get_one(ClientRow, world.erp.client_id).dpop_bound = True
    assert world.erp.post(TOKEN, MACHINE).json["error"] == "invalid_dpop_proof"
    assert world.erp.post(TOKEN, MACHINE).json["error"] == "invalid_dpop_proof"
    assert world.erp.post(TOKEN, MACHINE, dpop=True).json["token_type"] == "DPoP"


def test_whoever_asks_with_a_token_need_sign_nothing(both_worlds: World) -> None:
    """RFC 7662 section 2.1."""
    world = both_worlds
    token, asks = world.grant(), asking(world.erp)
    for _ in range(2):  # by the framework, and then before it
        answer = by_token(world, world.erp, asks, token["access_token"])
        assert answer.json["grant_id"] == token["grant_id"]
        assert answer.headers["Cache-Control"] == "no-store"
    signed = by_token(
        world, world.erp, asks, token["access_token"], Accept="application/token-introspection+jwt"
    )
    assert signed.mimetype == "application/token-introspection+jwt"


def test_a_token_to_ask_with_tells_nobody_of_a_token_that_is_not_theirs(world: World) -> None:
    other = world.register(
        ClientRole.HOLDER, "Other ERP", "0184:99810106", resource="https://other.example/api"
    )
    token, asks = world.grant()["access_token"], asking(other)
    for _ in range(2):
        assert by_token(world, other, asks, token).json == {"active": False}


def test_a_token_for_something_else_does_not_let_ask(world: World) -> None:
    token = world.grant()["access_token"]
    for _ in range(2):
        answer = by_token(world, world.erp, world.bearer(world.erp), token)
        assert (answer.status_code, answer.json["error"]) == (403, "insufficient_scope")


def test_an_unknown_or_ended_token_to_ask_with_is_challenged(world: World) -> None:
    token, asks = world.grant()["access_token"], asking(world.erp)
    assert by_token(world, world.erp, asks, token).status_code == 200
    world.clock.advance(minutes=10)
    for shown in (asks, "unknown"):
        answer = by_token(world, world.erp, shown, token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="introspection", error="invalid_token"'


def test_a_token_to_ask_with_and_an_assertion_exclude_each_other(world: World) -> None:
    headers = {"Authorization": f"Bearer {asking(world.erp)}"}
    for _ in range(2):
        answer = world.erp.post(INTROSPECT, {"token": "x"}, headers=headers)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_a_token_to_ask_with_that_is_bound_to_a_key_comes_with_a_proof(world: World) -> None:
    asks = world.erp.post(TOKEN, ASKING, dpop=True).json["access_token"]
    for _ in range(2):
        assert by_token(world, world.erp, asks, "x").status_code == 401
    proof = world.erp.dpop.proof("POST", ISSUER + INTROSPECT, world.clock.now(), asks)
    headers = {"Authorization": f"DPoP {asks}", "DPoP": proof}
    client = world.app.test_client()
    assert client.post(INTROSPECT, data={"token": "x"}, headers=headers).json == {"active": False}
    assert client.post(INTROSPECT, data={"token": "x"}, headers=headers).status_code == 401


def test_the_metadata_says_that_an_access_token_lets_ask(world: World) -> None:
    """RFC 8414 section 2."""
    document = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert {"Bearer", "DPoP"} <= set(document["introspection_endpoint_auth_methods_supported"])
    assert {"Bearer", "DPoP"}.isdisjoint(document["token_endpoint_auth_methods_supported"])
    assert "introspection" in document["scopes_supported"]
