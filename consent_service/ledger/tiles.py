"""The tree's hashes as C2SP ``tlog-tiles`` keeps and serves them: 256 hashes wide, 8 levels high.

Pure. What is stored is what is served: at level 0 a tile holds leaf hashes, above it the
roots of the full tiles below. A partial tile is the beginning of the full one, so one
stored tile answers for every width that it ever had.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consent_service.ledger.tree import HASH_BYTES, HashOf, ProofError, root_over

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRIES = "entries"
LEVELS = 64

ReadTile = Callable[[int, int], bytes]
"""Level and index to the stored hashes, one after another; empty when there is no such tile."""

PATH = re.compile(
    rf"(?P<level>0|[1-9][0-9]?|{ENTRIES})/(?P<index>(?:x[0-9]{{3}}/)*[0-9]{{3}})(?:\.p/(?P<width>[1-9][0-9]{{0,2}}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One resource below ``/tile/``: a level (None for entry bundles), an index, a width of 1 to 256."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """``<L>/<N>[.p/<W>]``, the index in groups of three digits: 1234067 is ``x001/x234/067``."""
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = ENTRIES if self.level is None else str(self.level)
        return f"{level}/{'/'.join(groups)}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The inverse of :attr:`path`; refuses every second spelling of a tile.

        :raises ValueError: not a tile's path
        """
        found = PATH.fullmatch(path)
        if found is None or len(path) > 64:
            raise ValueError("not a tile's path")
        level = None if found["level"] == ENTRIES else int(found["level"])
        index = int(found["index"].replace("x", "").replace("/", ""))
        tile = cls(level, index, int(found["width"] or WIDTH))
        if (level or 0) >= LEVELS or tile.path != path:
            raise ValueError("not a tile's path")
        return tile

    def width_at(self, size: int) -> int:
        """How many hashes (or entries) this tile has in a tree of ``size``."""
        total = size >> (HEIGHT * (self.level or 0))
        return max(0, min(WIDTH, total - self.index * WIDTH))


class TileHashes:
    """``hash_of`` for :mod:`.tree` on top of stored tiles; each tile is read once, and counted."""

    def __init__(self, read: ReadTile) -> None:
        self._read = read
        self._known: dict[tuple[int, int], bytes] = {}

    @property
    def reads(self) -> int:
        """How many tiles were read."""
        return len(self._known)

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of a perfect subtree.

        :raises ProofError: the stored tiles don't hold it
        """
        tile_level, height = divmod(level, HEIGHT)
        tile_index, first = divmod(index << height, WIDTH)
        key = (tile_level, tile_index)
        if key not in self._known:
            self._known[key] = self._read(tile_level, tile_index)
        hashes = self._known[key][first * HASH_BYTES : (first + (1 << height)) * HASH_BYTES]
        if len(hashes) != HASH_BYTES << height:
            raise ProofError(f"tile {Tile(tile_level, tile_index).path} is missing or too short")
        return root_over(split(hashes))


def grow(size: int, leaves: Sequence[bytes], read: ReadTile) -> dict[tuple[int, int], bytes]:
    """The tiles that change when a tree of ``size`` gets these leaf hashes, by level and index.

    Reads at most the right-most tile of each level.
    """
    changed: dict[tuple[int, int], bytes] = {}
    level, stood, added = 0, size, list(leaves)
    while added:
        index, used = divmod(stood, WIDTH)
        hashes = read(level, index)[: used * HASH_BYTES] if used else b""
        if len(hashes) != used * HASH_BYTES:
            raise ProofError(f"tile {Tile(level, index).path} is missing or too short")
        hashes += b"".join(added)
        completed: list[bytes] = []
        for start in range(0, len(hashes), WIDTH * HASH_BYTES):
            tile = hashes[start : start + WIDTH * HASH_BYTES]
            changed[level, index] = tile
            if len(tile) == WIDTH * HASH_BYTES:
                completed.append(root_over(split(tile)))
            index += 1
        level, stood, added = level + 1, stood // WIDTH, completed
    return changed


def over(changed: dict[tuple[int, int], bytes], read: ReadTile) -> HashOf:
    """Hashes of the tree as it stands with the changed tiles in it."""

    def look(level: int, index: int) -> bytes:
        tile = changed.get((level, index))
        return read(level, index) if tile is None else tile

    return TileHashes(look)


def split(hashes: bytes) -> list[bytes]:
    """A tile's hashes one by one."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
