"""OpenID Connect Core 1.0: the code flow for clients that sign people in."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest

from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.registry import parties
from consent_service.registry.logins import ConsentRow
from consent_service.registry.model import ClientRole, Profile, Standing
from consent_service.registry.parties import Registration
from tests.oauth.relying import HOME, HTML, POST, Relying, follow, returned
from tests.world import ISSUER, OWNER, REDIRECT, World, challenge, csrf


def error_of(world: World, relying: Relying, person: str | None = "ingrid", **changes: Any) -> dict[str, str]:
    browser = world.sign_in(person) if person else world.app.test_client()
    back = returned(relying.leave(browser, **changes))
    assert back["iss"] == ISSUER
    assert back.get("state") == relying.state
    return back


def test_the_code_flow_gives_an_id_token_that_says_who_signed_in_and_how(both_worlds: World) -> None:
    world = both_worlds
    relying = Relying.register(world)
    token = relying.tokens(world.sign_in())
    assert token["token_type"] == "Bearer"
    assert token["scope"] == "openid"
    assert "refresh_token" not in token
    claims = relying.claims(token)
    now = int(world.clock.now().timestamp())
    assert claims["aud"] == relying.client_id
    assert claims["nonce"] == "n" * 64
    assert (claims["iat"], claims["auth_time"]) == (now, now)
    assert now < claims["exp"] <= now + 3600
    assert claims["acr"] == f"{ISSUER}/acr/eid"
    assert "amr" not in claims, "this eID says nothing that RFC 8176 knows"
    assert "name" not in claims
    half = hashlib.sha256(token["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert jwt.get_unverified_header(token["id_token"])["alg"] == "RS256"


def test_somebody_who_is_not_signed_in_signs_in_first_and_comes_to_the_page(world: World) -> None:
    relying = Relying.register(world)
    browser = world.app.test_client()
    page = relying.leave(browser, scope="openid profile")
    assert "Sign in to go on to" in page.text
    assert "Skyregn" in page.text
    asked = browser.post("/sign-in/eid", data={"csrf_token": csrf(page), "next": page.request.args["next"]})
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked.location).query).items()}
    assert query["prompt"] == "login", "the eID is asked for a sign-in now, so that auth_time is true"
    back = httpx2.post(asked.location.partition("?")[0], data=query | {"person": "ingrid"})
    page = follow(browser, browser.get(back.headers["location"], headers=HTML))
    assert "wants to know who you are" in page.text
    assert "Your name" in page.text
    assert "code" in returned(relying.answer(browser, page))


def test_declining_is_access_denied_and_gives_nothing(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    back = returned(relying.answer(browser, relying.leave(browser), answer="decline"))
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", "the-state", ISSUER)
    assert relying.leave(browser).status_code == 200, "nothing is remembered of a no"


def test_a_request_by_post_is_taken_like_one_by_get_and_sets_no_cookie_on_its_way(world: World) -> None:
    relying = Relying.register(world)
    stranger = world.app.test_client(use_cookies=False)
    answer = stranger.post("/oauth/authorize", data=relying.parameters())
    assert answer.status_code == 303
    assert "Set-Cookie" not in answer.headers, "a form from another site must not replace the session"
    browser = world.sign_in()
    page = relying.leave(browser, post=True)
    assert "code" in returned(relying.answer(browser, page))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "email phone"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "sometimes"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"claims": '{"userinfo": {"name": 5}}'}, "invalid_request"),
        ({"id_token_hint": "not a token"}, "invalid_request"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://erp.example.no/request"}, "request_uri_not_supported"),
        ({"code_challenge": "x"}, "invalid_request"),
        ({"code_challenge": challenge("v" * 64), "code_challenge_method": "plain"}, "invalid_request"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"nonce": ["one", "two"]}, "invalid_request"),
    ],
)
def test_an_error_goes_back_to_the_client_once_it_is_settled_who_that_is(
    world: World, change: dict[str, Any], error: str
) -> None:
    assert error_of(world, Relying.register(world), **change)["error"] == error


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": None},
        {"redirect_uri": HOME + "/"},
        {"redirect_uri": HOME + "?x=y"},
        {"redirect_uri": "https://evil.example"},
        {"redirect_uri": [HOME, HOME]},
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "\x00"},
    ],
)
def test_nobody_is_redirected_before_client_and_redirect_uri_are_settled(
    world: World, change: dict[str, Any]
) -> None:
    answer = Relying.register(world).leave(world.app.test_client(), **change)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_suspended_client_asks_nobody(world: World) -> None:
    relying = Relying.register(world)
    with world.app.app_context(), writing() as session:
        parties.set_standing(session, "0192:310052345", Standing.SUSPENDED, reason="x", now=world.clock.now())
    assert relying.leave(world.sign_in()).status_code == 400


def test_what_is_not_known_is_ignored(world: World) -> None:
    relying = Relying.register(world)
    token = relying.tokens(
        world.sign_in(),
        scope="openid email address phone nothing",
        display="popup",
        ui_locales="se nb",
        claims_locales="se",
        login_hint="somebody@example.no",
        extra="foobar",
        claims='{"userinfo": {"email": {"essential": true}, "picture": null}, "other": {}}',
    )
    assert token["scope"] == "openid"
    assert set(relying.userinfo(token).json) == {"sub"}


def test_consent_is_remembered_for_what_was_agreed_to_and_not_for_more_or_for_others(world: World) -> None:
    relying, other = Relying.register(world), Relying.register(world, name="Another")
    browser = world.sign_in()
    relying.tokens(browser, scope="openid profile")
    assert "code" in returned(relying.leave(browser)), "less was agreed to"
    assert "code" in returned(relying.leave(browser, scope="openid profile", prompt="none"))
    assert relying.leave(browser, scope="openid profile organisations").status_code == 200
    assert relying.leave(browser, claims='{"id_token": {"organisations": null}}').status_code == 200
    assert other.leave(browser).status_code == 200
    assert relying.leave(world.sign_in("odd")).status_code == 200


def test_consent_ends_by_itself(world: World) -> None:
    relying = Relying.register(world)
    relying.tokens(world.sign_in())
    with world.app.app_context(), writing() as session:
        row = session.query(ConsentRow).one()
        assert row.until - row.given_at == dt.timedelta(days=90)
        row.until = world.clock.now()
    assert relying.leave(world.sign_in()).status_code == 200


def test_who_wants_to_be_asked_every_time_is(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    relying.tokens(browser, {"ask_again": "yes"})
    assert relying.leave(browser).status_code == 200
    assert error_of(world, relying, prompt="none")["error"] == "consent_required"


def test_a_consent_is_listed_and_taken_back_in_one_action_and_its_tokens_end_with_it(
    both_worlds: World,
) -> None:
    world = both_worlds
    relying = Relying.register(world)
    browser = world.sign_in()
    form = {"organisations": [OWNER]}
    token = relying.tokens(browser, form, scope="openid profile organisations offline_access")
    account = browser.get("/account", headers=HTML)
    assert "Skyregn" in account.text
    assert re.search(r"Shown: .*Fjellvik Båtbyggeri AS", account.text)
    assert "Your name" in account.text
    assert relying.userinfo(token).status_code == 200
    done = browser.post(f"/account/consents/{relying.client_id}/forget", data={"csrf_token": csrf(account)})
    assert done.status_code == 303
    assert relying.userinfo(token).status_code == 401
    refused = relying.token({"grant_type": "refresh_token", "refresh_token": token["refresh_token"]})
    assert refused.json["error"] == "invalid_grant"
    assert "Nowhere at the moment" in browser.get("/account", headers=HTML).text
    again = relying.leave(browser, scope="openid profile organisations offline_access")
    assert again.status_code == 200


def test_the_page_says_whether_others_can_know_the_person_by_the_same_name(world: World) -> None:
    pairwise, public = Relying.register(world), Relying.register(world, subject_type="public")
    browser = world.sign_in()
    assert "a name that only they use for you" in pairwise.leave(browser).text
    assert "a name by which others can know you too" in public.leave(browser).text


def test_prompt_none_never_shows_a_page(world: World) -> None:
    relying = Relying.register(world)
    assert error_of(world, relying, None, prompt="none")["error"] == "login_required"
    assert error_of(world, relying, prompt="none")["error"] == "consent_required"
    browser = world.sign_in()
    relying.tokens(browser)
    assert "code" in returned(relying.leave(browser, prompt="none"))


def test_prompt_consent_and_select_account_always_ask(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    relying.tokens(browser)
    for prompt in ("consent", "select_account"):
        page = relying.leave(browser, prompt=prompt)
        assert "Not you?" in page.text


def sign_in_again(world: World, browser: Any, page: Any, person: str = "ingrid") -> Any:
    """From the sign-in page, as the person: the next page or address."""
    assert page.request.path == "/sign-in", page.request.path
    done = world.sign_in_again(browser, person)
    assert done.status_code == 303
    return follow(browser, browser.get(page.request.args["next"], headers=HTML))


def test_prompt_login_makes_the_person_sign_in_again_and_auth_time_is_the_new_one(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    first = relying.claims(relying.tokens(browser))
    world.clock.advance(seconds=5)
    page = relying.leave(browser, prompt="login")
    assert "code" not in (page.location or "")
    back = returned(sign_in_again(world, browser, page))
    second = relying.claims(relying.redeem(back["code"]).json)
    assert second["auth_time"] == first["auth_time"] + 5
    assert second["sub"] == first["sub"]


def test_prompt_login_is_not_met_by_going_on_without_signing_in(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    relying.tokens(browser)
    page = relying.leave(browser, prompt="login")
    again = follow(browser, browser.get(page.request.args["next"], headers=HTML))
    assert again.request.path == "/sign-in"


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "60"}])
def test_a_sign_in_of_before_the_request_is_not_fresh_because_the_link_was_opened_elsewhere_first(
    world: World, asked: dict[str, str]
) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    relying.tokens(browser)
    world.clock.advance(minutes=30)
    begun = browser.get("/oauth/authorize", query_string=relying.parameters(**asked), headers=HTML)
    elsewhere = follow(world.app.test_client(), begun)
    assert elsewhere.request.path == "/sign-in"
    assert follow(browser, begun).request.path == "/sign-in"


def test_max_age_asks_for_a_fresh_sign_in_when_the_last_one_is_older(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    relying.tokens(browser)
    world.clock.advance(seconds=10)
    token = relying.tokens(browser, max_age="10000")
    assert relying.claims(token)["auth_time"] == int(world.clock.now().timestamp()) - 10
    page = relying.leave(browser, max_age="9")
    back = returned(sign_in_again(world, browser, page))
    assert relying.claims(relying.redeem(back["code"]).json)["auth_time"] == int(
        world.clock.now().timestamp()
    )
    world.clock.advance(seconds=10)
    assert returned(relying.leave(browser, max_age="1", prompt="none"))["error"] == "login_required"


def test_a_registered_default_max_age_counts(world: World) -> None:
    relying = Relying.register(world, default_max_age=5)
    browser = world.sign_in()
    relying.tokens(browser)
    world.clock.advance(seconds=6)
    assert relying.leave(browser).request.path == "/sign-in"
    assert "code" in returned(relying.leave(browser, max_age="100"))


def test_an_id_token_hint_must_be_the_one_who_signs_in(world: World) -> None:
    relying = Relying.register(world)
    ingrid, odd = world.sign_in(), world.sign_in("odd")
    hint = relying.tokens(ingrid)["id_token"]
    relying.tokens(odd)
    assert "code" in returned(relying.leave(ingrid, id_token_hint=hint, prompt="none"))
    world.clock.advance(hours=2)  # an old one is still a hint
    assert "code" in returned(relying.leave(ingrid, id_token_hint=hint, prompt="none"))
    world.clock.advance(hours=-2)
    refused = returned(relying.leave(odd, id_token_hint=hint, prompt="none"))
    assert refused["error"] == "login_required"
    page = relying.leave(odd, id_token_hint=hint)
    assert returned(sign_in_again(world, odd, page, "odd"))["error"] == "login_required"


def test_an_id_token_of_another_client_is_no_hint(world: World) -> None:
    relying, other = Relying.register(world), Relying.register(world, name="Another")
    hint = other.tokens(world.sign_in())["id_token"]
    assert error_of(world, relying, id_token_hint=hint)["error"] == "invalid_request"
    access = other.tokens(world.sign_in())["access_token"]
    assert error_of(world, other, id_token_hint=access)["error"] == "invalid_request"


def test_a_login_hint_that_names_somebody_else_leads_to_a_sign_in(world: World) -> None:
    relying = Relying.register(world)
    ingrid, odd = world.sign_in(), world.sign_in("odd")
    sub = relying.claims(relying.tokens(ingrid))["sub"]
    relying.tokens(odd)
    assert "code" in returned(relying.leave(ingrid, login_hint=sub, prompt="none"))
    assert (
        returned(relying.leave(odd, login_hint=sub, prompt="none"))["error"] == "account_selection_required"
    )
    page = relying.leave(odd, login_hint=sub)
    assert "code" in returned(sign_in_again(world, odd, page, "odd")), "a hint does not bind"


def test_acr_values_are_voluntary_and_an_essential_acr_is_not(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    token = relying.tokens(browser, acr_values="phr")
    assert relying.claims(token)["acr"] == f"{ISSUER}/acr/eid"
    met = json.dumps({"id_token": {"acr": {"essential": True, "values": [f"{ISSUER}/acr/eid", "phr"]}}})
    assert "code" in returned(relying.leave(browser, claims=met))
    unmet = json.dumps({"id_token": {"acr": {"essential": True, "value": "phr"}}})
    silent = returned(relying.leave(browser, claims=unmet, prompt="none"))
    assert silent["error"] == "unmet_authentication_requirements"
    page = relying.leave(browser, claims=unmet)
    assert returned(sign_in_again(world, browser, page))["error"] == "unmet_authentication_requirements"


def test_claims_can_be_asked_for_by_name_in_each_place(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    wanted = {"userinfo": {"name": {"essential": True}}, "id_token": {"organisations": None}}
    page = relying.leave(browser, claims=json.dumps(wanted))
    assert "Your name" in page.text
    token = relying.redeem(returned(relying.answer(browser, page, organisations=[OWNER]))["code"]).json
    claims = relying.claims(token)
    assert [one["ID"] for one in claims["organisations"]] == [OWNER]
    assert "name" not in claims
    assert relying.userinfo(token).json == {"sub": claims["sub"], "name": "Ingrid Hauge"}


def test_a_sub_that_is_asked_for_must_be_the_one_who_signs_in(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    sub = relying.claims(relying.tokens(browser))["sub"]
    right = json.dumps({"id_token": {"sub": {"value": sub}}})
    wrong = json.dumps({"id_token": {"sub": {"value": "somebody-else"}}})
    assert "code" in returned(relying.leave(browser, claims=right, prompt="none"))
    assert returned(relying.leave(browser, claims=wrong, prompt="none"))["error"] == "login_required"


def test_only_organisations_that_the_person_ticked_are_told_and_only_their_own(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    form = {"organisations": [OWNER, "0192:310041238"]}
    token = relying.tokens(browser, form, scope="openid organisations")
    assert relying.userinfo(token).json["organisations"] == [
        {
            "authority": "iso6523-actorid-upis",
            "ID": OWNER,
            "name": "Fjellvik Båtbyggeri AS",
            "role": "managing_director",
        }
    ]
    again = relying.tokens(browser, scope="openid organisations")
    assert [one["ID"] for one in relying.userinfo(again).json["organisations"]] == [OWNER], "remembered too"


def test_a_subject_is_pairwise_by_sector_unless_it_is_registered_as_public(world: World) -> None:
    same = [Relying.register(world, name=name) for name in ("One", "Two")]
    other = Relying.register(world, redirect_uri="https://other.example.no/cb")
    sector = Relying.register(
        world,
        redirect_uri="https://third.example.no/cb",
        sector_identifier_uri="https://erp.example.no/uris.json",
    )
    public = [Relying.register(world, subject_type="public", name=name) for name in ("Three", "Four")]
    browser = world.sign_in()
    one, two, three, four, *five = [
        relying.claims(relying.tokens(browser))["sub"] for relying in (*same, other, sector, *public)
    ]
    assert one == two == four
    assert three != one
    assert five[0] == five[1] not in {one, three}
    assert one != same[0].claims(same[0].tokens(world.sign_in("odd")))["sub"]


def test_pkce_is_optional_for_this_profile_and_kept_when_it_is_used(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    with_pkce = {"code_challenge": challenge("v" * 64), "code_challenge_method": "S256"}
    assert relying.redeem(relying.sign_in(browser, **with_pkce), code_verifier="v" * 64).status_code == 200
    for verifier in (None, "w" * 64):
        form = {"code_verifier": verifier} if verifier else {}
        assert relying.redeem(relying.sign_in(browser, **with_pkce), **form).status_code == 400
    downgraded = relying.redeem(relying.sign_in(browser), code_verifier="v" * 64)
    assert downgraded.status_code == 400, "a verifier without a challenge: somebody took the challenge away"


def test_a_code_used_twice_ends_what_it_gave(both_worlds: World) -> None:
    relying = Relying.register(both_worlds)
    code = relying.sign_in(both_worlds.sign_in())
    token = relying.redeem(code).json
    assert relying.userinfo(token).status_code == 200
    assert relying.redeem(code).json["error"] == "invalid_grant"
    assert relying.userinfo(token).status_code == 401


def test_a_code_is_for_its_client_and_redirect_uri_and_lives_a_minute(world: World) -> None:
    relying, other = Relying.register(world), Relying.register(world, POST, name="Another")
    browser = world.sign_in()
    code = relying.sign_in(browser)
    assert other.redeem(code).json["error"] == "invalid_grant"
    assert relying.redeem(code, redirect_uri=HOME + "/x").json["error"] == "invalid_grant"
    world.clock.advance(seconds=60)
    assert relying.redeem(code).json["error"] == "invalid_grant"


def test_client_secret_post_and_basic_each_work_for_who_registered_them(world: World) -> None:
    post = Relying.register(world, POST)
    code = post.sign_in(world.sign_in())
    wrong = Relying(world, post.client_id, post.secret)
    assert wrong.redeem(code).status_code == 401
    assert post.redeem(code).status_code == 200


def test_a_refresh_token_comes_with_offline_access_alone_and_is_used_once(both_worlds: World) -> None:
    world = both_worlds
    relying, other = Relying.register(world), Relying.register(world, name="Another")
    browser = world.sign_in()
    first = relying.tokens(browser, scope="openid profile offline_access")

    def refresh(token: dict[str, Any], by: Relying = relying) -> Any:
        return by.token({"grant_type": "refresh_token", "refresh_token": token["refresh_token"]})

    assert refresh(first, other).json["error"] == "invalid_grant"
    world.clock.advance(minutes=20)
    second = refresh(first).json
    assert second["refresh_token"] != first["refresh_token"]
    before, after = relying.claims(first), relying.claims(second)
    assert after["sub"] == before["sub"]
    assert after["auth_time"] == before["auth_time"]
    assert after["iat"] == before["iat"] + 1200
    assert "nonce" not in after
    assert relying.userinfo(second).json["name"] == "Ingrid Hauge"
    third = refresh(second).json
    assert refresh(first).json["error"] == "invalid_grant", "a token used twice is in two hands"
    assert refresh(third).json["error"] == "invalid_grant", "so all of them end"
    assert relying.userinfo(third).status_code == 401


def test_a_refresh_token_ends_with_what_was_agreed_to_however_often_it_is_renewed(world: World) -> None:
    relying = Relying.register(world)
    token = relying.tokens(world.sign_in(), scope="openid offline_access")
    for _ in range(2):
        world.clock.advance(days=44)
        token = relying.token({"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}).json
        assert "access_token" in token
    world.clock.advance(days=2)
    refused = relying.token({"grant_type": "refresh_token", "refresh_token": token["refresh_token"]})
    assert refused.json["error"] == "invalid_grant"


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "RS256"])
def test_id_tokens_are_signed_as_the_client_registered(world: World, algorithm: str) -> None:
    relying = Relying.register(world, id_token_signed_response_alg=algorithm)
    token = relying.tokens(world.sign_in())
    assert jwt.get_unverified_header(token["id_token"])["alg"] == algorithm
    relying.claims(token)


def test_rs256_is_not_for_fapi_clients(world: World) -> None:
    registration = Registration(
        role=ClientRole.PARTY,
        name="x",
        organisation="0192:310041238",
        jwks={},
        redirect_uris=(REDIRECT,),
        metadata={"id_token_signed_response_alg": "RS256", "jwks_uri": "https://bank.example.no/jwks"},
    )
    with world.app.app_context(), pytest.raises(ServiceError, match="RS256"), writing() as session:
        parties.register(session, registration, world.clock.now())
    assert registration.profile is Profile.FAPI2


def test_somebody_else_s_browser_can_neither_see_nor_answer_a_login(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    page = relying.leave(browser)
    stranger = world.sign_in("odd")
    assert stranger.get(page.request.path, headers=HTML).status_code == 404
    token = csrf(stranger.get("/account"))
    answer = stranger.post(f"{page.request.path}/answer", data={"csrf_token": token, "answer": "approve"})
    assert answer.status_code == 404


def test_who_signs_in_meanwhile_as_somebody_else_answers_for_themselves(world: World) -> None:
    relying = Relying.register(world)
    ingrid = relying.claims(relying.tokens(world.sign_in()))["sub"]
    browser = world.sign_in()
    page = relying.leave(browser, prompt="consent")
    world.sign_in_again(browser, "odd")
    again = browser.get(page.request.path, headers=HTML)
    back = returned(relying.answer(browser, again))
    assert relying.claims(relying.redeem(back["code"]).json)["sub"] != ingrid


def test_an_answer_is_brought_back_once(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    page = relying.leave(browser)
    relying.answer(browser, page)
    again = browser.get(page.request.path.replace("/logins/", "/oauth/authorize/") + "/return", headers=HTML)
    assert again.status_code == 400


def test_an_answer_after_the_hour_of_the_register_s_word_asks_it_before_anything_is_written(
    both_worlds: World,
) -> None:
    world = both_worlds
    relying = Relying.register(world)
    browser = world.sign_in()
    world.clock.advance(minutes=55)
    page = relying.leave(browser, scope="openid organisations")
    world.clock.advance(minutes=10)  # asked while a transaction writes, it would wait for itself
    token = relying.redeem(returned(relying.answer(browser, page, organisations=[OWNER]))["code"]).json
    assert [one["ID"] for one in relying.userinfo(token).json["organisations"]] == [OWNER]


def test_a_refresh_that_asks_for_fewer_scopes_gets_a_token_with_no_more(world: World) -> None:
    """RFC 6749 section 6; the next refresh token has the scopes of the one before."""
    relying = Relying.register(world)
    first = relying.tokens(world.sign_in(), scope="openid profile offline_access")
    assert "name" in relying.userinfo(first).json
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    less = relying.token(form | {"scope": "openid"}).json
    assert less["scope"] == "openid"
    assert set(relying.userinfo(less).json) == {"sub"}
    again = relying.token(form | {"refresh_token": less["refresh_token"]}).json
    assert again["scope"] == first["scope"]
    assert "name" in relying.userinfo(again).json
    more = form | {"refresh_token": again["refresh_token"], "scope": "openid organisations"}
    assert relying.token(more).json["error"] == "invalid_scope"
