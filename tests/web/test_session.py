"""Browser sessions: what has ended stays ended, whatever was under way."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from consent_service.web.session import COOKIE
from tests.world import World, csrf

HTML = {"Accept": "text/html"}


class Slow(io.RawIOBase):
    """A body that arrives only after something else has happened."""

    def __init__(self, body: bytes, first: Callable[[], object]) -> None:
        self._body, self._first = io.BytesIO(body), [first]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._first:
            self._first.pop()()
        return self._body.readinto(buffer)


def with_key(world: World, key: str) -> FlaskClient:
    browser = world.app.test_client()
    browser.set_cookie(COOKIE, key, secure=True)
    return browser


def test_a_request_that_was_under_way_does_not_bring_an_ended_session_back(both_worlds: World) -> None:
    """Whoever copied a session's key could keep a request open, and have the session after its end."""
    browser = both_worlds.sign_in()
    token = csrf(browser.get("/account", headers=HTML))
    cookie = browser.get_cookie(COOKIE)
    assert cookie
    ended = []

    def sign_out() -> None:
        ended.append(browser.post("/sign-out", data={"csrf_token": token}).status_code)

    form = f"csrf_token={token}&next=/".encode()
    sent = {
        "wsgi.input": io.BufferedReader(Slow(form, sign_out)),
        "CONTENT_LENGTH": str(len(form)),
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }
    late = with_key(both_worlds, cookie.value).post("/sign-in/eid", environ_overrides=sent)
    assert (late.status_code, ended) == (303, [303])
    again = with_key(both_worlds, cookie.value).get("/account", headers=HTML)
    assert (again.status_code, again.location) == (303, "/sign-in?next=/account")


def test_the_key_of_before_a_sign_in_is_nobody_s(world: World) -> None:
    browser = world.app.test_client()
    browser.get("/sign-in", headers=HTML)
    planted = browser.get_cookie(COOKIE)
    assert planted
    world.sign_in_again(browser)
    assert browser.get("/account", headers=HTML).status_code == 200
    assert with_key(world, planted.value).get("/account", headers=HTML).status_code == 303


def test_where_to_go_after_a_sign_in_is_a_path_of_this_site_of_bounded_length(world: World) -> None:
    for target in ("//evil.example", "/\\evil.example", "https://evil.example", "/" + "x" * 2000):
        page = world.app.test_client().get("/sign-in", query_string={"next": target}, headers=HTML)
        assert 'name="next" value="/"' in page.text, target
