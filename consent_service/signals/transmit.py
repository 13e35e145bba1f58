"""Putting an event on its way: into the outbox, or into the stream's queue.

What waits is kept as claims and signed when it goes out, so that no signature outlives its key.
"""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy.orm import Session

from consent_service import keys, outbox
from consent_service.config import Settings
from consent_service.registry import parties
from consent_service.signals import store, subjects
from consent_service.signals.model import SUPPORTED, Event, Method, Status, Stream, claims

TYPE = "secevent+jwt"
CONTENT_TYPE = "application/secevent+jwt"
KIND = "security_event"


def send(session: Session, settings: Settings, stream: Stream, event: Event, now: dt.datetime) -> bool:
    """Tell a receiver of an event, in the caller's transaction; False when it is not told.

    1. The receiver may take part.
    2. What is not the framework's own was asked for, and is about a subject that was not removed.
    3. A disabled stream drops it, a paused one keeps it.
    4. An enabled one delivers it: a push goes into the outbox, a poll waits to be fetched.
    """
    client = parties.find(session, stream.client_id)
    if client is None or not client.active or stream.status is Status.DISABLED:
        return False
    if event.type in SUPPORTED and (
        event.type not in stream.delivered
        or any(subjects.same(one, event.subject) for one in store.left_out(session, stream))
    ):
        return False
    forward(session, settings, stream, claims(settings.issuer, stream, event, str(uuid.uuid4()), now), now)
    return True


def send_always(session: Session, settings: Settings, stream: Stream, event: Event, now: dt.datetime) -> None:
    """The same for what is told whatever the stream's status is (SSF section 8.1.5)."""
    made = claims(settings.issuer, stream, event, str(uuid.uuid4()), now)
    if stream.wanted.delivery.method is Method.PUSH:
        _push(session, settings, stream, made, now, topic="")
    else:
        store.keep(session, stream, made, now, always=True)


def forward(
    session: Session, settings: Settings, stream: Stream, made: dict[str, Any], now: dt.datetime
) -> None:
    """Put what was made on its way, as the stream stands now."""
    if stream.status is Status.ENABLED and stream.wanted.delivery.method is Method.PUSH:
        _push(session, settings, stream, made, now, topic=stream.topic)
    elif stream.status is not Status.DISABLED:
        store.keep(session, stream, made, now)


def take_back(session: Session, stream: Stream) -> list[dict[str, Any]]:
    """The claims of everything that has not arrived, out of the outbox and out of the queue."""
    return [_claims_of(one) for one in outbox.withdraw(session, stream.topic)] + store.take_all(
        session, stream
    )


def signed(session: Session, settings: Settings, made: Sequence[dict[str, Any]]) -> list[str]:
    """Security event tokens, explicitly typed (RFC 8417 section 2.3), signed as CAEP interop asks."""
    signer = keys.signer(session, settings.secret_key)
    return [signer.sign(one, typ=TYPE, alg=keys.Algorithm.RS256) for one in made]


def _push(
    session: Session,
    settings: Settings,
    stream: Stream,
    made: dict[str, Any],
    now: dt.datetime,
    *,
    topic: str,
) -> None:
    """Push delivery (RFC 8935 section 2), with the header that the receiver asked for, and only then."""
    header = stream.wanted.delivery.authorization_header
    [token] = signed(session, settings, [made])
    outbox.enqueue(
        session,
        settings.secret_key,
        kind=KIND,
        url=stream.wanted.delivery.endpoint_url,
        content_type=CONTENT_TYPE,
        body=token.encode(),
        headers={"Authorization": header} if header else None,
        now=now,
        topic=topic,
    )


def _claims_of(token: bytes) -> dict[str, Any]:
    payload = token.split(b".")[1]
    found: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    return found
