"""Verify somebody else's log over HTTP: checkpoint, tiles and entry bundles of C2SP ``tlog-tiles``.

Needs the log's address and its public key. Nothing that the log says is believed before its
root is the signed one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from consent_service.ledger.checkpoint import Checkpoint, Opened, open_checkpoint
from consent_service.ledger.fetch import Unanswered, fetch
from consent_service.ledger.note import VerifierKey
from consent_service.ledger.rebuild import Rebuilt, TreeError
from consent_service.ledger.tiles import WIDTH, Tile
from consent_service.ledger.tree import HASH_BYTES, leaf_hash

TIMEOUT = 10  # seconds for one answer
LONGEST = 256 * (2 + 0xFFFF)  # bytes of a full bundle of the largest entries


@dataclass(frozen=True, slots=True)
class Remote:
    """A log at a URL prefix, for example ``https://consent.example.no/ledger``."""

    prefix: str
    http: httpx2.Client

    def checkpoint(self) -> str:
        """The signed checkpoint, not yet verified.

        :raises TreeError: no usable answer
        """
        return self._get("checkpoint").decode("utf-8", "replace")

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The hashes of a tile, as many as it has in the tree that was asked for."""
        found = self._get(f"tile/{Tile(level, index, width).path}")
        if len(found) != width * HASH_BYTES:
            raise TreeError(f"tile {Tile(level, index, width).path} has {len(found)} bytes")
        return found

    def bundle(self, index: int, width: int) -> list[bytes]:
        """The entries of a bundle."""
        tile = Tile(None, index, width)
        data, entries, at = self._get(f"tile/{tile.path}"), [], 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 2])
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if len(entries) != width or at != len(data):
            raise TreeError(f"entry bundle {tile.path} does not hold {width} whole entries")
        return entries

    def _get(self, path: str) -> bytes:
        try:
            status, body = fetch(self.http, f"{self.prefix}/{path}", seconds=TIMEOUT, most=LONGEST)
        except Unanswered as error:
            raise TreeError(f"{path} can't be fetched: {error}") from error
        if status != 200:
            raise TreeError(f"{path} can't be fetched: the answer was {status}")
        return body


def verify_remote(
    remote: Remote,
    log: VerifierKey,
    remembered: Checkpoint | None = None,
    witnesses: tuple[VerifierKey, ...] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Opened:
    """Verify a log and return its verified checkpoint.

    1. The checkpoint is signed by the log's key.
    2. A remembered checkpoint is a beginning of this tree: same root at its size.
    3. Every entry from there on has its hash in the tiles, and the tiles make the signed root.

    :raises TreeError: 2 or 3 fails, with the entry where one is to blame
    :raises NoteError: 1 fails
    """
    opened = open_checkpoint(remote.checkpoint(), log, witnesses)
    head = opened.checkpoint
    if remembered and remembered.size > head.size:
        raise TreeError(f"{remembered.size} entries were signed before, and now {head.size}: the log was cut")

    def read(level: int, index: int) -> bytes:
        width = Tile(level, index).width_at(head.size)
        return remote.tile(level, index, width) if width else b""

    tree = Rebuilt(read, remembered.size if remembered else 0)
    if remembered and tree.root != remembered.root:
        raise TreeError(
            f"the first {remembered.size} entries are not those signed before: the log has forked"
        )
    while tree.size < head.size:
        index, done = divmod(tree.size, WIDTH)
        for entry in remote.bundle(index, Tile(None, index).width_at(head.size))[done:]:
            tree.add(leaf_hash(entry))
        progress(tree.size)
    tree.finish()
    if tree.root != head.root:
        raise TreeError("the tiles don't make the root that the checkpoint signs")
    return opened
