"""RFC 7662 introspection, RFC 7009 revocation, RFC 8414 metadata."""

from __future__ import annotations

from consent_service.db import writing
from consent_service.oauth.client import EXCHANGE
from consent_service.oauth.token_exchange_grant import ACCESS_TOKEN
from consent_service.registry import parties
from consent_service.registry.model import ClientRole, Standing
from tests.oauth.grants import SECOND, introspect, second_holder
from tests.world import ISSUER, OWNER, RESOURCE, World

INTROSPECT, REVOKE = "/oauth/introspect", "/oauth/revoke"


def test_a_live_token_is_described_with_its_grant(world: World) -> None:
    token = world.grant()
    answer = world.bank.post(INTROSPECT, {"token": token["access_token"]}).json
    assert answer["active"] is True
    assert (answer["sub"], answer["client_id"], answer["iss"]) == (OWNER, world.bank.client_id, ISSUER)
    assert answer["grant_id"] == token["grant_id"]
    assert answer["authorization_details"] == token["authorization_details"]
    assert answer["cnf"] == {"jkt": world.bank.dpop.jkt}
    assert answer["token_type"] == "DPoP"


def test_the_holder_that_a_token_is_meant_for_may_ask(world: World) -> None:
    token = world.grant()["access_token"]
    assert world.erp.post(INTROSPECT, {"token": token}).json["active"] is True


def test_anybody_else_learns_nothing(world: World) -> None:
    token = world.grant()["access_token"]
    other = world.register(
        ClientRole.HOLDER, "Other ERP", "0184:99810106", resource="https://other.example/api"
    )
    assert other.post(INTROSPECT, {"token": token}).json == {"active": False}
    assert world.app.test_client().post(INTROSPECT, data={"token": token}).status_code == 401


def test_unknown_expired_and_garbage_are_the_same_bare_no(world: World) -> None:
    token = world.grant()["access_token"]
    world.clock.advance(minutes=10)
    for text in (token, "garbage", "", "\ud800".encode("utf-8", "surrogatepass")):
        assert world.bank.post(INTROSPECT, {"token": text}).json == {"active": False}


def test_a_missing_token_is_invalid_request_and_an_unknown_hint_is_ignored(world: World) -> None:
    assert world.bank.post(INTROSPECT, {}).json["error"] == "invalid_request"
    form = {"token": world.grant()["access_token"], "token_type_hint": "something"}
    assert world.bank.post(INTROSPECT, form).json["active"] is True
    assert world.bank.post(REVOKE, form).status_code == 200


def test_revoking_the_grant_makes_every_token_inactive_and_the_refresh_token_dead(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    assert world.revoke(browser, token["grant_id"]).status_code == 303
    for name in ("access_token", "refresh_token"):
        assert world.bank.post(INTROSPECT, {"token": token[name]}).json == {"active": False}
    refresh = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    assert world.bank.post("/oauth/token", refresh, dpop=True).json["error"] == "invalid_grant"


def test_revoking_a_refresh_token_takes_its_access_tokens_along_but_not_the_grant(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    assert world.bank.post(REVOKE, {"token": token["refresh_token"]}).status_code == 200
    assert world.bank.post(INTROSPECT, {"token": token["access_token"]}).json == {"active": False}
    assert "Take access back" in browser.get(f"/grants/{token['grant_id']}").text


def test_somebody_else_s_token_is_answered_with_200_and_stays(world: World) -> None:
    token = world.grant()["access_token"]
    assert world.erp.post(REVOKE, {"token": token}).status_code == 200
    assert world.erp.post(REVOKE, {"token": "unknown"}).status_code == 200
    assert world.bank.post(INTROSPECT, {"token": token}).json["active"] is True


def test_once_only_access_gives_no_refresh_token(world: World) -> None:
    access = {"mode": "once", "valid_until": world.details()["access"]["valid_until"]}
    assert "refresh_token" not in world.grant(world.details(access=access))


GET, EITHER = {"GET"}, {"GET", "POST"}
METHODS = {
    "jwks_uri": GET,
    "authorization_endpoint": EITHER,
    "userinfo_endpoint": EITHER,
    "end_session_endpoint": EITHER,
    "authorization_details_types_metadata_endpoint": GET,
    "status_list_aggregation_endpoint": GET,
    "grant_management_endpoint": GET,
}
"""What each endpoint's standard has; every other one is for POST alone."""


def test_every_endpoint_of_the_metadata_answers_to_its_own_methods(world: World) -> None:
    client = world.app.test_client()
    document = client.get("/.well-known/oauth-authorization-server").json
    assert document["issuer"] == ISSUER
    for name, url in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            path = url.removeprefix(ISSUER)
            if name == "grant_management_endpoint":  # a grant's address begins with it
                path += "/a-grant"
            for method in ("GET", "POST"):
                answer = client.open(path, method=method, data={} if method == "POST" else None)
                if method in METHODS.get(name, {"POST"}):
                    assert answer.status_code in {200, 303, 400, 401}, (name, method, answer.status_code)
                else:
                    assert answer.status_code == 405, (name, method, answer.status_code)
                    assert "Allow" in answer.headers


def test_the_metadata_claims_nothing_but_what_is_built(world: World) -> None:
    document = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert document["require_pushed_authorization_requests"] is False  # of profile fapi2 it is required
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    for grant_type in document["grant_types_supported"]:
        form = {"grant_type": grant_type}
        errors = {
            peer.post("/oauth/token", form, dpop=True).json.get("error") for peer in (world.bank, world.erp)
        }
        assert "unsupported_grant_type" not in errors


def test_no_token_is_active_while_its_party_may_not_take_part(world: World) -> None:
    token = world.grant(world.details(locations=[RESOURCE, SECOND]))["access_token"]
    second = second_holder(world)
    exchanged = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    asked = exchanged | {"resource": SECOND}
    theirs = world.erp.post("/oauth/token", asked, dpop=True).json["access_token"]

    def active() -> list[bool]:
        ours = introspect(world.erp, token), introspect(second, theirs)
        return [one["active"] for one in ours]

    assert active() == [True, True]
    stand(world, "0192:310041238", Standing.SUSPENDED)
    assert active() == [False, False]
    assert world.erp.post("/oauth/token", asked, dpop=True).json["error"] == "invalid_request"
    stand(world, "0192:310041238", Standing.ACTIVE)
    stand(world, "0192:310052345", Standing.SUSPENDED)
    assert introspect(second, theirs) == {"active": False}


def stand(world: World, organisation: str, standing: Standing) -> None:
    with world.app.app_context(), writing() as session:
        parties.set_standing(session, organisation, standing, reason="test", now=world.clock.now())
