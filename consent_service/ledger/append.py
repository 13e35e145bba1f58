"""The one way to write into the ledger.

Order of writes: the caller locks what it decides on (:func:`hold`), reads it, appends; the
transaction commits entry, payload and the caller's own changes together, and only then does
an answer leave. A crash before the commit leaves nothing; after it, an entry that nobody was
told about, which is the safe side. The sequencer gives the entry its place in the tree.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from typing import Any, Literal

from sqlalchemy import event, insert, update
from sqlalchemy.orm import Session, SessionTransaction

from consent_service.db import before_commit, lock
from consent_service.ledger.model import SALT_BYTES, Entry, Kind, canonical, commit
from consent_service.ledger.store import NO_OWNER, EpochRow, PayloadRow, PendingRow, check_running
from consent_service.prepared import Prepared
from consent_service.stored import table

REGISTRY = "registry"
"""Held by whoever changes who takes part; shared by every decision."""
_ROWS = "ledger_rows"
_PENDING = Prepared(insert(table(PendingRow)).inline(), "entry_id", "body")
_PAYLOADS = Prepared(
    insert(table(PayloadRow)),
    *("owner", "time", "entry_id", "kind", "grant_id", "salt", "body"),
)
_NEXT_EPOCH = update(table(EpochRow)).values(epoch=table(EpochRow).c.epoch + 1)


def of_owner(owner: str) -> str:
    """The name under which an owner's grants and decisions are ordered."""
    return f"owner:{owner}"


def of_request(request_id: str) -> str:
    """The name under which the answers to one request are ordered."""
    return f"request:{request_id}"


def hold(session: Session, *names: str, registry: Literal["changes", "reads"] | None = None) -> None:
    """Lock what this transaction decides on, until it ends; once, and before reading it.

    Whatever is decided on the same facts takes the same lock, so that entries about it stand
    in the ledger in the order in which they were true.
    """
    if registry == "changes":  # before the names, as who shares it does: nobody waits for each other
        lock(session, REGISTRY)
        session.execute(_NEXT_EPOCH)  # whatever anybody remembers of the registry is old from here on
    lock(session, *names, shared=[REGISTRY] if registry == "reads" else [])


def append(
    session: Session,
    kind: Kind,
    payload: dict[str, Any],
    *,
    now: dt.datetime,
    owner: str = NO_OWNER,
    **ids: Any,
) -> Entry:
    """Append one entry and its payload in the caller's transaction; durable when that commits.

    :param payload: JSON object with ASCII keys and integers only; ``owner`` is added to it
    :param ids: the entry's identifiers: ``request_id``, ``grant_id``, ``grant_version``,
        ``client_id``, ``policy_digest``
    :raises TypeError: the payload is outside the canonical subset
    """
    return append_written(session, kind, canonical({**payload, "owner": owner}), now=now, owner=owner, **ids)


def append_written(
    session: Session, kind: Kind, body: bytes, *, now: dt.datetime, owner: str = NO_OWNER, **ids: Any
) -> Entry:
    """The same, for a payload that is written as canonical JSON already, with its owner in it."""
    salt = secrets.token_bytes(SALT_BYTES)
    entry = Entry(new_entry_id(), kind, now, commit(salt, body), **ids)
    pending, payloads = session.info.setdefault(_ROWS, ([], []))
    pending.append((entry.entry_id, entry.encode()))
    payloads.append((owner, now, entry.entry_id, kind.value, entry.grant_id, salt, body))
    return entry


def new_entry_id() -> str:
    """A UUID version 7 (RFC 9562 section 5.7): new ones stand together at the end of an index."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    text = f"{value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62:032x}"
    # As str(UUID(int=...)) has it, which takes three times as long, and a decision waits for it.
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def write_down(session: Session) -> None:
    """Put what was appended into the tables now, for who reads it in the same transaction."""
    rows = session.info.pop(_ROWS, None)
    if rows is None:
        return
    check_running(session)
    pending, payloads = rows
    # Two statements however many entries; "arrival" counts up in the order of the list.
    _PENDING.many(session, pending)
    _PAYLOADS.many(session, payloads)


before_commit(write_down)


@event.listens_for(Session, "after_transaction_end")
def _after_end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:  # rolled back or closed: what was appended never happened
        session.info.pop(_ROWS, None)
