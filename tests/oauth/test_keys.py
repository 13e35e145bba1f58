"""Signing keys: announced, signing, retired; RFC 7517 key sets, RFC 7518 algorithms, the ledger's entries."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from typing import Any

import jwt
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session

from consent_service import keys
from consent_service.cli import main
from consent_service.db import db, writing, writing_to
from consent_service.errors import ConfigurationError, ServiceError
from consent_service.keys import rotation
from consent_service.keys.jws import Algorithm, SigningKey, compact, generate
from consent_service.keys.signing import check_opens
from consent_service.keys.store import ANNOUNCED_FOR, SigningKeyRow, State, every
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind
from consent_service.ledger.store import NO_OWNER
from consent_service.upkeep.keeper import Keeper
from tests.world import World, signing_keys

SECRET = "k" * 40
PERIOD = dt.timedelta(days=90)


def published(world: World) -> dict[str, dict[str, Any]]:
    answer = world.app.test_client().get("/oauth/jwks")
    assert answer.status_code == 200
    return {one["kid"]: one for one in answer.json["keys"]}


def signed_with(world: World) -> str:
    return str(jwt.get_unverified_header(world.bearer(world.erp))["kid"])


def kid_of(world: World, algorithm: Algorithm, state: State) -> str | None:
    with world.app.app_context():
        found = [row for row in every(db.session()) if (row.algorithm, row.state) == (algorithm, state)]
        assert len(found) <= 1
        return found[0].kid if found else None


def rotate(world: World, *, at_once: bool = False) -> str:
    with world.app.app_context(), writing() as session:
        fresh = generate(Algorithm.ES256)
        return rotation.rotate(session, SECRET, fresh, world.clock.now(), at_once=at_once).kid


def keeper(world: World, period: dt.timedelta | None = PERIOD) -> Keeper:
    with world.app.app_context():
        return Keeper(db.engine, SECRET, period, world.clock)


def told(world: World) -> list[tuple[str, str]]:
    """What the ledger says of keys for tokens, oldest first."""
    kinds = [Kind.KEY_CREATED, Kind.KEY_ACTIVATED, Kind.KEY_RETIRED, Kind.KEY_WITHDRAWN]
    world.sequence()  # the tree has the order of what happened at one moment
    with world.app.app_context():
        rows = ledger.payloads_of(db.session(), NO_OWNER, kinds, limit=100)
        places = {row.entry_id: row.index for row in db.session.scalars(select(ledger.EntryRow))}
        rows.sort(key=lambda row: places[row.entry_id])
        said = [(row.kind, json.loads(row.body or b"{}")) for row in rows]
    return [(kind, one["kid"]) for kind, one in said if "kid" in one]


def test_every_published_key_names_its_kid_alg_and_use_and_nothing_private(world: World) -> None:
    found = published(world)
    assert {one["alg"] for one in found.values()} == {"ES256", "PS256", "RS256"}
    for kid, one in found.items():
        assert (one["use"], one["kid"]) == ("sig", kid)
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(one)
        assert jwt.PyJWK(one).key is not None


@pytest.mark.parametrize("algorithm", Algorithm)
def test_each_algorithm_signs_with_a_key_of_its_own_that_others_can_verify(
    both_worlds: World, algorithm: Algorithm
) -> None:
    claims = {"iss": "x", "iat": 1, "name": "Åse Øst", "nested": {"a": [1, None, True]}}
    with both_worlds.app.app_context():
        text = keys.signer(db.session(), SECRET).sign(claims, typ="test+jwt", alg=algorithm)
    header = jwt.get_unverified_header(text)
    assert (header["alg"], header["typ"]) == (algorithm.value, "test+jwt")
    jwk = published(both_worlds)[header["kid"]]
    assert jwk["alg"] == algorithm.value
    assert jwt.decode(text, jwt.PyJWK(jwk), algorithms=[algorithm.value]) == claims


def test_rsa_keys_must_have_2048_bits_at_least(world: World) -> None:
    for one in published(world).values():
        if one["kty"] == "RSA":
            assert len(base64.urlsafe_b64decode(one["n"] + "==")) * 8 >= 2048


def test_a_kid_is_the_key_s_thumbprint_as_in_the_example_of_rfc7638() -> None:
    from consent_service.keys.jws import _thumbprint

    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF"
        "V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9"
        "c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1"
        "jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    assert (
        _thumbprint({"e": "AQAB", "kty": "RSA", "n": modulus})
        == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


@given(
    st.dictionaries(st.text(min_size=1), st.text() | st.integers(-(2**53), 2**53) | st.booleans() | st.none())
)
def test_whatever_is_claimed_comes_back_as_it_was(claims: dict[str, Any]) -> None:
    key = signing_keys()[0]
    text = compact(key, "a-kid", "JWT", claims)
    signature = jwt.api_jws.decode_complete(text, jwt.PyJWK(key.public_jwk), algorithms=["ES256"])
    assert json.loads(signature["payload"]) == claims


def test_a_new_key_must_be_published_before_it_signs(both_worlds: World) -> None:
    before, fresh = signed_with(both_worlds), rotate(both_worlds)
    assert {before, fresh} <= set(published(both_worlds))
    both_worlds.clock.advance(seconds=ANNOUNCED_FOR.total_seconds() - 1)
    keeper(both_worlds).keys()
    assert signed_with(both_worlds) == before
    both_worlds.clock.advance(seconds=1)
    keeper(both_worlds).keys()
    assert signed_with(both_worlds) == fresh
    assert {before, fresh} <= set(published(both_worlds))


def test_caches_learn_of_a_key_while_it_is_announced(world: World) -> None:
    answer = world.app.test_client().get("/oauth/jwks")
    assert ANNOUNCED_FOR.total_seconds() >= 2 * answer.cache_control.max_age


def test_an_old_key_stays_published_until_nothing_that_it_signed_can_live(world: World) -> None:
    before = signed_with(world)
    rotate(world, at_once=True)
    world.clock.advance(seconds=keys.PUBLISHED_AFTER.total_seconds() - 1)
    assert before in published(world)
    world.clock.advance(seconds=1)
    assert before not in published(world)
    with world.app.app_context():
        found = keys.find(db.session(), before)  # an old id_token_hint can still be told from a forged one
    assert found is not None
    assert found["kid"] == before


def test_nothing_is_signed_that_would_outlive_its_key(world: World) -> None:
    now = int(world.clock.now().timestamp())
    longest = int(keys.PUBLISHED_AFTER.total_seconds())
    with world.app.app_context():
        signer = keys.signer(db.session(), SECRET)
        assert signer.sign({"iat": now, "exp": now + longest}, typ="JWT")
        with pytest.raises(ValueError):
            signer.sign({"iat": now, "exp": now + longest + 1}, typ="JWT")


def test_a_rotation_counts_at_once_on_every_worker(both_worlds: World) -> None:
    """Another connection rotates, as another worker would; this one has its key open already."""
    before = signed_with(both_worlds)
    engine = create_engine(both_worlds.app.config["SQLALCHEMY_DATABASE_URI"])
    with writing_to(engine) as session:
        fresh = rotation.rotate(
            session, SECRET, generate(Algorithm.ES256), both_worlds.clock.now(), at_once=True
        ).kid
    engine.dispose()
    assert signed_with(both_worlds) == fresh != before


def test_the_private_part_of_a_retired_key_is_gone(both_worlds: World) -> None:
    before = signed_with(both_worlds)
    rotate(both_worlds, at_once=True)
    with both_worlds.app.app_context():
        rows = {row.kid: row.sealed_private_key for row in every(db.session())}
    assert rows[before] is None
    assert sum(sealed is not None for sealed in rows.values()) == 3


def test_private_keys_lie_in_the_database_sealed(world: World) -> None:
    with world.app.app_context():
        for row in every(db.session()):
            assert row.sealed_private_key is not None
            assert row.sealed_private_key.startswith("gAAAA")
            with pytest.raises(ConfigurationError):
                check_opens(db.session(), "another" * 8)


def test_a_key_of_before_is_opened_as_the_jwk_that_it_was() -> None:
    key = generate(Algorithm.ES256)
    numbers = key.private.private_numbers()
    secret = base64.urlsafe_b64encode(numbers.private_value.to_bytes(32, "big")).rstrip(b"=").decode()
    text = json.dumps({**{name: key.public_jwk[name] for name in ("kty", "crv", "x", "y")}, "d": secret})
    assert SigningKey.from_text("ES256", text).public_jwk == key.public_jwk
    assert SigningKey.from_text("ES256", key.to_text()).public_jwk == key.public_jwk


def test_the_ledger_tells_when_a_key_was_created_activated_retired_and_withdrawn(both_worlds: World) -> None:
    first = kid_of(both_worlds, Algorithm.ES256, State.SIGNING)
    second = rotate(both_worlds)
    both_worlds.clock.advance(hours=1)
    keeper(both_worlds).keys()
    with both_worlds.app.app_context(), writing() as session:
        rotation.withdraw(session, str(first), both_worlds.clock.now())
    assert [one for one in told(both_worlds) if one[1] in {first, second}] == [
        ("key.created", first),
        ("key.activated", first),
        ("key.created", second),
        ("key.retired", first),
        ("key.activated", second),
        ("key.withdrawn", first),
    ]


def test_a_withdrawn_key_is_published_no_more_and_one_that_signs_is_not_withdrawn(world: World) -> None:
    first = signed_with(world)
    with world.app.app_context(), writing() as session, pytest.raises(ServiceError) as refused:
        rotation.withdraw(session, first, world.clock.now())
    assert refused.value.code == "key_signs"
    rotate(world, at_once=True)
    with world.app.app_context(), writing() as session:
        rotation.withdraw(session, first, world.clock.now())
    assert first not in published(world)
    with world.app.app_context():
        assert keys.find(db.session(), first) is None
    with world.app.app_context(), writing() as session, pytest.raises(ServiceError):
        rotation.withdraw(session, first, world.clock.now())


def test_keys_rotate_by_schedule_each_when_it_has_signed_so_long(both_worlds: World) -> None:
    first = kid_of(both_worlds, Algorithm.ES256, State.SIGNING)
    both_worlds.clock.advance(days=89)
    keeper(both_worlds).keys()
    assert kid_of(both_worlds, Algorithm.ES256, State.ANNOUNCED) is None
    both_worlds.clock.advance(days=1)
    keeper(both_worlds).keys()
    second = kid_of(both_worlds, Algorithm.ES256, State.ANNOUNCED)
    assert second is not None
    assert signed_with(both_worlds) == first
    keeper(both_worlds).keys()  # again changes nothing
    assert kid_of(both_worlds, Algorithm.ES256, State.ANNOUNCED) == second
    both_worlds.clock.advance(hours=1)
    keeper(both_worlds).keys()
    assert signed_with(both_worlds) == second
    assert kid_of(both_worlds, Algorithm.PS256, State.SIGNING) is not None


def test_keys_that_never_rotate_stay(world: World) -> None:
    first = signed_with(world)
    world.clock.advance(days=4000)
    keeper(world, period=None).keys()
    assert signed_with(world) == first


def test_workers_that_notice_together_make_one_key(both_worlds: World) -> None:
    both_worlds.clock.advance(days=91)
    engine = create_engine(both_worlds.app.config["SQLALCHEMY_DATABASE_URI"])
    start, failed = threading.Barrier(4), []

    def work() -> None:
        start.wait()
        try:
            Keeper(engine, SECRET, PERIOD, both_worlds.clock).keys()
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert failed == []
    for algorithm in Algorithm:
        assert kid_of(both_worlds, algorithm, State.ANNOUNCED) is not None  # and kid_of says that it is one


def test_a_key_that_is_missing_is_made_and_signs_at_once(world: World) -> None:
    with world.app.app_context(), writing() as session:
        session.execute(
            update(SigningKeyRow).where(SigningKeyRow.algorithm == "RS256").values(algorithm="gone")
        )
    with world.app.app_context(), pytest.raises(ConfigurationError):
        keys.signer(db.session(), SECRET).sign({}, typ="JWT", alg=Algorithm.RS256)
    keeper(world, period=None).keys()
    with world.app.app_context():
        assert keys.signer(db.session(), SECRET).sign({}, typ="JWT", alg=Algorithm.RS256)


def test_a_second_rotation_while_one_is_announced_is_the_same_one(world: World) -> None:
    announced = rotate(world)
    assert rotate(world) == announced
    assert rotate(world, at_once=True) == announced == signed_with(world)


def test_a_key_is_opened_once_and_not_at_every_signature(world: World) -> None:
    before = signed_with(world)
    with world.app.app_context(), writing() as session:  # what would have to be opened again can't be
        session.execute(update(SigningKeyRow).values(sealed_private_key="not sealed"))
    assert signed_with(world) == before


def test_keys_are_rotated_listed_and_withdrawn_by_command(database_url: str, tmp_path: Any) -> None:
    home = {
        "CONSENT_ISSUER": "https://consent.example.no",
        "CONSENT_SECRET_KEY": "s" * 40,
        "CONSENT_HOME": str(tmp_path),
        "CONSENT_DATABASE_URL": database_url,
    }

    def run(*arguments: str) -> str:
        done = CliRunner(env=home).invoke(main, ["keys", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert [line.split(":")[0] for line in run("rotate").splitlines()] == ["ES256", "PS256", "RS256"]
    assert all(" signs from " in line for line in run("list").splitlines())
    first = json.loads(run("list", "--json"))
    assert {(one["algorithm"], one["state"]) for one in first} == {(one, "signing") for one in Algorithm}
    assert "is published, and signs from" in run("rotate", "--alg", "ES256")
    assert "signing with" in run("rotate", "--alg", "ES256", "--now")
    [retired] = [one for one in json.loads(run("list", "--json")) if one["state"] == "retired"]
    assert "published no more" in run("withdraw", retired["kid"])
    assert sorted(line.split()[1] for line in run("list").splitlines()) == ["signing"] * 3 + ["withdrawn"]
    engine = create_engine(database_url)
    with Session(engine) as session:
        assert session.scalar(select(SigningKeyRow.withdrawn_at).where(SigningKeyRow.kid == retired["kid"]))
    engine.dispose()
