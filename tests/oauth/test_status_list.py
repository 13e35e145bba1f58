"""Token status lists (draft-ietf-oauth-status-list): what is told of a token, and how fast."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import zlib
from itertools import pairwise
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from consent_service.db import db, writing
from consent_service.grants import service, standing, store
from consent_service.grants.model import Status
from consent_service.grants.standing import TokenStatus
from consent_service.oauth.tokens import ACCESS_LIFE
from consent_service.registry import parties, status, tokens
from consent_service.registry.model import Standing
from consent_service.registry.status import Place
from consent_service.signals.status_list import LIFE, TTL, TYPE, encode
from tests.world import ISSUER, OWNER, World

BANK = "0192:310041238"
VALID, INVALID, SUSPENDED = TokenStatus
VECTOR = "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81gAQw"  # appendix "Test vectors", 2-bit Status List


def place_of(token: dict[str, Any]) -> tuple[str, int]:
    """Where the token says that its status is told."""
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    assert set(claims["status"]) == {"status_list"}
    return claims["status"]["status_list"]["uri"], claims["status"]["status_list"]["idx"]


def get(world: World, uri: str, **headers: str) -> TestResponse:
    return world.app.test_client().get(uri.removeprefix(ISSUER), headers=headers)


def claims_of(world: World, uri: str) -> dict[str, Any]:
    """The verified claims of a list."""
    answer = get(world, uri)
    assert answer.status_code == 200, answer.text
    kid = jwt.get_unverified_header(answer.text)["kid"]
    [jwk] = [one for one in world.app.test_client().get("/oauth/jwks").json["keys"] if one["kid"] == kid]
    options = {"verify_exp": False, "verify_iat": False}  # the world has a clock of its own
    return dict(jwt.decode(answer.text, jwt.PyJWK(jwk), algorithms=["ES256"], options=options))


def unpacked(lst: str) -> bytes:
    """A list as a reader of the draft would unpack it, without any code of ours."""
    return zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))


def told(world: World, token: dict[str, Any]) -> int:
    """What the list says of this token now."""
    uri, index = place_of(token)
    packed = unpacked(claims_of(world, uri)["status_list"]["lst"])
    return packed[index // 4] >> (index % 4 * 2) & 3


def change(world: World, token: dict[str, Any], then: Status) -> None:
    with world.app.app_context(), writing() as session:
        grant = store.current(session, OWNER, token["grant_id"])
        assert grant is not None
        service.change(session, grant, then, actor="test", reason="owner", now=world.clock.now())


def set_standing(world: World, then: Standing) -> None:
    with world.app.app_context(), writing() as session:
        parties.set_standing(session, BANK, then, reason="test", now=world.clock.now())


def refreshed(world: World, token: dict[str, Any]) -> dict[str, Any]:
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    answer = world.bank.post("/oauth/token", form, dpop=True)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def test_the_example_of_two_bits_in_section_4_1_has_the_same_bytes() -> None:
    values = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    text = encode(dict(enumerate(values)), size=12)  # type: ignore[arg-type]
    assert unpacked(text) == zlib.decompress(bytes.fromhex("78da3be9f2130003df0207")) == b"\xc9\x44\xf9"


def test_the_test_vector_of_two_bits_says_the_same() -> None:
    values = {0: 1, 1993: 2, 25460: 1, 159495: 3, 495669: 1, 554353: 1, 645645: 2, 723232: 1, 854545: 1}
    values |= {934534: 2, 1000345: 3}
    assert unpacked(encode(values, size=2**20)) == unpacked(VECTOR)  # type: ignore[arg-type]


@given(st.dictionaries(st.integers(0, 4095), st.sampled_from(TokenStatus)))
def test_every_place_says_what_was_put_there_and_all_others_are_valid(said: dict[int, TokenStatus]) -> None:
    packed = unpacked(encode(said, size=4096))
    assert len(packed) == 1024
    for index in range(4096):
        assert packed[index // 4] >> (index % 4 * 2) & 3 == said.get(index, 0)


def test_a_list_is_a_signed_token_with_all_that_the_draft_requires(both_worlds: World) -> None:
    uri, index = place_of(both_worlds.grant())
    answer = get(both_worlds, uri)
    assert answer.headers["Content-Type"] == "application/statuslist+jwt"
    assert jwt.get_unverified_header(answer.text)["typ"] == "statuslist+jwt"
    claims = claims_of(both_worlds, uri)
    at = int(both_worlds.clock.now().timestamp())
    assert (claims["iss"], claims["sub"]) == (ISSUER, uri)
    assert (claims["iat"], claims["exp"], claims["ttl"]) == (at, at + LIFE, TTL)
    assert claims["status_list"]["bits"] == 2
    assert 0 <= index < status.SIZE == len(unpacked(claims["status_list"]["lst"])) * 4


def test_revoking_the_grant_shows_at_once(both_worlds: World) -> None:
    browser = both_worlds.sign_in()
    token = both_worlds.grant(browser=browser)
    assert told(both_worlds, token) == VALID
    assert both_worlds.revoke(browser, token["grant_id"]).status_code == 303
    assert told(both_worlds, token) == INVALID


def test_i_revoked_the_jwt_and_it_works_no_longer(both_worlds: World) -> None:
    token = both_worlds.grant()
    other = refreshed(both_worlds, token)
    assert both_worlds.bank.post("/oauth/revoke", {"token": token["access_token"]}).status_code == 200
    assert (told(both_worlds, token), told(both_worlds, other)) == (INVALID, VALID)


def test_revoking_the_refresh_token_takes_along_all_that_it_gave(both_worlds: World) -> None:
    token = both_worlds.grant()
    other = refreshed(both_worlds, token)
    assert both_worlds.bank.post("/oauth/revoke", {"token": token["refresh_token"]}).status_code == 200
    assert (told(both_worlds, token), told(both_worlds, other)) == (INVALID, INVALID)


def test_a_suspended_grant_is_suspended_and_a_resumed_one_valid_again(both_worlds: World) -> None:
    token = both_worlds.grant()
    change(both_worlds, token, Status.SUSPENDED)
    assert told(both_worlds, token) == SUSPENDED
    change(both_worlds, token, Status.ACTIVE)
    assert told(both_worlds, token) == VALID
    change(both_worlds, token, Status.EXHAUSTED)
    assert told(both_worlds, token) == INVALID


def test_a_token_of_a_suspended_party_is_suspended(both_worlds: World) -> None:
    token = both_worlds.grant()
    set_standing(both_worlds, Standing.SUSPENDED)
    assert told(both_worlds, token) == SUSPENDED
    set_standing(both_worlds, Standing.ACTIVE)
    assert told(both_worlds, token) == VALID


def test_what_has_ended_stays_ended_while_its_party_is_suspended(world: World) -> None:
    token = world.grant()
    set_standing(world, Standing.SUSPENDED)
    change(world, token, Status.REVOKED)
    assert told(world, token) == INVALID


def test_tokens_of_other_grants_are_told_nothing_of(both_worlds: World) -> None:
    browser = both_worlds.sign_in()
    one, other = both_worlds.grant(browser=browser), both_worlds.grant(browser=browser)
    both_worlds.revoke(browser, one["grant_id"])
    assert (told(both_worlds, one), told(both_worlds, other)) == (INVALID, VALID)


def test_a_token_of_terms_that_were_replaced_holds_no_longer(world: World) -> None:
    token = world.grant()
    with world.app.app_context(), writing() as session:
        grant = store.current(session, OWNER, token["grant_id"])
        assert grant is not None
        world.clock.advance(seconds=1)
        narrower = dataclasses.replace(grant.terms, datatypes=("trial_balance",))
        made = {"version": 2, "terms": narrower, "created_at": world.clock.now(), "entry_id": "e" * 36}
        store.add_version(session, dataclasses.replace(grant, **made))
    assert told(world, token) == INVALID
    with world.app.app_context():
        versions = standing.changed_since(db.session(), world.clock.now() - dt.timedelta(hours=1))
        [found] = versions.values()
        assert standing.of_token(found, world.clock.now()) is VALID  # one given afterwards


def test_a_token_without_a_grant_has_no_status(world: World) -> None:
    claims = jwt.decode(world.bearer(world.erp), options={"verify_signature": False})
    assert "status" not in claims


def test_every_token_gets_a_place_of_its_own_and_places_tell_nothing(world: World) -> None:
    token = world.grant()
    places = [place_of(token)] + [place_of(refreshed(world, token)) for _ in range(12)]
    assert len(set(places)) == len(places)
    steps = {after[1] - before[1] for before, after in pairwise(places)}
    assert len(steps) == len(places) - 1  # no counting up


def test_a_place_that_is_taken_must_not_be_given_again(both_worlds: World) -> None:
    with both_worlds.app.app_context(), writing() as session:
        moment = both_worlds.clock.now()
        place = next(iter(status.places(moment)))

        def remember(name: str) -> bool:
            made = tokens.Token(
                *(tokens.digest(name), "access_token", both_worlds.bank.client_id, name, "", ()),
                *(moment, moment + ACCESS_LIFE),
                place=place,
            )
            return tokens.remember(session, made)

        assert [remember("one"), remember("other")] == [True, False]
        assert tokens.find(session, "other") is None


def test_who_finds_a_place_taken_gets_one_in_another_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_service.registry.status.SIZE", 1)  # the first token fills its list
    token = world.grant()
    other = refreshed(world, token)
    assert place_of(token)[1] == place_of(other)[1] == 0
    assert place_of(token)[0] != place_of(other)[0]
    world.bank.post("/oauth/revoke", {"token": other["access_token"]})
    answer = world.app.test_client().get("/oauth/status-lists")
    assert {place_of(token)[0], place_of(other)[0]} <= set(answer.json["status_lists"])


def test_when_all_lists_are_full_the_client_is_asked_to_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_service.registry.status.SIZE", 1)
    monkeypatch.setattr("consent_service.registry.status.LISTS", 1)
    token = world.grant()
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    answer = world.bank.post("/oauth/token", form, dpop=True)
    assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")


def test_a_list_is_there_as_long_as_its_tokens_live_and_then_gone(world: World) -> None:
    token = world.grant()
    uri, _index = place_of(token)
    world.clock.advance(seconds=ACCESS_LIFE.total_seconds())
    assert get(world, uri).status_code == 200
    world.clock.advance(minutes=11)
    assert get(world, uri).status_code == 404
    assert uri not in world.app.test_client().get("/oauth/status-lists").json["status_lists"]


@given(st.floats(1.7e9, 2.2e9), st.floats(0, 600), st.floats(-29, 29))
def test_no_list_ends_before_its_tokens_on_any_node(at: float, later: float, skew: float) -> None:
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    for place in status.places(moment):
        assert status.is_live(place.number, moment + dt.timedelta(seconds=later + skew))
        assert status.opened_at(place.number) <= moment - dt.timedelta(seconds=30)


@pytest.mark.parametrize("number", ["0", "99999999999", "12345678901234567890", "-1", "x", "1.5"])
def test_a_list_that_is_none_is_not_found(world: World, number: str) -> None:
    assert world.app.test_client().get(f"/oauth/status-lists/{number}").status_code == 404


@pytest.mark.parametrize("accept", ["", TYPE, "*/*", "application/*", f"text/html, {TYPE};q=0.1"])
def test_the_jwt_format_is_negotiated(world: World, accept: str) -> None:
    uri, _index = place_of(world.grant())
    answer = get(world, uri, **({"Accept": accept} if accept else {}))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, TYPE)
    assert "Accept" in answer.vary


@pytest.mark.parametrize("accept", ["application/statuslist+cwt", "text/html", f"{TYPE};q=0"])
def test_a_format_that_we_don_t_have_is_not_acceptable(world: World, accept: str) -> None:
    uri, _index = place_of(world.grant())
    assert get(world, uri, Accept=accept).status_code == 406


def test_the_past_should_be_answered_with_501(world: World) -> None:
    uri, _index = place_of(world.grant())
    assert get(world, f"{uri}?time=1686925000").status_code == 501


def test_browsers_of_any_origin_may_read_lists_and_no_cookie_is_involved(world: World) -> None:
    uri, _index = place_of(world.grant())
    for path in (uri, f"{ISSUER}/oauth/status-lists"):
        answer = get(world, path, Origin="https://any.example")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Cookie" not in answer.vary
        assert "Set-Cookie" not in answer.headers


def test_a_cache_asks_each_time_and_is_told_when_nothing_has_changed(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    uri, _index = place_of(token)
    first = get(world, uri)
    assert first.cache_control.no_cache
    again = get(world, uri, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    world.revoke(browser, token["grant_id"])
    changed = get(world, uri, **{"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_a_list_that_did_not_change_is_signed_anew_before_it_grows_old(world: World) -> None:
    uri, _index = place_of(world.grant())
    first = claims_of(world, uri)
    world.clock.advance(seconds=3)
    assert claims_of(world, uri)["iat"] == first["iat"] + 3


def test_the_metadata_names_the_aggregation_and_it_names_the_lists(world: World) -> None:
    uri, _index = place_of(world.grant())
    client = world.app.test_client()
    metadata = client.get("/.well-known/oauth-authorization-server").json
    endpoint = metadata["status_list_aggregation_endpoint"]
    answer = get(world, endpoint)
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json) == {"status_lists"}
    assert uri in answer.json["status_lists"]
    for one in answer.json["status_lists"]:
        assert claims_of(world, one)["status_list"]["aggregation_uri"] == endpoint


def test_a_list_does_not_tell_how_many_tokens_there_are(world: World) -> None:
    token = world.grant()
    uri, _index = place_of(token)
    before = claims_of(world, uri)["status_list"]["lst"]
    for _ in range(3):
        refreshed(world, token)
    assert claims_of(world, uri)["status_list"]["lst"] == before


def test_lists_are_asked_for_by_index_and_not_by_walking_the_tokens(world: World) -> None:
    """What a list asks stays cheap with millions of tokens: SQLite's plan names the indexes."""
    plans = {
        "SELECT status_index FROM token WHERE status_list = 1 AND revoked_at IS NOT NULL": "revoked",
        "SELECT status_index FROM token WHERE status_list = 1 AND client_id IN ('a', 'b')": "client_id",
        "SELECT status_index FROM token WHERE status_list = 1 AND grant_id IN ('a', 'b')": "grant_id",
    }
    with world.app.app_context():
        connection = db.session().connection()
        for query, name in plans.items():
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
            assert f"ix_token_status_list_{name}" in plan
        query = "SELECT grant_id FROM grant_version WHERE created_at >= '2026' AND version > 1"
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
        assert "ix_grant_version_changed" in plan


def test_a_place_is_a_list_s_number_and_an_index() -> None:
    assert status.address(ISSUER, Place(7, 1).number) == f"{ISSUER}/oauth/status-lists/7"
