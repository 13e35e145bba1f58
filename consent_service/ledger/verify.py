"""Hold the whole database against itself and the log's key, and name the first thing that does not hold.

Needs the database and the public key, and nothing of the running service. It shows that no
entry, payload or hash was changed, removed or put in between. That nobody wrote all of it anew
and signed it again is shown by an older checkpoint: a remembered one, or one that witnesses hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent_service.clock import rfc3339
from consent_service.ledger import store
from consent_service.ledger.checkpoint import Checkpoint, open_checkpoint
from consent_service.ledger.model import Kind, canonical, commit
from consent_service.ledger.note import NoteError, VerifierKey
from consent_service.ledger.rebuild import Rebuilt, TreeError
from consent_service.ledger.store import HEAD, EntryRow, HeadRow, PayloadRow, PendingRow, TileRow
from consent_service.ledger.tiles import WIDTH
from consent_service.ledger.tree import leaf_hash

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: how far the log holds, or the first thing that does not, by name."""

    size: int
    root: str
    pending: int = 0
    erased: int = 0
    bad_entry: str | None = None
    problem: str | None = None

    def __bool__(self) -> bool:
        return self.problem is None


class _Row(NamedTuple):
    """An entry and what lies beside it."""

    place: int | None
    entry_id: str
    body: bytes
    payload_id: str | None
    owner: str
    time: dt.datetime
    kind: str
    grant_id: str | None
    salt: bytes | None
    payload: bytes | None
    erased_by: str | None


class _Bad(Exception):
    """The first thing that does not hold."""

    def __init__(self, problem: str, entry_id: str | None = None) -> None:
        super().__init__(problem)
        self.entry_id = entry_id


def verify(
    session: Session,
    log: VerifierKey | None = None,
    remembered: Checkpoint | None = None,
    progress: Progress = lambda _: None,
) -> Verification:
    """Walk everything; stop at the first thing that does not hold.

    1. The head is there; its checkpoints are signed by the log's key and say what it says.
    2. A remembered checkpoint has the root that the tree had at its size; the walk starts there.
    3. Each entry in order: its index, its canonical bytes, its hash in the tiles.
    4. Each payload: what its entry commits to, filed as it states; or erased, by an entry that says so.
    5. The tiles are those that the entries make, no more and no fewer; the root is the head's.
    6. What is pending has its payload, and no payload is without an entry.

    :param log: None leaves the signatures out
    """
    walk = _Walk(session)
    try:
        head = walk.head(log)
        walk.begin(remembered)
        for row in _rows(session, walk.tree.size):
            walk.entry(row)
            progress(walk.tree.size)
        walk.end(head)
        pending = walk.pending()
        walk.erasures(whole=remembered is None)
    except (_Bad, TreeError) as error:
        entry_id = error.entry_id if isinstance(error, _Bad) else walk.named(error.index)
        return Verification(walk.tree.size, walk.tree.root.hex(), bad_entry=entry_id, problem=str(error))
    except (ValueError, TypeError) as error:  # what no column of ours holds, for example a time that is none
        problem = f"a row after this size can't be read: {error}"
        return Verification(walk.tree.size, walk.tree.root.hex(), problem=problem)
    return Verification(walk.tree.size, walk.tree.root.hex(), pending, len(walk.erased))


class _Walk:
    """The state of one walk."""

    def __init__(self, session: Session) -> None:
        self.session, self.read = session, store.tile_reader(session)
        self.tree = Rebuilt(self.read)
        self.erased: dict[str, str] = {}
        self.ordered: dict[str, str] = {}
        self.signed: dict[str, Checkpoint] = {}

    def head(self, log: VerifierKey | None) -> HeadRow:
        head = self.session.get(HeadRow, HEAD)
        if head is None:
            raise _Bad("the ledger has no head")
        for name, note in (("checkpoint", head.checkpoint), ("published checkpoint", head.published)):
            if note is None or log is None:
                continue
            try:
                signed = open_checkpoint(note, log).checkpoint
            except NoteError as error:
                raise _Bad(f"the head's {name} does not hold: {error}") from error
            if name == "checkpoint" and (signed.size, signed.root) != (head.size, head.root):
                raise _Bad("the head's checkpoint was signed over another size or root than the head's")
            self.signed[name] = signed
        return head

    def begin(self, remembered: Checkpoint | None) -> None:
        if remembered is None:
            return
        head = store.head(self.session)
        if remembered.size > head.size:
            raise _Bad(f"{remembered.size} entries were signed and {head.size} are there: the log was cut")
        self.tree = Rebuilt(self.read, remembered.size)
        if self.tree.root != remembered.root:
            raise _Bad(
                f"the first {remembered.size} entries are not those of the checkpoint: the log has forked"
            )

    def entry(self, row: _Row) -> None:
        if row.place != self.tree.size:
            problem = f"index {row.place} stands where {self.tree.size} must be: one is missing or was put in"
            raise _Bad(problem, row.entry_id)
        stated = _document(row)
        if not isinstance(row.body, bytes):  # SQLite keeps whatever type it is given
            raise _Bad("its bytes are not bytes", row.entry_id)
        self.tree.add(leaf_hash(row.body))
        self._payload(row, stated)

    def end(self, head: HeadRow) -> None:
        self.tree.finish()
        if head.size != self.tree.size:
            raise _Bad(f"the head counts {head.size} entries and {self.tree.size} are there")
        if head.root != self.tree.root:
            raise _Bad("the head's root is not the tree's")
        for name, signed in self.signed.items():
            if signed.size > head.size or Rebuilt(self.read, signed.size).root != signed.root:
                raise _Bad(f"the head's {name} is of another tree")
        expected, count = 0, self.tree.size
        while count:
            expected, count = expected + -(-count // WIDTH), count // WIDTH
        stored = self.session.scalar(select(func.count()).select_from(TileRow)) or 0
        if stored != expected:
            raise _Bad(f"there are {stored} tiles, and a tree of {self.tree.size} has {expected}")

    def pending(self) -> int:
        found = 0
        for row in _pending_rows(self.session):
            if store.entry(self.session, row.entry_id) != (row.body, None):
                raise _Bad("it waits for its place and has one already", row.entry_id)
            self._payload(row, _document(row))
            found += 1
        payloads = self.session.scalar(select(func.count()).select_from(PayloadRow)) or 0
        entries = self.session.scalar(select(func.count()).select_from(EntryRow)) or 0
        if payloads != entries + found:
            raise _Bad(f"there are {payloads} payloads for {entries + found} entries")
        return found

    def erasures(self, *, whole: bool) -> None:
        """What is erased was ordered by the entry that it names; what was ordered is erased."""
        for entry_id, by in self.erased.items():
            if whole and self.ordered.get(entry_id) != by:
                raise _Bad("its payload is gone, and no entry of the log orders that", entry_id)
        for entry_id in self.ordered:
            row = store.payload(self.session, entry_id)
            if row is not None and row.body is not None:
                raise _Bad(f"its payload was erased by entry {self.ordered[entry_id]} and is back", entry_id)

    def named(self, index: int | None) -> str | None:
        if index is None:
            return None
        return self.session.scalar(select(EntryRow.entry_id).where(EntryRow.index == index))

    def _payload(self, row: _Row, stated: dict[str, Any]) -> None:
        if row.payload_id is None:
            raise _Bad("its payload is missing", row.entry_id)
        filed = (row.kind, row.grant_id, rfc3339(row.time))
        if filed != (stated.get("kind"), stated.get("grant_id"), stated.get("time")):
            raise _Bad("its payload is filed under other ids than it states", row.entry_id)
        if row.payload is None or row.salt is None:
            if row.payload is not None or row.salt is not None or row.erased_by is None:
                raise _Bad("its payload is gone, and nothing says who ordered that", row.entry_id)
            self.erased[row.entry_id] = row.erased_by
            return
        if row.erased_by is not None:
            raise _Bad("its payload is marked as erased and is there", row.entry_id)
        try:
            if commit(row.salt, row.payload) != stated.get("payload_hash"):
                raise _Bad("its payload or its salt is not the one that it commits to", row.entry_id)
        except (ValueError, TypeError) as error:
            raise _Bad("its payload or its salt has another type or length", row.entry_id) from error
        payload = orjson.loads(row.payload)
        if payload.get("owner") != row.owner:
            raise _Bad("its payload is filed under another owner than it states", row.entry_id)
        if row.kind == Kind.PAYLOAD_ERASED:
            self.ordered[str(payload.get("entry_id"))] = row.entry_id


def _document(row: _Row) -> dict[str, Any]:
    try:
        document = orjson.loads(row.body)
        if not isinstance(document, dict) or canonical(document) != row.body:
            raise _Bad("its bytes are not canonical JSON", row.entry_id)
    except (ValueError, TypeError) as error:
        raise _Bad("its bytes are not canonical JSON", row.entry_id) from error
    if document.get("entry_id") != row.entry_id:
        raise _Bad("its bytes carry another identifier", row.entry_id)
    return document


_PAYLOAD = (
    PayloadRow.entry_id,
    PayloadRow.owner,
    PayloadRow.time,
    PayloadRow.kind,
    PayloadRow.grant_id,
    PayloadRow.salt,
    PayloadRow.body,
    PayloadRow.erased_by,
)


def _rows(session: Session, start: int) -> Iterator[_Row]:
    query = (
        select(EntryRow.index, EntryRow.entry_id, EntryRow.body, *_PAYLOAD)
        .outerjoin(PayloadRow, PayloadRow.entry_id == EntryRow.entry_id)
        .where(EntryRow.index >= start)
        .order_by(EntryRow.index)
        .execution_options(yield_per=1000)
    )
    for row in session.execute(query):
        yield _Row(*row)


def _pending_rows(session: Session) -> Iterator[_Row]:
    query = (
        select(PendingRow.entry_id, PendingRow.body, *_PAYLOAD)
        .outerjoin(PayloadRow, PayloadRow.entry_id == PendingRow.entry_id)
        .order_by(PendingRow.arrival)
    )
    for row in session.execute(query).all():
        yield _Row(None, *tuple(row))
