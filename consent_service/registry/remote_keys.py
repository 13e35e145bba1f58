"""Keys that a client publishes itself (``jwks_uri``, RFC 7591 section 2), kept in a table.

The table is shared by all workers, so that a client's server is asked once and not once a worker,
a restart asks nobody, and what somebody may cause with made-up key ids is bounded for all
workers together.

Nothing is fetched where a transaction is open: SQLite has one writer, and another's slow server
must not hold it. Who needs keys raises :class:`KeysWanted` before it has written anything; the
edge rolls back, calls :func:`fetch`, and begins again, once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import structlog
from sqlalchemy import JSON, String, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.addresses import NotAllowed
from consent_service.db import Base, Instant
from consent_service.errors import ServiceError
from consent_service.outgoing import Answer, Outgoing, Unanswered
from consent_service.registry import client_keys
from consent_service.registry.model import Client
from consent_service.stored import rows_changed

SHORTEST, USUAL, LONGEST = dt.timedelta(minutes=1), dt.timedelta(minutes=10), dt.timedelta(hours=1)
"""How long keys are taken as they are: what ``max-age`` says, between the bounds; without it, the middle."""
OUTAGE = dt.timedelta(hours=1)
"""How much longer they count while their server does not answer. A key that is taken away is dead after
:data:`LONGEST` and this at the latest."""
PAUSE = dt.timedelta(minutes=1)
"""An address is asked once in so long, whatever anybody sends."""
MOST_KEYS = 20
MOST_BYTES = 64 * 1024
SECONDS = 5.0
ACCEPT = "application/jwk-set+json, application/json"
MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.IGNORECASE)
Writing = Callable[[], AbstractContextManager[Session]]


class RemoteKeysRow(Base):
    """The keys that an address served last, and when it was asked last."""

    __tablename__ = "remote_keys"

    uri: Mapped[str] = mapped_column(String(2000), primary_key=True)
    asked_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    fresh_until: Mapped[dt.datetime | None] = mapped_column(Instant)
    usable_until: Mapped[dt.datetime | None] = mapped_column(Instant)


class KeysWanted(Exception):
    """An address has to be asked before this can go on; nothing has been written yet."""

    def __init__(self, uri: str) -> None:
        super().__init__("keys have to be fetched")
        self.uri = uri


def with_keys(session: Session, client: Client, now: dt.datetime, kid: object = None) -> Client:
    """The client with the keys that count now: its own, or those that its ``jwks_uri`` serves.

    :param kid: the key id that is looked for, where one is stated
    :raises KeysWanted: they are too old, or none has this id, and the address was not asked just now
    """
    uri = client.metadata.get("jwks_uri")
    return dataclasses.replace(client, jwks=keys_at(session, uri, now, kid)) if uri else client


def keys_at(session: Session, uri: str, now: dt.datetime, kid: object = None) -> dict[str, Any]:
    """The JWK Set that an address serves, empty where it serves none that can be used.

    :raises KeysWanted: as :func:`with_keys`
    """
    row = session.get(RemoteKeysRow, uri, populate_existing=True)
    usable = row is not None and row.usable_until is not None and now < row.usable_until
    kept: dict[str, Any] = (row.jwks if row is not None and usable else None) or {"keys": []}
    if row is None or now - row.asked_at >= PAUSE:
        fresh = row is not None and row.fresh_until is not None and now < row.fresh_until
        known = not isinstance(kid, str) or kid in {key.get("kid") for key in kept["keys"]}
        if not fresh or not known:
            raise KeysWanted(uri)
    return kept


def fetch(writing: Writing, outgoing: Outgoing, uri: str, now: dt.datetime) -> None:
    """Ask an address for its keys and keep them; when it fails, those of before stay for a while.

    1. Note that it is asked, in a transaction of its own: whoever comes second asks nobody.
    2. Ask, with no transaction open.
    3. Keep what came, in another one.
    """
    with writing() as session:
        if not _turn(session, uri, now):
            return
    try:
        jwks, lasts = served(outgoing, uri)
    except ServiceError as error:
        structlog.get_logger().warning("refused", error=error.code, problem=error.detail)
        return
    with writing() as session:
        keep(session, uri, jwks, lasts, now)


def served(outgoing: Outgoing, uri: str) -> tuple[dict[str, Any], dt.timedelta]:
    """What an address serves right now: the keys of it that can be used, and for how long.

    :raises ServiceError: ``invalid_client_metadata``: nothing, or nothing that can be used
    """
    try:
        answer = outgoing.look(uri, seconds=SECONDS, most=MOST_BYTES, accept=ACCEPT)
        document = json.loads(answer.body)
    except NotAllowed as error:
        raise _unusable(f"jwks_uri {error}") from error
    except Unanswered as error:
        raise _unusable(f"jwks_uri: {error}") from error
    except (ValueError, RecursionError) as error:
        raise _unusable("jwks_uri does not serve JSON") from error
    return usable(document), _lasts(answer)


def usable(document: Any) -> dict[str, Any]:
    """The keys of a served JWK Set that we can use; others are passed over (RFC 7517 section 5).

    :raises ServiceError: ``invalid_client_metadata``: there is none
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    kept: list[dict[str, Any]] = []
    for key in listed[:MOST_KEYS] if isinstance(listed, list) else []:
        try:
            kept += client_keys.public_jwks({"keys": [key]})["keys"]
        except ServiceError:
            continue
    if not kept:
        raise _unusable("jwks_uri must serve a JWK Set with at least one public key")
    return {"keys": kept}


def keep(session: Session, uri: str, jwks: dict[str, Any], lasts: dt.timedelta, now: dt.datetime) -> None:
    """Keep the keys that an address served."""
    until = now + lasts
    session.merge(
        RemoteKeysRow(uri=uri, asked_at=now, jwks=jwks, fresh_until=until, usable_until=until + OUTAGE)
    )


def _turn(session: Session, uri: str, now: dt.datetime) -> bool:
    """Whether this caller asks, by one conditional UPDATE, or INSERT where the address is new."""
    earlier = RemoteKeysRow.uri == uri, RemoteKeysRow.asked_at <= now - PAUSE
    taken = session.execute(update(RemoteKeysRow).where(*earlier).values(asked_at=now))
    if rows_changed(taken):
        return True
    try:
        with session.begin_nested():
            session.add(RemoteKeysRow(uri=uri, asked_at=now))
    except IntegrityError:  # it is there, and was asked just now
        return False
    return True


def _lasts(answer: Answer) -> dt.timedelta:
    """``Cache-Control`` (RFC 9111 section 5.2.2), within our bounds."""
    control = answer.headers.get("cache-control", "")
    if "no-store" in control.lower() or "no-cache" in control.lower():
        return SHORTEST
    stated = MAX_AGE.search(control)
    return min(LONGEST, max(SHORTEST, dt.timedelta(seconds=int(stated[1])))) if stated else USUAL


def _unusable(sentence: str) -> ServiceError:
    return ServiceError("invalid_client_metadata", sentence, detail=sentence)
