"""Token status lists at the data holder (draft-ietf-oauth-status-list section 8.3): fail closed, cheap, offline."""

from __future__ import annotations

import base64
import datetime as dt
import zlib
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from consent_service.verifier.errors import Refused, ServiceFailed
from consent_service.verifier.service import Service
from consent_service.verifier.status import LARGEST, StatusList, StatusLists, TokenStatus
from consent_service.verifier.token import AccessToken, verify_token
from tests.world import ISSUER as WORLD_ISSUER
from tests.world import RESOURCE, World

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
ISSUER = "https://consent.example.no"
URI = f"{ISSUER}/oauth/status-lists/7"
SIGNING, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(data)).rstrip(b"=").decode()


def signed(key: Any = SIGNING, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A list of two bits in which index 1 is invalid, 2 suspended and 3 of a kind that we don't know."""
    at = int(NOW.timestamp())
    claims = {
        "iss": ISSUER,
        "sub": URI,
        "iat": at,
        "exp": at + 60,
        "ttl": 15,
        "status_list": {"bits": 2, "lst": packed(bytes([0b11_10_01_00, 0]))},
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, "ES256", {"typ": "statuslist+jwt", "kid": "k"} | (header or {}))


class Peer:
    """The service, as far as lists need it; ``answer`` is what it says, or None where it is away."""

    def __init__(self, answer: str | None) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("oauth-authorization-server"):
            return httpx2.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"})
        if request.url.path == "/jwks":
            public = ECAlgorithm.to_jwk(SIGNING.public_key(), as_dict=True)
            return httpx2.Response(200, json={"keys": [{**public, "kid": "k", "use": "sig", "alg": "ES256"}]})
        assert str(request.url) == URI
        assert request.headers["Accept"] == "application/statuslist+jwt"
        self.asked += 1
        return httpx2.Response(503) if self.answer is None else httpx2.Response(200, text=self.answer)


def lists(answer: str | None) -> tuple[StatusLists, Peer]:
    peer = Peer(answer)
    return StatusLists(Service(ISSUER, httpx2.Client(transport=httpx2.MockTransport(peer)))), peer


def token(index: int = 0, uri: str = URI) -> AccessToken:
    return AccessToken("bank", "0192:310028142", "g1", "t1", "thumb", None, {}, (uri, index))


def later(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, TokenStatus.VALID), (1, TokenStatus.INVALID), (2, TokenStatus.SUSPENDED), (3, TokenStatus.INVALID)],
)
def test_the_value_at_the_index_is_what_counts_and_an_unknown_one_is_invalid(
    index: int, expected: TokenStatus
) -> None:
    assert lists(signed())[0].check(token(index), NOW) is expected


@given(st.sampled_from([1, 2, 4, 8]), st.binary(min_size=1, max_size=64), st.data())
def test_bits_are_counted_from_the_lowest(bits: int, data: bytes, drawn: Any) -> None:
    index = drawn.draw(st.integers(0, len(data) * 8 // bits - 1))
    text = "".join(f"{byte:08b}"[::-1] for byte in data)[index * bits : (index + 1) * bits]
    assert StatusList(data, bits, 0, 0).value(index) == int(text[::-1], 2)


def test_an_index_out_of_bounds_must_be_refused() -> None:
    with pytest.raises(Refused):
        lists(signed())[0].check(token(8), NOW)


WRONG: dict[str, Callable[[], str]] = {
    "another key": lambda: signed(OTHER),
    "another type": lambda: signed(header={"typ": "JWT"}),
    "no type": lambda: signed(header={"typ": None}),
    "an unknown key": lambda: signed(header={"kid": "x"}),
    "another list": lambda: signed(sub=f"{ISSUER}/oauth/status-lists/8"),
    "no sub": lambda: signed(sub=None),
    "no iat": lambda: signed(iat=None),
    "no exp": lambda: signed(exp=None),
    "no status_list": lambda: signed(status_list=None),
    "expired": lambda: signed(exp=int(NOW.timestamp())),
    "from the future": lambda: signed(iat=int(NOW.timestamp()) + 11),
    "times that are texts": lambda: signed(ttl="15"),
    "a time that is a truth": lambda: signed(exp=True),
    "three bits": lambda: signed(status_list={"bits": 3, "lst": packed(b"\0")}),
    "bits that are a truth": lambda: signed(status_list={"bits": True, "lst": packed(b"\0")}),
    "bits that are a list": lambda: signed(status_list={"bits": [], "lst": packed(b"\0")}),
    "no lst": lambda: signed(status_list={"bits": 2}),
    "a status_list that is none": lambda: signed(status_list=[]),
    "not compressed": lambda: signed(status_list={"bits": 2, "lst": "AAAA"}),
    "not base64": lambda: signed(status_list={"bits": 2, "lst": "Å"}),
    "cut short": lambda: signed(status_list={"bits": 2, "lst": packed(bytes(1000))[:-8]}),
    "a bomb": lambda: signed(status_list={"bits": 2, "lst": packed(bytes(LARGEST + 1))}),
    "nonsense": lambda: "nonsense",
    "nothing": str,
    "no signature": lambda: signed().rpartition(".")[0] + ".",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_of_a_list_with_a_fault_nothing_may_be_concluded(wrong: str) -> None:
    checked, _peer = lists(WRONG[wrong]())
    with pytest.raises(ServiceFailed):
        checked.check(token(), NOW)


def test_a_list_is_fetched_once_and_again_after_its_ttl() -> None:
    checked, peer = lists(signed())
    for seconds in (0, 5, 14.9):
        checked.check(token(), later(seconds))
    assert peer.asked == 1
    checked.check(token(), later(15))
    assert peer.asked == 2


def test_the_ttl_counts_from_when_the_list_was_made_so_that_no_cache_makes_us_late() -> None:
    checked, peer = lists(signed())
    checked.check(token(), later(10))
    checked.check(token(), later(15.1))
    assert peer.asked == 2


def test_a_revocation_is_seen_within_the_ttl() -> None:
    checked, peer = lists(signed())
    assert checked.check(token(), NOW) is TokenStatus.VALID
    at = int(NOW.timestamp()) + 1
    peer.answer = signed(iat=at, exp=at + 60, status_list={"bits": 2, "lst": packed(bytes([1, 0]))})
    assert checked.check(token(), later(15)) is TokenStatus.INVALID


def test_while_the_service_is_away_the_last_list_counts_until_its_end_and_no_longer() -> None:
    checked, peer = lists(signed())
    checked.check(token(1), NOW)
    peer.answer = None
    assert checked.check(token(1), later(59.9)) is TokenStatus.INVALID
    with pytest.raises(ServiceFailed):
        checked.check(token(1), later(60))


def test_a_service_that_is_away_is_not_asked_at_every_request() -> None:
    checked, peer = lists(signed())
    checked.check(token(), NOW)
    peer.answer = None
    for tenth in range(20):
        checked.check(token(), later(20 + tenth / 10))
    assert peer.asked == 2


def test_a_list_of_another_service_is_never_fetched() -> None:
    checked, peer = lists(signed())
    for uri in ("https://evil.example/7", f"{ISSUER}.evil.example/7", "http://consent.example.no/7"):
        with pytest.raises(Refused):
            checked.check(token(uri=uri), NOW)
    assert peer.asked == 0


def test_lists_that_have_ended_are_forgotten() -> None:
    checked, peer = lists(signed())
    checked.check(token(), NOW)
    at = int(NOW.timestamp()) + 1000
    peer.answer = signed(iat=at, exp=at + 60)
    checked.check(token(), later(1000))
    assert list(checked._lists) == [URI]
    assert checked._lists[URI].expires == at + 60


def test_refuse_lets_pass_what_holds_and_what_nothing_is_known_of() -> None:
    checked, peer = lists(signed())
    checked.refuse(token(0), NOW)
    checked.refuse(AccessToken("bank", "o", "g1", "t1", "thumb", None, {}), NOW)
    for index, word in ((1, "revoked"), (2, "suspended")):
        with pytest.raises(Refused, match=word):
            checked.refuse(token(index), NOW)
    peer.answer = None
    lists(None)[0].refuse(token(1), NOW)  # the decision, which is asked for next, fails closed


def test_a_token_of_the_real_service_is_checked_against_its_real_list(world: World) -> None:
    """The library and the service, over the application's own routes."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        path = str(request.url).removeprefix(WORLD_ISSUER)
        got = world.app.test_client().get(path, headers={"Accept": request.headers["Accept"]})
        return httpx2.Response(got.status_code, content=got.data)

    service = Service(WORLD_ISSUER, httpx2.Client(transport=httpx2.MockTransport(answer)))
    checked, browser = StatusLists(service), world.sign_in()
    given_token = world.grant(browser=browser)
    found = verify_token(given_token["access_token"], service, RESOURCE, world.clock.now())
    assert checked.check(found, world.clock.now()) is TokenStatus.VALID
    world.revoke(browser, given_token["grant_id"])
    world.clock.advance(seconds=15)
    assert checked.check(found, world.clock.now()) is TokenStatus.INVALID
