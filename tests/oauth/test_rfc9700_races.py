"""RFC 9700 and RFC 6749 section 4.1.2, where two come at the very same moment: on PostgreSQL they really do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from consent_service.db import db
from consent_service.oauth.client import EXCHANGE
from consent_service.oauth.token_exchange_grant import ACCESS_TOKEN
from tests import postgresql
from tests.oauth.grants import SECOND, introspect, second_holder
from tests.oauth.relying import Relying
from tests.world import RESOURCE, World

USES_UP = ('UPDATE "authorization" SET code_used_at', "SELECT pg_advisory_xact_lock(")
GIVES = "INSERT INTO token "
AT_MOST = 10  # seconds that one waits for the other


@pytest.fixture
def world(
    postgresql_server: str, postgresql_template: str, country: str, clock: Any, tmp_path: Path
) -> Iterator[World]:
    made = postgresql.database(postgresql_server, postgresql_template)
    with made as url, World.make(url, country, clock, tmp_path) as on_postgresql:
        yield on_postgresql


@contextmanager
def before_each(world: World, call: Callable[[str], None]) -> Iterator[None]:
    """Call with each statement before the driver gets it: some of them never pass through SQLAlchemy."""

    class Heard(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            call(str(query))
            return super().execute(query, *arguments, **options)

        def executemany(self, query: Any, *arguments: Any, **options: Any) -> None:
            call(str(query))
            super().executemany(query, *arguments, **options)

    def checked_out(connection: Any, *_arguments: Any) -> None:
        connection.cursor_factory = Heard
        heard.append(connection)

    heard: list[Any] = []
    with world.app.app_context():
        db.session.remove()
        engine: Engine = db.engine
    event.listen(engine, "checkout", checked_out)
    try:
        yield
    finally:
        event.remove(engine, "checkout", checked_out)
        for connection in heard:
            connection.cursor_factory = psycopg.Cursor


def at_once(world: World, call: Callable[[], TestResponse]) -> list[TestResponse]:
    """Two calls that have both read what they use up before either does so."""
    both, answers = threading.Barrier(2, timeout=AT_MOST), list[TestResponse]()
    waited = threading.local()

    def meet(statement: str) -> None:
        if statement.startswith(USES_UP) and not getattr(waited, "once", False):
            waited.once = True
            both.wait()

    threads = [threading.Thread(target=lambda: answers.append(call())) for _ in range(2)]
    with before_each(world, meet):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    return sorted(answers, key=lambda answer: answer.status_code)


def test_a_code_that_two_redeem_at_once_gives_tokens_to_one_and_they_are_revoked(world: World) -> None:
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    first, second = at_once(world, lambda: world.bank.redeem(code))
    assert second.json["error"] == "invalid_grant"
    for name in ("access_token", "refresh_token"):
        assert introspect(world.bank, first.json[name]) == {"active": False}


def test_a_refresh_token_that_two_use_at_once_ends_all_that_came_with_it(world: World) -> None:
    relying = Relying.register(world)
    token = relying.tokens(world.sign_in(), scope="openid offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    first, second = at_once(world, lambda: relying.token(form))
    assert second.json["error"] == "invalid_grant"
    assert relying.userinfo(first.json).status_code == 401
    again = form | {"refresh_token": first.json["refresh_token"]}
    assert relying.token(again).json["error"] == "invalid_grant"


def revoked_meanwhile(world: World, give: Callable[[], TestResponse], token: str) -> TestResponse:
    """The answer to a call that was about to give a token when another one was revoked."""
    revoking = threading.Thread(target=lambda: world.bank.post("/oauth/revoke", {"token": token}))
    me = threading.get_ident()

    def pause(statement: str) -> None:
        if statement.startswith(GIVES) and threading.get_ident() == me and not revoking.ident:
            revoking.start()
            revoking.join(2)  # it is through by now, or waits for us

    with before_each(world, pause):
        answer = give()
    revoking.join()
    return answer


def test_what_a_refresh_gives_while_its_token_is_revoked_is_revoked_too(world: World) -> None:
    first = world.grant()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    again = revoked_meanwhile(
        world, lambda: world.bank.post("/oauth/token", form, dpop=True), first["refresh_token"]
    )
    assert again.status_code == 200, again.text
    assert introspect(world.bank, again.json["access_token"]) == {"active": False}


def test_what_an_exchange_gives_while_the_subject_token_is_revoked_is_revoked_too(world: World) -> None:
    second = second_holder(world)
    subject = world.grant(world.details(locations=[RESOURCE, SECOND]))["access_token"]
    form = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN}
    asked = form | {"resource": SECOND}
    theirs = revoked_meanwhile(world, lambda: world.erp.post("/oauth/token", asked, dpop=True), subject)
    assert theirs.status_code == 200, theirs.text
    assert introspect(second, theirs.json["access_token"]) == {"active": False}
