"""Walk the ledger's hash chain and name the first entry that does not hold.

Needs the database and nothing of the running service. It shows that no entry or payload
was changed, removed or put in between since it was written. It can't show that nobody
wrote the whole chain anew: for that, compare the head with one that you noted earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent_service.clock import rfc3339
from consent_service.ledger.model import EMPTY, canonical, chain_hash, commit, leaf_hash
from consent_service.ledger.store import EntryRow, HeadRow, PayloadRow, rows_in_order


@dataclass(frozen=True, slots=True)
class Verification:
    """What the walk found: the size and head that hold, or the first entry that does not."""

    size: int
    head: str
    bad_entry: str | None = None
    problem: str | None = None

    def __bool__(self) -> bool:
        return self.problem is None


def verify(session: Session, progress: Callable[[int], None] = lambda _: None) -> Verification:
    """Walk every entry in order; stop at the first that does not hold.

    1. Its index follows the one before it.
    2. Its bytes are canonical JSON (RFC 8785) and carry its identifier.
    3. Its leaf hash is SHA-256(0x00 || bytes) (RFC 9162 section 2.1.1).
    4. Its chain hash follows from the one before it.
    5. Its payload is there, matches the commitment, and agrees with its own columns.
    6. After the last one, size and chain are the head's, and no payload is without an entry.
    """
    chain, size = EMPTY, 0
    for row, payload in rows_in_order(session):
        problem = _entry_problem(row, size, chain) or _payload_problem(row, payload)
        if problem:
            return Verification(size, chain.hex(), row.entry_id, problem)
        chain, size = row.chain_hash, size + 1
        progress(size)
    return Verification(size, chain.hex(), problem=_head_problem(session, size, chain))


def _entry_problem(row: EntryRow, index: int, previous: bytes) -> str | None:
    if row.index != index:
        return f"index {row.index} stands where {index} must be: an entry is missing or was put in"
    try:
        document = orjson.loads(row.body)
        if not isinstance(document, dict) or canonical(document) != row.body:
            return "its bytes are not canonical JSON"
    except (ValueError, TypeError):
        return "its bytes are not canonical JSON"
    if document.get("entry_id") != row.entry_id:
        return "its bytes carry another identifier"
    if leaf_hash(row.body) != row.leaf_hash:
        return "its leaf hash is not the hash of its bytes"
    if chain_hash(previous, row.leaf_hash) != row.chain_hash:
        return "its chain hash does not follow from the entry before it"
    return None


def _payload_problem(row: EntryRow, payload: PayloadRow | None) -> str | None:
    entry = orjson.loads(row.body)
    if payload is None:
        return "its payload is missing"
    try:
        if commit(payload.salt, payload.body) != entry["payload_hash"]:
            return "its payload is not the one that it commits to"
    except ValueError:
        return "its payload's salt has another length"
    columns = (payload.index, payload.kind, payload.grant_id, rfc3339(payload.time), payload.owner)
    stated = (
        row.index,
        entry["kind"],
        entry.get("grant_id"),
        entry["time"],
        orjson.loads(payload.body)["owner"],
    )
    return None if columns == stated else "its payload is filed under other ids than it states"


def _head_problem(session: Session, size: int, chain: bytes) -> str | None:
    head = session.get(HeadRow, 1)
    if head is None:
        return "the ledger has no head"
    if head.size != size:
        return f"the head counts {head.size} entries and {size} are there"
    if head.chain_hash != chain:
        return "the head's chain hash is not the last entry's"
    stray = session.scalar(select(func.count()).select_from(PayloadRow)) or 0
    return None if stray == size else f"{stray} payloads for {size} entries"
