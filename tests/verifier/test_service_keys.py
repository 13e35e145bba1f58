"""The service's published keys at a data holder: looked at again, kept through an outage, held up by nobody."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from consent_service.verifier import service as module
from consent_service.verifier.errors import Refused, ServiceFailed
from consent_service.verifier.service import KEYS_FRESH, KEYS_KEPT, REFETCH_AFTER, Service

ISSUER = "https://consent.example.no"
PUBLIC = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


@dataclass
class Published:
    """A service whose keys can be had, or not, or only slowly."""

    kids: list[str] = field(default_factory=lambda: ["one"])
    down: bool = False
    asked: int = 0
    answers: threading.Event = field(default_factory=threading.Event)
    moment: float = 1_000_000.0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.startswith("/.well-known/"):
            return httpx2.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"})
        self.asked += 1
        self.answers.wait(10)
        keys = [{**PUBLIC, "kid": kid, "use": "sig", "alg": "ES256"} for kid in self.kids]
        return httpx2.Response(503) if self.down else httpx2.Response(200, json={"keys": keys})


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    made = Published()
    made.answers.set()
    monkeypatch.setattr(module.time, "monotonic", lambda: made.moment)
    return made


@pytest.fixture
def service(published: Published) -> Service:
    return Service(ISSUER, httpx2.Client(transport=httpx2.MockTransport(published)))


def test_a_made_up_key_id_is_looked_for_not_often_and_holds_up_no_other_token(
    service: Service, published: Published
) -> None:
    assert isinstance(service.key("one"), jwt.PyJWK)
    published.moment += REFETCH_AFTER
    published.answers.clear()
    refused: list[Exception] = []

    def made_up() -> None:
        try:
            service.key("made up")
        except Refused as error:
            refused.append(error)

    looking = threading.Thread(target=made_up)
    looking.start()
    while published.asked < 2:
        pass
    found: list[object] = []
    other = threading.Thread(target=lambda: found.append(service.key("one")))
    other.start()
    other.join(2)
    held_up = other.is_alive()
    published.answers.set()
    looking.join()
    other.join()
    assert not held_up
    assert (len(found), len(refused), published.asked) == (1, 1, 2)
    with pytest.raises(Refused):
        service.key("made up")
    assert published.asked == 2


def test_a_key_that_was_withdrawn_counts_for_ten_minutes_at_most(
    service: Service, published: Published
) -> None:
    service.key("one")
    published.kids = ["two"]
    published.moment += KEYS_FRESH
    with pytest.raises(Refused):
        service.key("one")


def test_keys_count_through_an_outage_for_an_hour_whatever_is_asked_meanwhile(
    service: Service, published: Published
) -> None:
    service.key("one")
    published.down = True
    waited = 0.0
    while waited + REFETCH_AFTER < KEYS_KEPT:
        waited += REFETCH_AFTER
        published.moment += REFETCH_AFTER
        with pytest.raises(ServiceFailed):
            service.key("made up")
        service.key("one")
    published.moment += REFETCH_AFTER
    with pytest.raises(ServiceFailed):
        service.key("made up")
    with pytest.raises(ServiceFailed):
        service.key("one")
