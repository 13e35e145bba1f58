"""What this node has seen of the log, kept outside the database, so that a fork is noticed.

A database that was put back from an older copy lacks entries that were published. Going on
from there would sign two different histories. Each node therefore keeps the newest checkpoint
that it signed or saw in a file of its home, and holds the database against it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from sqlalchemy.orm import Session

from consent_service.ledger import store, tree
from consent_service.ledger.checkpoint import Checkpoint, open_checkpoint, unverified
from consent_service.ledger.note import NoteError, VerifierKey
from consent_service.ledger.tiles import TileHashes
from consent_service.ledger.tree import ProofError


class Watch:
    """The newest checkpoint that this node knows of one log.

    :param home: the folder to keep it in
    :param origin: the log's name; another log has another file
    """

    def __init__(self, home: Path, origin: str) -> None:
        self.origin = origin
        self.path = home / f"ledger-{hashlib.sha256(origin.encode()).hexdigest()[:16]}.checkpoint"

    def remember(self, note: str) -> None:
        """Keep a checkpoint, unless a newer one is kept already; durable when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # workers share the file; the newest must win
            known = self.newest()
            if known and known.size >= unverified(note).size:
                return
            fresh = self.path.with_suffix(".new")
            with fresh.open("w", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)  # whole or not at all, whenever the power goes

    def newest(self) -> Checkpoint | None:
        """The checkpoint that is kept, or None; signatures were verified before it was."""
        try:
            return unverified(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return None

    def problem(self, session: Session, key: VerifierKey | None) -> str | None:
        """What is wrong with the database, in words for the operator; None when it may go on.

        1. What is kept is a checkpoint of this log under its key.
        2. The database holds at least as many entries.
        3. Its tree has the same root at that size.
        """
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return None
        try:
            if key is None:
                raise NoteError("the database has no key for this log")
            known = open_checkpoint(text, key).checkpoint
        except NoteError as error:
            return f"{self.origin}: the checkpoint kept in {self.path.name} can't be used: {error}. {REMEDY}"
        size = store.head(session).size
        if size < known.size:
            return (
                f"{self.origin}: this database holds {size} entries, and {known.size} were published: "
                f"it was put back from an older copy. {REMEDY}"
            )
        try:
            root = tree.root(known.size, TileHashes(store.tile_reader(session)))
        except ProofError as error:
            return f"{self.origin}: the tree can't be read: {error}. {REMEDY}"
        if root != known.root:
            return (
                f"{self.origin}: the first {known.size} entries of this database are not those that were "
                f"published: this is another history. {REMEDY}"
            )
        return None


REMEDY = (
    "Nothing is signed, changed or permitted until that is mended: put back the newest copy of the database; "
    "if it is lost, begin a new log by setting CONSENT_LEDGER_ORIGIN to a name never used before, and tell "
    "everybody who follows the old one."
)
