"""Streams of security events, from the command line."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock
from consent_service.commands import CommandError, database
from consent_service.config import Settings
from consent_service.db import lock
from consent_service.outbox import DeliveryRow
from consent_service.signals import service, store
from consent_service.signals.model import SUPPORTED, Event, EventType, Status, Stream, opaque, person
from consent_service.signals.store import SignalRow
from consent_service.signals.transmit import send as transmit


def streams(settings: Settings) -> Iterator[str]:
    """One line a stream."""
    with database.transaction(settings.database_url) as session:
        for stream in store.every(session, settings.secret_key):
            kept = session.scalar(select(func.count()).where(SignalRow.stream_id == stream.stream_id)) or 0
            pushed = session.scalar(select(func.count()).where(DeliveryRow.topic == stream.topic)) or 0
            method, status = stream.wanted.delivery.method.name.lower(), stream.status.value
            yield f"{stream.stream_id} {stream.client_id} {method} {status} {kept + pushed} waiting"


def set_status(settings: Settings, stream_id: str, status: str, reason: str) -> str:
    """Set a stream's status, and tell its receiver.

    :raises CommandError: there is no such stream
    """
    with database.transaction(settings.database_url) as session:
        lock(session, service.TELLING)
        stream = _found(session, settings, stream_id)
        service.impose_status(session, settings, stream, Status(status), reason, SystemClock().now())
        session.commit()
    return f"{stream_id} is {status}"


def send(
    settings: Settings, stream_id: str | None, events: Sequence[str], subject: str | None
) -> Iterator[str]:
    """Send events of which nothing is true.

    :raises CommandError: outside the sandbox, or there is no such stream
    """
    if not settings.sandbox:
        raise CommandError("events of which nothing is true are sent in the sandbox only (CONSENT_SANDBOX)")
    with database.transaction(settings.database_url) as session:
        lock(session, service.TELLING)
        found = (
            [_found(session, settings, stream_id)] if stream_id else store.every(session, settings.secret_key)
        )
        if not found:
            raise CommandError("nobody has a stream yet")
        for stream in found:
            for kind in SUPPORTED:
                name = kind.value.rpartition("/")[2]
                if not events or name in events:
                    event = _example(settings.issuer, kind, subject or f"nobody-{uuid.uuid4().hex[:8]}")
                    sent = transmit(session, settings, stream, event, SystemClock().now())
                    yield f"{stream.stream_id} {name}: {'on its way' if sent else 'not asked for'}"
        session.commit()


def _found(session: Session, settings: Settings, stream_id: str) -> Stream:
    stream = store.find(session, stream_id, settings.secret_key)
    if stream is None:
        raise CommandError(f"there is no stream {stream_id}")
    return stream


def _example(issuer: str, kind: EventType, subject: str) -> Event:
    """An event with all the members that a true one has."""
    members = {
        "event_timestamp": int(SystemClock().now().timestamp()),
        "initiating_entity": "admin",
        "reason_admin": {"en": "Sent by hand, to try it."},
    }
    if kind is EventType.TOKEN_CLAIMS_CHANGE:
        grant_id = str(uuid.uuid4())
        changed = {"grant_id": grant_id, "grant_version": 2, "grant_status": "revoked"}
        return Event(kind, opaque(grant_id), str(uuid.uuid4()), {"claims": changed, **members})
    if kind is EventType.CREDENTIAL_CHANGE:
        members |= {"credential_type": "fido2-platform", "change_type": "create"}
    return Event(kind, person(issuer, subject), str(uuid.uuid4()), members)
