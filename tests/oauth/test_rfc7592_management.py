"""RFC 7592, clients that read, replace and delete their own registration."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import event
from werkzeug.test import TestResponse

from consent_service.commands import replay
from consent_service.config import POLICIES
from consent_service.db import reading, writing
from consent_service.ledger.model import Kind
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish
from consent_service.registry import enrolment, parties, tokens
from consent_service.registry.model import ClientRole, Profile, Standing
from tests.oauth.test_rfc7591_registration import (
    BANK,
    NEW,
    Directory,
    asked,
    invited,
    public,
    refused,
    register,
)
from tests.world import REDIRECT, Peer, World

NOT_SENT = {"client_id_issued_at", "client_secret_expires_at", "registration_access_token"} | {
    "registration_client_uri"
}


def call(world: World, method: str, told: dict[str, Any], **options: Any) -> TestResponse:
    token = options.pop("token", told["registration_access_token"])
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    path = options.pop("path", f"/oauth/register/{told['client_id']}")
    return world.app.test_client().open(path, method=method, headers=headers, **options)


def sent(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a client sends to change itself: what it was told, without what only the server writes."""
    document = {name: value for name, value in told.items() if name not in NOT_SENT} | changes
    return {name: value for name, value in document.items() if value is not None}


def entries(world: World, kind: Kind) -> list[dict[str, Any]]:
    with world.app.app_context():
        rows = reading().connection().exec_driver_sql("SELECT kind, body FROM ledger_payload").all()
    return [json.loads(bytes(body)) for one, body in rows if one == kind.value]


def replays(world: World) -> bool:
    """Whether the tables say what the entries tell."""
    world.sequence()
    return (
        replay.run({}, str(world.app.config["SQLALCHEMY_DATABASE_URI"]), (0, None), None, as_json=True) == 0
    )


@pytest.fixture
def told(world: World) -> dict[str, Any]:
    made: dict[str, Any] = register(world, invited(world), asked()).json
    return made


def test_a_client_reads_what_it_is_registered_with(world: World, told: dict[str, Any]) -> None:
    answer = call(world, "GET", told)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json == told


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_without_its_token_nothing_is_told_or_done(
    world: World, told: dict[str, Any], method: str, token: str | None
) -> None:
    answer = call(world, method, told, token=token, json=sent(told))
    refused(answer, "invalid_token", status=401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert call(world, "GET", told).status_code == 200


def test_a_client_that_there_is_not_is_answered_like_a_wrong_token(
    world: World, told: dict[str, Any]
) -> None:
    answers = [
        call(world, "GET", told, path=f"/oauth/register/{name}")
        for name in ("party-none", world.bank.client_id, "%20", "x" * 300)
    ]
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}


def test_a_client_with_no_token_of_its_own_is_the_operators(world: World, told: dict[str, Any]) -> None:
    refused(
        call(world, "GET", told, token="", path=f"/oauth/register/{world.bank.client_id}"),
        "invalid_token",
        status=401,
    )


def test_a_token_is_for_its_own_client_alone(world: World, told: dict[str, Any]) -> None:
    other = register(world, invited(world), asked()).json
    refused(call(world, "GET", other, token=told["registration_access_token"]), "invalid_token", status=401)


def test_metadata_are_replaced_whole(both_worlds: World) -> None:
    world = both_worlds
    first = register(
        world, invited(world), asked(contacts=["a@bank.example"], dpop_bound_access_tokens=True)
    ).json
    key = ec.generate_private_key(ec.SECP256R1())
    document = sent(asked(key), client_id=first["client_id"], client_name="New name")
    answer = call(world, "PUT", first, json=document)
    assert answer.status_code == 200, answer.text
    assert answer.json["client_name"] == "New name"
    assert "contacts" not in answer.json
    assert answer.json["dpop_bound_access_tokens"] is False
    assert answer.json["registration_access_token"] == first["registration_access_token"]
    assert call(world, "GET", first).json == answer.json
    (entry,) = entries(world, Kind.PARTY_UPDATED)
    assert (entry["client_id"], entry["name"], entry["by"]) == (first["client_id"], "New name", "the client")


def test_new_keys_count_and_old_ones_no_more(world: World) -> None:
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    told = register(world, invited(world), asked(old)).json
    answer = call(world, "PUT", told, json=sent(told, jwks={"keys": [public(new, "two")]}))
    assert answer.status_code == 200, answer.text
    for key, kid, status in ((old, "one", 401), (new, "two", 201)):
        peer = Peer(world, told["client_id"], key)
        assert peer.push(client_assertion=peer.assertion(headers={"kid": kid})).status_code == status


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"client_id": None}, "invalid_client_metadata", "client_id"),
        ({"client_id": "another"}, "invalid_client_metadata", "client_id"),
        ({"registration_access_token": "x"}, "invalid_client_metadata", "registration_access_token"),
        ({"registration_client_uri": "x"}, "invalid_client_metadata", "registration_client_uri"),
        ({"client_secret_expires_at": 0}, "invalid_client_metadata", "client_secret_expires_at"),
        ({"client_id_issued_at": 0}, "invalid_client_metadata", "client_id_issued_at"),
        ({"client_secret": "chosen"}, "invalid_client_metadata", "client_secret"),
        ({"client_secret": 7}, "invalid_client_metadata", "client_secret"),
        ({"redirect_uris": ["http://x.example/"]}, "invalid_redirect_uri", "https"),
        ({"jwks": None}, "invalid_client_metadata", "jwks"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata", "grant_types"),
    ],
)
def test_a_wrong_change_changes_nothing(
    world: World, told: dict[str, Any], change: dict[str, Any], error: str, says: str
) -> None:
    refused(call(world, "PUT", told, json=sent(told, **change)), error, says)
    assert call(world, "GET", told).json == told
    assert entries(world, Kind.PARTY_UPDATED) == []


def test_a_change_never_makes_more_of_a_client(world: World, told: dict[str, Any]) -> None:
    document = sent(
        told, role="supervisor", organisation=NEW, profile="oidc", resources=["https://x.example"]
    )
    answer = call(world, "PUT", told, json=document)
    assert answer.status_code == 200
    for name in ("role", "organisation", "profile"):
        assert answer.json[name] == told[name]
    assert "resources" not in answer.json


def test_a_suspended_party_changes_nothing_and_may_leave(world: World, told: dict[str, Any]) -> None:
    with world.app.app_context(), writing() as session:
        parties.set_standing(session, BANK, Standing.SUSPENDED, reason="checked", now=world.clock.now())
    refused(call(world, "PUT", told, json=sent(told)), "access_denied", status=403)
    assert call(world, "GET", told).status_code == 200
    assert call(world, "DELETE", told).status_code == 204


def test_a_secret_stays_through_a_change_and_is_made_new_only_where_there_was_none(world: World) -> None:
    token = invited(world, role=ClientRole.LOGIN, profile=Profile.OIDC)
    told = register(world, token, asked(token_endpoint_auth_method=None, jwks=None)).json
    secret = told["client_secret"]
    kept = call(world, "PUT", told, json=sent(told, client_name="Other")).json
    assert "client_secret" not in kept
    assert kept["client_secret_expires_at"] == 0
    key = public(ec.generate_private_key(ec.SECP256R1()))
    bare = sent(told, client_secret=None)
    without = call(
        world,
        "PUT",
        told,
        json={**bare, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}},
    ).json
    assert "client_secret_expires_at" not in without
    again = call(world, "PUT", told, json=bare).json
    assert again["client_secret"] not in {"", secret}


def test_a_holder_keeps_its_addresses_through_a_change(world: World) -> None:
    place = "https://erp.example.no/v2"
    token = invited(world, role=ClientRole.HOLDER, organisation="0192:310052345", resources=(place,))
    told = register(world, token, asked(redirect_uris=None, grant_types=None, response_types=None)).json
    answer = call(world, "PUT", told, json=sent(told, client_name="Renamed", resources=[]))
    assert (answer.json["client_name"], answer.json["resources"]) == ("Renamed", [place])
    assert replays(world)


def test_what_was_vouched_for_stays(world: World) -> None:
    directory = Directory(world).trusted(ClientRole.PARTY)
    stated, mine = (public(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    statement = directory.states(jwks={"keys": [stated]}, redirect_uris=[REDIRECT], client_name="Stated")
    told = register(world, None, {"software_statement": statement}).json
    document = {
        "client_id": told["client_id"],
        "client_name": "Mine",
        "jwks_uri": "https://thief.example/keys",
        "redirect_uris": ["https://thief.example/"],
        "contacts": ["dev@bank.example"],
    }
    answer = call(world, "PUT", told, json=document)
    assert answer.status_code == 200, answer.text
    assert answer.json["jwks"]["keys"][0]["x"] == stated["x"] != mine["x"]
    assert (answer.json["client_name"], answer.json["redirect_uris"]) == ("Stated", [REDIRECT])
    assert answer.json["contacts"] == ["dev@bank.example"]
    assert answer.json["software_statement"] == statement
    by_certificate = {
        "client_id": told["client_id"],
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": "thief.example",
    }
    refused(call(world, "PUT", told, json=by_certificate), "unapproved_software_statement", "keys")


def test_a_new_statement_takes_the_old_ones_place(world: World) -> None:
    directory = Directory(world).trusted(ClientRole.PARTY, ClientRole.LOGIN)
    first, second = (public(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    fixed = {"redirect_uris": [REDIRECT], "client_name": "Stated"}
    told = register(
        world, None, {"software_statement": directory.states(jwks={"keys": [first]}, **fixed)}
    ).json

    def put(**claims: Any) -> TestResponse:
        document = {"client_id": told["client_id"], "software_statement": directory.states(**fixed, **claims)}
        return call(world, "PUT", told, json=document)

    changed = put(jwks={"keys": [second]})
    assert changed.json["jwks"]["keys"][0]["x"] == second["x"]
    refused(put(jwks={"keys": [first]}, org=BANK), "unapproved_software_statement", "another")
    refused(put(jwks={"keys": [first]}, role="login"), "unapproved_software_statement", "another")
    refused(put(), "unapproved_software_statement", "keys")


def test_deleting_ends_the_client_its_tokens_and_its_own_registration(both_worlds: World) -> None:
    world, key = both_worlds, ec.generate_private_key(ec.SECP256R1())
    told = register(world, invited(world), asked(key, grant_types=None)).json
    peer = Peer(world, told["client_id"], key)
    signs = {"headers": {"kid": "one"}}
    token = peer.post(
        "/oauth/token", {"grant_type": "client_credentials"}, assertion=peer.assertion(**signs)
    ).json["access_token"]
    answer = call(world, "DELETE", told)
    assert (answer.status_code, answer.text) == (204, "")
    for method in ("GET", "PUT", "DELETE"):
        refused(call(world, method, told, json=sent(told)), "invalid_token", status=401)
    assert peer.push(client_assertion=peer.assertion(**signs)).status_code == 401
    looked = world.bank.post("/oauth/introspect", {"token": token})
    assert looked.json == {"active": False}
    (entry,) = entries(world, Kind.PARTY_ENDED)
    assert (entry["client_id"], entry["organisation"], entry["by"]) == (peer.client_id, BANK, "the client")


def test_a_grant_stays_visible_and_permits_nothing_when_its_client_has_ended(both_worlds: World) -> None:
    world, key = both_worlds, ec.generate_private_key(ec.SECP256R1())
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    told = register(world, invited(world), asked(key)).json
    peer = Peer(world, told["client_id"], key)

    def sign() -> str:
        return peer.assertion(headers={"kid": "one"})

    browser = world.sign_in()
    path, page = world.open_request(browser, peer.push(client_assertion=sign()), peer)
    returned = browser.get(world.answer(browser, path, page).location).location
    code = returned.partition("code=")[2].partition("&")[0]
    token = peer.redeem(code, assertion=sign()).json
    question = world.question(token, world.erp, party=peer.client_id)
    assert world.ask(world.erp, question).json["decision"] is True
    assert call(world, "DELETE", told).status_code == 204
    denied = world.ask(world.erp, question)
    assert (denied.status_code, denied.json["decision"]) == (200, False)
    refresh = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    assert peer.post("/oauth/token", refresh, dpop=True, assertion=sign()).status_code == 401
    shown = browser.get(f"/grants/{token['grant_id']}")
    assert (shown.status_code, "Nordhavn Bank" in shown.text) == (200, True)
    assert world.revoke(browser, token["grant_id"]).status_code == 303
    assert replays(world)


def test_who_has_ended_gets_no_new_grant(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    told = register(world, invited(world), asked(key)).json
    peer = Peer(world, told["client_id"], key)
    browser = world.sign_in()
    path, page = world.open_request(
        browser, peer.push(client_assertion=peer.assertion(headers={"kid": "one"})), peer
    )
    assert call(world, "DELETE", told).status_code == 204
    answered = world.answer(browser, path, page)
    assert answered.status_code != 303 or "code=" not in browser.get(answered.location).location
    with world.app.app_context():
        rows = reading().connection().exec_driver_sql("SELECT count(*) FROM grant_version").scalar()
    assert rows == 0


def test_replay_sees_a_client_that_came_back_to_life(world: World, told: dict[str, Any]) -> None:
    assert call(world, "PUT", told, json=sent(told, client_name="Two")).status_code == 200
    assert call(world, "DELETE", told).status_code == 204
    assert replays(world)
    with world.app.app_context(), writing() as session:
        session.get_one(parties.ClientRow, told["client_id"]).status = Standing.ACTIVE
    assert not replays(world)


def test_replay_sees_a_client_that_ended_without_an_entry(world: World, told: dict[str, Any]) -> None:
    with world.app.app_context(), writing() as session:
        session.get_one(parties.ClientRow, told["client_id"]).status = Standing.ENDED
    assert not replays(world)


def test_a_client_ends_once(world: World, told: dict[str, Any]) -> None:
    now = world.clock.now()
    with world.app.app_context(), writing() as session:
        assert enrolment.end(session, told["client_id"], "the operator", now).status is Standing.ENDED
        for name in (told["client_id"], "none"):
            with pytest.raises(enrolment.ServiceError, match="unknown_client"):
                enrolment.end(session, name, "the operator", now)


def test_a_client_s_tokens_are_found_without_looking_at_everybody_s(both_worlds: World) -> None:
    """What ends a client holds the registry meanwhile, however many tokens there are."""
    plans: list[str] = []
    with both_worlds.app.app_context(), writing() as session:
        engine, connection = session.get_bind(), session.connection()
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a small table is read whole
        explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"

        def explained(_c: Any, cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
            if statement.startswith("UPDATE token") and not plans:
                cursor.execute(f"{explain} {statement}", parameters)
                plans.append(str(cursor.fetchall()))

        event.listen(connection, "before_cursor_execute", explained)
        tokens.revoke_client(session, "nobody", both_worlds.clock.now())
    assert "ix_token_client_id" in plans[0]
