"""What a receiver can do with its stream (SSF section 8.1): one function, one change.

Every function runs in the caller's write transaction, which holds the name under which events are
told (:data:`TELLING`): what is sent sees each stream as it was before a change or as it is after.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.db import lock
from consent_service.errors import ServiceError
from consent_service.ledger import store as ledger
from consent_service.signals import store
from consent_service.signals.model import Event, EventType, Status, Stream, Subject, Wanted, stream_subject
from consent_service.signals.transmit import forward, send, send_always, take_back

MIN_VERIFICATION_INTERVAL = 10  # seconds
TELLING = "signals"
"""Held by whoever tells streams of something, or changes one."""


def create(session: Session, settings: Settings, client_id: str, wanted: Wanted, now: dt.datetime) -> Stream:
    """Make a receiver's stream; it is told of what happens from now on.

    :raises ServiceError: ``stream_exists``, 409: it has one
    """
    lock(session, TELLING)
    if not store.any_stream(session):  # nobody read the ledger meanwhile, and nobody wants its past
        store.go_on(session, ledger.head(session).size)
    stream = Stream(str(uuid.uuid4()), client_id, wanted, Status.ENABLED, None, now)
    try:
        with session.begin_nested():
            store.add(session, stream, settings.secret_key)
    except IntegrityError as error:
        raise ServiceError(
            "stream_exists", "this receiver has a stream: read it, and change or delete it", status=409
        ) from error
    return stream


def held(session: Session, settings: Settings, client_id: str, stream_id: object) -> Stream:
    """The receiver's own stream of this id, as it stands until the transaction ends.

    :raises ServiceError: ``unknown_stream``, 404: there is none, or it is another's
    """
    lock(session, TELLING)
    return own(session, settings, client_id, stream_id)


def own(session: Session, settings: Settings, client_id: str, stream_id: object) -> Stream:
    """The same for who only looks."""
    found = store.of_client(session, client_id, settings.secret_key)
    if found is None or found.stream_id != stream_id:
        raise ServiceError("unknown_stream", "this receiver has no such stream", status=404)
    return found


def change(session: Session, settings: Settings, stream: Stream, wanted: Wanted, now: dt.datetime) -> Stream:
    """Let a stream be as the receiver wants it; what has not arrived goes the new way."""
    after = replace(stream, wanted=wanted)
    store.change(session, stream, wanted, settings.secret_key)
    if wanted.delivery != stream.wanted.delivery:
        _send_again(session, settings, stream, after, now)
    return after


def set_status(
    session: Session, settings: Settings, stream: Stream, status: Status, reason: str | None, now: dt.datetime
) -> Stream:
    """Enable, pause or disable a stream, as its receiver wishes (SSF section 8.1.2.2).

    Paused, it keeps its events; enabled again, it sends them; disabled, it drops them.
    """
    after = replace(stream, status=status, reason=reason)
    store.set_status(session, stream, status, reason)
    if status is not stream.status:
        _send_again(session, settings, stream, after, now)
    return after


def impose_status(
    session: Session, settings: Settings, stream: Stream, status: Status, reason: str, now: dt.datetime
) -> Stream:
    """The same by our own decision: the receiver is told first (SSF section 8.1.5)."""
    after = set_status(session, settings, stream, status, reason, now)
    members = {"status": status.value, "reason": reason}
    event = Event(EventType.STREAM_UPDATED, stream_subject(stream), str(uuid.uuid4()), members)
    send_always(session, settings, after, event, now)
    return after


def remove(session: Session, stream: Stream) -> None:
    """Delete a stream; nothing of it is sent any more."""
    take_back(session, stream)
    store.remove(session, stream)


def add_subject(session: Session, stream: Stream, subject: Subject) -> None:
    """Send what happens to a subject again (SSF section 8.1.3.2).

    Every subject that a receiver may hear of is in its stream from the beginning, so adding one that
    was not removed changes nothing, and the answer does not tell whether we know it (section 9.1).
    """
    store.take_in(session, stream, subject)


def remove_subject(session: Session, stream: Stream, subject: Subject) -> None:
    """Send nothing about a subject any more (SSF section 8.1.3.3).

    :raises ServiceError: ``too_many_subjects``, 429
    """
    if not store.leave_out(session, stream, subject):
        raise ServiceError(
            "too_many_subjects", f"at most {store.MOST_REMOVED} subjects can be removed", status=429
        )


def verify(session: Session, settings: Settings, stream: Stream, state: str | None, now: dt.datetime) -> None:
    """Send a verification event that says ``state`` (SSF section 8.1.4).

    :raises ServiceError: ``too_soon``, 429; ``stream_disabled``, 400: nothing can be sent on it
    """
    if stream.status is Status.DISABLED:
        raise ServiceError("stream_disabled", "the stream is disabled: enable it first")
    if not store.may_verify(session, stream, now, dt.timedelta(seconds=MIN_VERIFICATION_INTERVAL)):
        sentence = f"a verification can be asked for every {MIN_VERIFICATION_INTERVAL} seconds"
        raise ServiceError("too_soon", sentence, status=429)
    members = {} if state is None else {"state": state}
    event = Event(EventType.VERIFICATION, stream_subject(stream), str(uuid.uuid4()), members)
    send(session, settings, stream, event, now)


def _send_again(
    session: Session, settings: Settings, before: Stream, after: Stream, now: dt.datetime
) -> None:
    for made in take_back(session, before):
        forward(session, settings, after, made, now)
