"""A receiver: a client with a token for signals, its stream, and what arrives there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from consent_service.config import Settings
from consent_service.courier import Courier
from consent_service.db import writing
from consent_service.registry import acquaintances
from consent_service.registry.occurrences import Happening, happened
from consent_service.signals.model import Method
from consent_service.signals.teller import Teller
from consent_service.web.current import current
from tests.outgoing.conftest import Peer as Server
from tests.outgoing.conftest import answer, serve
from tests.world import ISSUER, Peer, World

SSF, CAEP = (
    "https://schemas.openid.net/secevent/ssf/event-type/",
    "https://schemas.openid.net/secevent/caep/event-type/",
)
VERIFICATION, UPDATED = SSF + "verification", SSF + "stream-updated"
REVOKED, CREDENTIAL, CLAIMS = (
    CAEP + "session-revoked",
    CAEP + "credential-change",
    CAEP + "token-claims-change",
)
ALL = [REVOKED, CREDENTIAL, CLAIMS]
PUSH, POLL = Method.PUSH.value, Method.POLL.value


@dataclass
class Receiver:
    """A client that receives signals."""

    world: World
    peer: Peer
    scope: str = "ssf.manage ssf.read"
    stream: dict[str, Any] = field(default_factory=dict)
    _token: str = ""

    @property
    def token(self) -> str:
        if not self._token:
            form = {"grant_type": "client_credentials", "scope": self.scope}
            given = self.peer.post("/oauth/token", form)
            assert given.status_code == 200, given.text
            self._token = str(given.json["access_token"])
        return self._token

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {options.pop('token', None) or self.token}"}
        client = self.world.app.test_client()
        return client.open(path, method=method, headers=headers | options.pop("headers", {}), **options)

    def create(self, **stated: Any) -> dict[str, Any]:
        """Make the receiver's stream; by default it polls for everything."""
        body = {"events_requested": ALL} | stated
        made = self.call("POST", "/ssf/stream", json=body)
        assert made.status_code == 201, made.text
        self.stream = dict(made.json)
        return self.stream

    def push_to(self, server: Server, **delivery: Any) -> dict[str, Any]:
        return self.create(delivery={"method": PUSH, "endpoint_url": server.url, **delivery})

    def poll(self, token: str | None = None, **asked: Any) -> dict[str, Any]:
        path = self.stream["delivery"]["endpoint_url"].removeprefix(ISSUER)
        answered = self.call("POST", path, json={"returnImmediately": True} | asked, token=token)
        assert answered.status_code == 200, answered.text
        return dict(answered.json)

    def sets(self, **asked: Any) -> list[dict[str, Any]]:
        """The claims of what a poll gives."""
        return [self.claims(one) for one in self.poll(**asked)["sets"].values()]

    def claims(self, token: str) -> dict[str, Any]:
        """A security event token's claims, its signature held against the published keys."""
        header = jwt.get_unverified_header(token)
        published = self.world.app.test_client().get("/oauth/jwks").json["keys"]
        [key] = [one for one in published if one["kid"] == header["kid"]]
        options = {"verify_iat": False}  # the clock of the tests stands still
        return dict(
            jwt.decode(
                token,
                jwt.PyJWK(key).key,
                algorithms=["RS256"],
                audience=self.stream["aud"],
                issuer=ISSUER,
                options=options,
            )
        )

    def set_status(self, status: str, **more: Any) -> TestResponse:
        body = {"stream_id": self.stream["stream_id"], "status": status} | more
        return self.call("POST", "/ssf/status", json=body)

    def verify(self, **more: Any) -> TestResponse:
        return self.call("POST", "/ssf/verify", json={"stream_id": self.stream["stream_id"]} | more)

    def knows(self, person_id: str, subject: str) -> None:
        """A person signed in to this client, which knows them as ``subject``."""
        with self.world.app.app_context(), writing() as session:
            acquaintances.note(session, person_id, self.peer.client_id, subject, self.world.clock.now())


def tell(world: World) -> int:
    """Let the sequencer and the teller take their steps, as their threads do in the running service."""
    world.sequence()
    with world.app.app_context():
        return current(Teller).step()


def deliver(world: World) -> int:
    with world.app.app_context():
        return current(Courier).step()


def happen(world: World, kind: Happening, person_id: str, **more: Any) -> None:
    with world.app.app_context(), writing() as session:
        happened(session, kind, person_id, world.clock.now(), **more)


def settings_of(world: World) -> Settings:
    with world.app.app_context():
        return current(Settings)


def person_of(world: World) -> str:
    """The person who signed in last."""
    from sqlalchemy import select

    from consent_service.db import reading
    from consent_service.registry.store import PersonRow

    with world.app.app_context():
        return str(
            reading().scalars(select(PersonRow.person_id).order_by(PersonRow.created_at.desc())).first()
        )


@pytest.fixture
def receiver(world: World) -> Receiver:
    return Receiver(world, world.bank)


@pytest.fixture
def both_receivers(both_worlds: World) -> Receiver:
    return Receiver(both_worlds, both_worlds.bank)


@pytest.fixture
def server() -> Iterator[Server]:
    """Where pushes arrive."""
    made, running = serve()
    made.behave = lambda handler: answer(handler, 202)
    yield made
    running.shutdown()
    running.server_close()


def later(world: World, **parts: float) -> dt.datetime:
    world.clock.advance(**parts)
    return world.clock.now()
