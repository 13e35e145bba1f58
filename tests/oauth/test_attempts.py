"""Attempts to authenticate are limited, for each client and address, whichever worker counts."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from werkzeug.test import TestResponse

from consent_service.db import writing
from consent_service.registry import limits, parties
from consent_service.registry.limits import Limit, TooMany, TriesRow
from consent_service.registry.model import AuthMethod, ClientRole, Profile
from consent_service.registry.parties import Registration
from consent_service.upkeep.purge import ENDED, take
from tests.world import REDIRECT, World

TOKEN = "/oauth/token"
FORM = {"grant_type": "client_credentials"}
SECRET = "one-that-the-tests-know-and-nobody-else-has"


def fail(world: World, address: str) -> TestResponse:
    bad = world.erp.assertion(key=world.bank.key)
    return world.erp.post(TOKEN, FORM, assertion=bad, environ_overrides={"REMOTE_ADDR": address})


def succeed(world: World, address: str) -> TestResponse:
    return world.erp.post(TOKEN, FORM, environ_overrides={"REMOTE_ADDR": address})


def test_who_fails_too_often_for_a_client_waits_and_others_do_not(both_worlds: World) -> None:
    world = both_worlds
    for _ in range(20):
        assert fail(world, "192.0.2.1").status_code == 401
    refused = succeed(world, "192.0.2.1")
    assert (refused.status_code, refused.json["error"]) == (429, "temporarily_unavailable")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert succeed(world, "192.0.2.2").status_code == 200
    other = world.bank.post(TOKEN, FORM, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert other.status_code == 200
    world.clock.advance(seconds=61)
    assert succeed(world, "192.0.2.1").status_code == 200


def test_an_address_that_tries_many_clients_waits_too(world: World) -> None:
    form = FORM | {"client_id": "x", "client_secret": "y"}
    for number in range(100):
        answer = world.app.test_client().post(TOKEN, data=form | {"client_id": f"x{number}"})
        assert answer.status_code == 401
    assert world.app.test_client().post(TOKEN, data=form).status_code == 429


def test_what_succeeds_is_not_counted(world: World) -> None:
    assert {succeed(world, "192.0.2.1").status_code for _ in range(110)} == {200}


def test_one_subscriber_s_ipv6_addresses_count_together() -> None:
    assert limits.network("2001:db8::1") == limits.network("2001:db8::ffff")
    assert limits.network("2001:db8::1") != limits.network("2001:db8:0:1::1")
    assert limits.network("192.0.2.1") != limits.network("192.0.2.2")
    assert limits.network(None) == limits.network("nonsense")


def test_a_limit_is_for_its_window(both_worlds: World) -> None:
    limit, now = Limit(2, dt.timedelta(minutes=1)), both_worlds.clock.now()
    with both_worlds.app.app_context(), writing() as session:
        for _ in range(2):
            limits.check(session, ["a"], [limit], now)
            limits.count(session, "a", limit, now)
        with pytest.raises(TooMany):
            limits.check(session, ["a"], [limit], now)
        limits.check(session, ["a"], [limit], now + dt.timedelta(minutes=1))
        [ended] = [one for one in ENDED if one.table is TriesRow]
        take(session, ended, now + dt.timedelta(minutes=2), 10)
        limits.check(session, ["a"], [limit], now)


def register(world: World, method: AuthMethod) -> str:
    registration = Registration(
        ClientRole.LOGIN,
        "Shop",
        "0192:310052345",
        {},
        [REDIRECT],
        profile=Profile.OIDC,
        auth_method=method,
        secret=SECRET,
    )
    with world.app.app_context(), writing() as session:
        return parties.register(session, registration, world.clock.now()).client_id


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", SECRET[:-1]])
def test_a_wrong_secret_is_refused_with_a_challenge(world: World, secret: str) -> None:
    client_id = register(world, AuthMethod.CLIENT_SECRET_BASIC)
    answer = world.app.test_client().post(TOKEN, data=FORM, headers=basic(client_id, secret))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_client_authenticates_in_the_way_that_it_is_registered_with(world: World) -> None:
    client_id = register(world, AuthMethod.CLIENT_SECRET_BASIC)
    web = world.app.test_client()
    right = web.post(TOKEN, data=FORM, headers=basic(client_id, SECRET))
    assert right.json["error"] == "unauthorized_client"  # it is known, and has no client credentials grant
    posted = web.post(TOKEN, data=FORM | {"client_id": client_id, "client_secret": SECRET})
    assert posted.json["error"] == "invalid_client"


def test_two_ways_at_once_are_refused(world: World) -> None:
    client_id = register(world, AuthMethod.CLIENT_SECRET_BASIC)
    both = FORM | {"client_id": client_id, "client_secret": SECRET}
    answer = world.app.test_client().post(TOKEN, data=both, headers=basic(client_id, SECRET))
    assert answer.json["error"] == "invalid_client"


def test_a_secret_is_not_stored(world: World) -> None:
    register(world, AuthMethod.CLIENT_SECRET_POST)
    with world.app.app_context(), writing() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        dumped = "\n".join(connection.iterdump())
    assert SECRET not in dumped
