"""The log's signed head: C2SP ``tlog-checkpoint``. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from consent_service.ledger.note import (
    ED25519,
    Note,
    NoteError,
    NoteSigner,
    Verified,
    VerifierKey,
    decode_base64,
)
from consent_service.ledger.tree import HASH_BYTES

SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Whose log, how many entries, and the root of their tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Origin, size and base64 root, a line each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a checkpoint's text; extension lines are allowed and mean nothing here.

        :raises NoteError: malformed
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]) or not SIZE.fullmatch(lines[1]):
            raise NoteError("a checkpoint is three lines: origin, tree size, root")
        root = decode_base64(lines[2])
        if len(root) != HASH_BYTES:
            raise NoteError("a checkpoint's root has 32 bytes")
        return cls(lines[0], int(lines[1]), root)

    def sign(self, signer: NoteSigner) -> Note:
        """The checkpoint as a note under the log's key."""
        return signer.sign(self.text)


def unverified(note_text: str) -> Checkpoint:
    """The checkpoint of a note that was verified before, or is our own.

    :raises NoteError: malformed
    """
    return Checkpoint.parse(Note.parse(note_text).text)


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose signature by the log holds, and the witnesses whose cosignatures do."""

    checkpoint: Checkpoint
    note: Note
    witnesses: tuple[Verified, ...]


def open_checkpoint(note_text: str, log: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> Opened:
    """Read a signed checkpoint and verify it.

    1. It is a signed note, and its text is a checkpoint.
    2. Its origin is the log key's name.
    3. The log's own key signed it; cosignatures of known witnesses hold.

    :raises NoteError: any of these fails
    """
    note = Note.parse(note_text)
    checkpoint = Checkpoint.parse(note.text)
    if log.kind != ED25519:
        raise NoteError("the log's key must be an Ed25519 note key")
    if checkpoint.origin != log.name:
        raise NoteError(f"this is a checkpoint of {checkpoint.origin}, not of {log.name}")
    verified = note.verified_by([log, *witnesses])
    if log not in {one.key for one in verified}:
        raise NoteError(f"the checkpoint is not signed by the key of {log.name}")
    return Opened(checkpoint, note, tuple(one for one in verified if one.key != log))
