"""OpenID Connect RP-Initiated Logout 1.0."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.oauth.relying import HTML, LEFT, Relying, follow
from tests.world import World, csrf


def ask(browser: FlaskClient, *, post: bool = False, **asked: Any) -> TestResponse:
    asked = {name: value for name, value in asked.items() if value is not None}
    if post:
        return follow(browser, browser.post("/oauth/logout", data=asked, headers=HTML))
    return follow(browser, browser.get("/oauth/logout", query_string=asked, headers=HTML))


def sign_out(browser: FlaskClient, page: TestResponse) -> TestResponse:
    assert page.status_code == 200, page.text
    assert page.text.count('id="sign-out"') == 1

    found = re.search(r'name="asked" value="([^"]*)"', page.text)
    assert found
    return browser.post("/sign-out", data={"csrf_token": csrf(page), "asked": found.group(1)}, headers=HTML)


def is_signed_in(browser: FlaskClient) -> bool:
    return browser.get("/account", headers=HTML).status_code == 200


@pytest.mark.parametrize("post", [False, True])
def test_the_person_is_asked_signed_out_and_brought_back_with_state(both_worlds: World, post: bool) -> None:
    relying = Relying.register(both_worlds)
    browser = both_worlds.sign_in()
    hint = relying.tokens(browser)["id_token"]
    page = ask(browser, post=post, id_token_hint=hint, post_logout_redirect_uri=LEFT, state="the state")
    assert "Skyregn" in page.text
    assert "What you granted stays as it is" in page.text
    assert LEFT.rpartition("/")[0] in page.headers["Content-Security-Policy"]
    assert is_signed_in(browser), "nothing ends before the person says so"
    out = sign_out(browser, page)
    assert out.status_code == 303
    assert out.location.partition("?")[0] == LEFT
    assert parse_qs(urlsplit(out.location).query) == {"state": ["the state"]}
    assert not is_signed_in(browser)


def test_without_state_none_comes_back(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    hint = relying.tokens(browser)["id_token"]
    page = ask(browser, id_token_hint=hint, post_logout_redirect_uri=LEFT, client_id=relying.client_id)
    assert sign_out(browser, page).location == LEFT


def test_an_id_token_past_its_end_is_a_hint_still(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    hint = relying.tokens(browser)["id_token"]
    world.clock.advance(hours=3)
    page = ask(browser, id_token_hint=hint, post_logout_redirect_uri=LEFT)
    assert sign_out(browser, page).location == LEFT


@pytest.mark.parametrize("asked", [{}, {"state": "alone"}, {"logout_hint": "x", "ui_locales": "x en"}])
def test_with_nothing_to_go_back_to_the_person_is_asked_and_stays_here(
    world: World, asked: dict[str, str]
) -> None:
    browser = world.sign_in()
    out = sign_out(browser, ask(browser, **asked))
    assert urlsplit(out.location).path == "/sign-in"
    assert "You are signed out" in follow(browser, out).text


def test_a_hint_alone_ends_the_session_and_goes_nowhere(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    hint = relying.tokens(browser)["id_token"]
    assert urlsplit(sign_out(browser, ask(browser, id_token_hint=hint)).location).path == "/sign-in"


def test_without_an_id_token_nobody_is_brought_back(world: World) -> None:
    relying = Relying.register(world)
    browser = world.sign_in()
    relying.tokens(browser)
    page = ask(browser, client_id=relying.client_id, post_logout_redirect_uri=LEFT, state="s")
    assert urlsplit(sign_out(browser, page).location).path == "/sign-in"


def test_whether_there_is_a_client_is_not_said_and_nobody_else_can_ask_in_its_name(world: World) -> None:
    relying = Relying.register(world, name="Skyregn Payroll")
    browser = world.sign_in()
    pages = [ask(browser, client_id=name) for name in (relying.client_id, "nobody", "no\x00body")]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert not any("asks" in page.text or "Skyregn" in page.text for page in pages)


def unsigned(token: str) -> str:
    header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    return f"{header}.{token.split('.')[1]}."


def tampered(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'A' * 10}{signature[10:]}"


def test_what_is_wrong_is_a_page_and_never_a_redirect(world: World) -> None:
    relying, other = Relying.register(world), Relying.register(world, name="Another")
    browser = world.sign_in()
    hint = relying.tokens(browser)["id_token"]
    wrong: list[dict[str, Any]] = [
        {"id_token_hint": hint, "post_logout_redirect_uri": LEFT + "/x"},
        {"id_token_hint": hint, "post_logout_redirect_uri": LEFT + "?foo=bar"},
        {"id_token_hint": hint, "post_logout_redirect_uri": "https://evil.example/"},
        {"post_logout_redirect_uri": LEFT},
        {"id_token_hint": unsigned(hint), "post_logout_redirect_uri": LEFT},
        {"id_token_hint": tampered(hint), "post_logout_redirect_uri": LEFT},
        {"id_token_hint": "nonsense", "post_logout_redirect_uri": LEFT},
        {"id_token_hint": json.dumps({}), "post_logout_redirect_uri": LEFT},
        {"id_token_hint": hint, "client_id": other.client_id, "post_logout_redirect_uri": LEFT},
        {"client_id": "nobody", "post_logout_redirect_uri": LEFT},
        {"id_token_hint": hint, "post_logout_redirect_uri": [LEFT, "https://evil.example/"]},
    ]
    for asked in wrong:
        page = browser.get("/oauth/logout", query_string=asked, headers=HTML)
        assert (page.status_code, page.location) == (400, None), asked
        assert "You are still signed in" in page.text
    assert is_signed_in(browser)


def test_where_to_go_back_to_cannot_be_written_by_somebody_else(world: World) -> None:
    browser = world.sign_in()
    answer = browser.get("/sign-out?asked=eyJ0byI6Imh0dHBzOi8vZXZpbC5leGFtcGxlIn0.x.y", headers=HTML)
    assert answer.status_code == 400
    token = csrf(browser.get("/account"))
    sent = browser.post("/sign-out", data={"csrf_token": token, "asked": "eyJ0byI6IngifQ.x.y"}, headers=HTML)
    assert sent.status_code == 400
    assert is_signed_in(browser)


def test_who_is_signed_out_already_is_brought_back_at_once(world: World) -> None:
    relying = Relying.register(world)
    hint = relying.tokens(world.sign_in())["id_token"]
    answer = ask(world.app.test_client(), id_token_hint=hint, post_logout_redirect_uri=LEFT, state="s")
    assert answer.location == f"{LEFT}?state=s"


def test_a_hint_of_another_session_is_said_on_the_page(world: World) -> None:
    relying = Relying.register(world)
    hint = relying.tokens(world.sign_in())["id_token"]
    here = world.sign_in()
    assert "in another session" in ask(here, id_token_hint=hint).text


def test_grants_stay_when_the_session_ends(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    sign_out(browser, ask(browser))
    assert world.decide(token)["decision"] is True
