"""Streams and events, in the words of the Shared Signals Framework 1.0 (SSF) and CAEP 1.0.

Pure: no Flask, no SQL, no clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"

Subject = Mapping[str, Any]
"""A subject identifier (RFC 9493), or a complex one (SSF section 3.3)."""


class EventType(StrEnum):
    """Every event that we send; the value is its URI."""

    VERIFICATION = SSF + "verification"
    STREAM_UPDATED = SSF + "stream-updated"
    SESSION_REVOKED = CAEP + "session-revoked"
    CREDENTIAL_CHANGE = CAEP + "credential-change"
    TOKEN_CLAIMS_CHANGE = CAEP + "token-claims-change"


SUPPORTED = (EventType.SESSION_REVOKED, EventType.CREDENTIAL_CHANGE, EventType.TOKEN_CLAIMS_CHANGE)
"""What a receiver can ask for; the framework's own two come unasked."""


class Method(StrEnum):
    """How a stream's events are delivered (SSF section 6.1)."""

    PUSH = "urn:ietf:rfc:8935"
    POLL = "urn:ietf:rfc:8936"


class Status(StrEnum):
    """What a stream does with its events (SSF section 8.1.2.1)."""

    ENABLED = "enabled"
    PAUSED = "paused"
    """Keeps them."""
    DISABLED = "disabled"
    """Drops them."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a stream's events go; a poll stream's address is ours and follows from its id."""

    method: Method = Method.POLL
    endpoint_url: str = ""
    authorization_header: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a receiver says of its stream (the Receiver-Supplied properties of SSF section 8.1.1)."""

    events_requested: tuple[str, ...] | None = None
    delivery: Delivery = field(default_factory=Delivery)
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A receiver's stream; ``client_id`` is the receiver and the audience of its events."""

    stream_id: str
    client_id: str
    wanted: Wanted
    status: Status
    reason: str | None
    created_at: dt.datetime

    @property
    def delivered(self) -> list[str]:
        """``events_delivered``: what was asked for and is supported."""
        return [one.value for one in SUPPORTED if one in (self.wanted.events_requested or ())]

    @property
    def topic(self) -> str:
        """The name of its messages in the outbox."""
        return f"stream:{self.stream_id}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as one receiver is told.

    :param txn: the same for everybody who is told of the same thing (SSF section 4.1.9)
    """

    type: EventType
    subject: Subject
    txn: str
    members: Mapping[str, Any] = field(default_factory=dict)


def claims(issuer: str, stream: Stream, event: Event, jti: str, now: dt.datetime) -> dict[str, Any]:
    """The claims of a security event token (RFC 8417 section 2.2, SSF section 4.1).

    One event; no ``sub`` and no ``exp``, so that it is taken for no other kind of token.
    """
    return {
        "iss": issuer,
        "aud": stream.client_id,
        "iat": int(now.timestamp()),
        "jti": jti,
        "txn": event.txn,
        "sub_id": dict(event.subject),
        "events": {event.type.value: dict(event.members)},
    }


def stream_subject(stream: Stream) -> Subject:
    """The stream itself, as the subject of the framework's own events (SSF section 8.1.4.1)."""
    return {"format": "opaque", "id": stream.stream_id}


def opaque(identifier: str) -> Subject:
    """A subject that has only a name (RFC 9493 section 3.2.4)."""
    return {"format": "opaque", "id": identifier}


def person(issuer: str, subject: str, sid: str | None = None) -> Subject:
    """A person as a client knows them (RFC 9493 section 3.2.3), or one session of theirs."""
    user = {"format": "iss_sub", "iss": issuer, "sub": subject}
    return {"format": "complex", "user": user, "session": opaque(sid)} if sid else user
