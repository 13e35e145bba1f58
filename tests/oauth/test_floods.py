"""Requests are limited for each client and each address, whichever worker they reach."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from consent_service.config import ConfigurationError, from_environ
from consent_service.db import db, reading, writing
from consent_service.registry.floods import PARTS, WINDOW, Floods
from consent_service.registry.limits import Limit, TooMany, TriesRow
from consent_service.registry.tokens import digest
from consent_service.web.current import provide
from tests.oauth.relying import Relying
from tests.world import World

TOKEN = "/oauth/token"
FORM = {"grant_type": "client_credentials"}
HERE, THERE = {"REMOTE_ADDR": "192.0.2.1"}, {"REMOTE_ADDR": "192.0.2.2"}


def worker(world: World, a_client: int = 0, an_address: int = 0) -> None:
    """From here on another worker answers, with these limits."""
    provide(world.app, Floods(Limit(a_client, WINDOW), Limit(an_address, WINDOW)))


def token(world: World, place: dict[str, str] | None = None) -> TestResponse:
    return world.erp.post(TOKEN, FORM, environ_overrides=place or HERE)


def is_refused(answer: TestResponse) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.json["error"] == "temporarily_unavailable"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    return True


def test_a_client_that_floods_waits_at_every_worker_and_others_do_not(both_worlds: World) -> None:
    world = both_worlds
    worker(world, a_client=5)
    for number in range(5):
        assert token(world, {"REMOTE_ADDR": f"192.0.2.{number}"}).status_code == 200
    assert is_refused(token(world))
    worker(world, a_client=5)
    assert is_refused(token(world)), "another worker asks the table that all share"
    assert world.bank.post(TOKEN, FORM, environ_overrides=HERE).status_code == 200
    world.clock.advance(seconds=61)
    assert token(world).status_code == 200


def test_an_address_that_floods_waits_at_every_worker_and_others_do_not(both_worlds: World) -> None:
    world = both_worlds
    worker(world, an_address=5)
    for _ in range(5):
        assert world.app.test_client().post("/oauth/par", environ_overrides=HERE).status_code == 400
    worker(world, an_address=5)
    assert is_refused(token(world))
    assert token(world, THERE).status_code == 200
    world.clock.advance(seconds=61)
    assert token(world).status_code == 200


ENDPOINTS = [
    ("POST", "/oauth/par"),
    ("POST", "/oauth/token"),
    ("POST", "/oauth/revoke"),
    ("POST", "/oauth/backchannel"),
    ("POST", "/oauth/register"),
    ("GET", "/oauth/register/x"),
    ("GET", "/oauth/userinfo"),
    ("GET", "/oauth/grants/x"),
    ("GET", "/oauth/jwks"),
    ("GET", "/.well-known/openid-configuration"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_endpoint_answers_a_flood_by_429_with_retry_after(world: World, method: str, path: str) -> None:
    worker(world, an_address=1)
    web = world.app.test_client()
    assert web.open(path, method=method).status_code != 429
    assert is_refused(web.open(path, method=method))


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/logout", "/sign-in", "/", "/ssf/stream"])
def test_a_person_is_told_so_on_a_page_and_a_program_by_a_problem(world: World, path: str) -> None:
    worker(world, an_address=1)
    web = world.app.test_client()
    html = {"Accept": "text/html"}
    assert web.get(path, headers=html).status_code != 429
    page = web.get(path, headers=html)
    assert page.status_code == 429
    assert 0 < int(page.headers["Retry-After"]) <= 60
    assert page.mimetype == ("application/problem+json" if path.startswith("/ssf") else "text/html")


def test_whoever_shows_a_client_s_token_counts_for_that_client(both_worlds: World) -> None:
    world = both_worlds
    relying = Relying.register(world)
    shown = relying.tokens(world.sign_in())
    worker(world, a_client=2)
    answers = [relying.userinfo(shown).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    headers = {"Authorization": f"Bearer {shown['access_token']}"}
    assert is_refused(world.app.test_client().get("/oauth/grants/x", headers=headers))
    assert world.app.test_client().get("/ssf/stream", headers=headers).status_code == 429


def test_decisions_and_introspection_are_not_counted(world: World) -> None:
    granted, bearer = world.grant(), world.bearer(world.erp)
    worker(world, a_client=1, an_address=1)
    for _ in range(3):
        question = world.question(granted, world.erp)
        assert world.ask(world.erp, question, bearer=bearer).json["decision"] is True
        asked = world.erp.post("/oauth/introspect", {"token": granted["access_token"]})
        assert asked.json["active"] is True


def test_a_limit_holds_exactly_however_many_ask_at_once(both_worlds: World) -> None:
    world, limit = both_worlds, Limit(20, WINDOW)
    workers, passed = [Floods(limit, limit) for _ in range(2)], []

    def ask(floods: Floods) -> None:
        with world.app.app_context():
            for _ in range(8):
                try:
                    floods.take("flood", limit, world.clock.now(), writing)
                except TooMany:
                    continue
                passed.append(1)

    threads = [threading.Thread(target=ask, args=(one,)) for one in workers * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20, "of 32; a limit this small is told to the table at each request"


def test_the_table_is_asked_at_each_fiftieth_only_and_never_by_who_is_over(world: World) -> None:
    limit, now = Limit(1000, WINDOW), world.clock.now()
    floods, asked = Floods(limit, limit), []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement != "BEGIN IMMEDIATE":
            asked.append(statement)

    with world.app.app_context():
        event.listen(db.engine, "before_cursor_execute", hear)
        for _ in range(1000):
            floods.take("flood", limit, now, writing)
        assert len(asked) == PARTS
        for _ in range(100):
            with pytest.raises(TooMany):
                floods.take("flood", limit, now, writing)
        assert len(asked) == PARTS
        event.remove(db.engine, "before_cursor_execute", hear)
        assert [row.count for row in reading().scalars(select(TriesRow))] == [1000]


def test_an_address_lies_in_the_table_as_a_hash_alone(world: World) -> None:
    worker(world, an_address=5)
    token(world)
    with world.app.app_context():
        [row] = reading().scalars(select(TriesRow)).all()
    assert row.name_hash == digest("flood 192.0.2.1")


def test_a_worker_forgets_windows_that_are_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consent_service.registry.floods.MOST_NAMES", 3)
    limit, now = Limit(1000, WINDOW), world.clock.now()
    floods = Floods(limit, limit)
    with world.app.app_context():
        for number in range(3):
            floods.take(str(number), limit, now, writing)
        floods.take("later", limit, now + dt.timedelta(minutes=1), writing)
        assert len(floods._counts) == 1
        for number in range(9):
            floods.take(str(number), limit, now + dt.timedelta(minutes=1), writing)
        assert len(floods._counts) <= 3


def test_the_limits_are_settings_and_0_is_none(world: World) -> None:
    environ = {"CONSENT_ISSUER": "https://c.example", "CONSENT_SECRET_KEY": "k" * 40}
    usual = from_environ(environ)
    assert (usual.limit_client, usual.limit_address) == (6000, 12000)
    none = {"CONSENT_LIMIT_CLIENT": "0", "CONSENT_LIMIT_ADDRESS": "0"}
    provide(world.app, Floods.of(from_environ(environ | none)))
    assert {token(world).status_code for _ in range(5)} == {200}
    with pytest.raises(ConfigurationError, match="CONSENT_LIMIT_CLIENT"):
        from_environ(environ | {"CONSENT_LIMIT_CLIENT": "many"})
