"""The proof that a person can keep: C2SP ``tlog-proof`` with the entry and its payload as extra data.

Pure. Checking one needs the file and the log's public key, and nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consent_service.ledger.checkpoint import Opened, open_checkpoint
from consent_service.ledger.model import commit
from consent_service.ledger.note import NoteError, VerifierKey, decode_base64
from consent_service.ledger.tree import HASH_BYTES, ProofError, check_inclusion, leaf_hash

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
LONGEST = 1024 * 1024  # characters; a payload has some thousand
LONGEST_PATH = 63
INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Bundle:
    """An entry, its payload where that was given along, its place in the tree, and the signed head.

    ``entry`` and ``payload`` are the exact texts that were hashed; ``salt`` is the payload's.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    entry: str
    payload: str | None = None
    salt: bytes | None = None
    erased_by: str | None = None

    def __str__(self) -> str:
        extra: dict[str, str] = {"entry": self.entry}
        if self.payload is not None and self.salt is not None:
            extra |= {"payload": self.payload, "salt": _encode(self.salt)}
        if self.erased_by is not None:
            extra["erased_by"] = self.erased_by
        lines = [
            HEADER,
            f"extra {_encode(json.dumps(extra, ensure_ascii=False, sort_keys=True).encode())}",
            f"index {self.index}",
            *map(_encode, self.path),
        ]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> Bundle:
        """Read a bundle; verifies nothing.

        :raises ProofError: malformed or cut short
        """
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if lines[0] != HEADER:
            raise ProofError(f"not a proof: its first line must be {HEADER}")
        if not blank or len(text) > LONGEST or len(lines) < 3:
            raise ProofError("the proof is cut short")
        index = INDEX.fullmatch(lines[2])
        if not lines[1].startswith("extra ") or index is None or len(lines) > 3 + LONGEST_PATH:
            raise ProofError("the proof's second line must be extra, its third the index")
        extra = _extra(lines[1].removeprefix("extra "))
        return cls(
            index=int(index[1]),
            path=tuple(_decode(line, HASH_BYTES) for line in lines[3:]),
            checkpoint=checkpoint,
            entry=extra["entry"],
            payload=extra.get("payload"),
            salt=_decode(extra["salt"]) if "salt" in extra else None,
            erased_by=extra.get("erased_by"),
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """What a bundle proves: the entry, the payload if it was there, and who signed the head."""

    entry: dict[str, Any]
    payload: dict[str, Any] | None
    opened: Opened


def check(bundle: Bundle, log: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> Checked:
    """Verify a bundle.

    1. The checkpoint is the log's, and signed by its key.
    2. The entry's leaf hash is at the index of the tree with the checkpoint's root.
    3. The payload, where there is one, is what the entry commits to.

    :raises ProofError: a step fails
    """
    try:
        opened = open_checkpoint(bundle.checkpoint, log, witnesses)
    except NoteError as error:
        raise ProofError(str(error)) from error
    head = opened.checkpoint
    check_inclusion(leaf_hash(bundle.entry.encode()), bundle.index, head.size, bundle.path, head.root)
    entry = _object(bundle.entry, "entry")
    if bundle.payload is None:
        return Checked(entry, None, opened)
    try:
        committed = commit(bundle.salt or b"", bundle.payload.encode())
    except ValueError as error:
        raise ProofError("the payload's salt has another length") from error
    if committed != entry.get("payload_hash"):
        raise ProofError("the payload is not the one that the entry commits to")
    return Checked(entry, _object(bundle.payload, "payload"), opened)


def _extra(encoded: str) -> dict[str, str]:
    extra = _object(_decode(encoded).decode("utf-8", "replace"), "extra data")
    if not isinstance(extra.get("entry"), str) or not all(isinstance(one, str) for one in extra.values()):
        raise ProofError("the proof's extra data holds no entry")
    if ("payload" in extra) != ("salt" in extra):
        raise ProofError("payload and salt go together")
    return extra


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProofError(f"the {what} is not JSON") from error
    if not isinstance(found, dict):
        raise ProofError(f"the {what} is not a JSON object")
    return found


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decode(text: str, length: int | None = None) -> bytes:
    try:
        value = decode_base64(text)
    except NoteError as error:
        raise ProofError(f"the proof holds {error}") from error
    if length is not None and len(value) != length:
        raise ProofError(f"a hash has {length} bytes")
    return value
