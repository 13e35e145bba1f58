"""The tree made anew from its leaves, one after the other, and held against the stored tiles.

The same for the database and for a log over HTTP: only where tiles and leaves come from differs.
"""

from __future__ import annotations

from consent_service.ledger.tiles import HEIGHT, WIDTH, ReadTile, Tile, split
from consent_service.ledger.tree import HASH_BYTES, root_over


class TreeError(Exception):
    """The stored tree is not that of the entries; says which tile, and which entry where one is named."""

    def __init__(self, problem: str, index: int | None = None) -> None:
        super().__init__(problem)
        self.index = index


class Rebuilt:
    """A tree that grows leaf by leaf; memory holds one tile a level.

    :param read: the stored tiles
    :param start: how many leaves are taken from the tiles as they are; their root was checked
    """

    def __init__(self, read: ReadTile, start: int = 0) -> None:
        self._read, self.size = read, start
        self._levels: list[list[bytes]] = []
        self._stored = b""
        while start:
            tile = read(len(self._levels), start // WIDTH)[: start % WIDTH * HASH_BYTES]
            if len(tile) != start % WIDTH * HASH_BYTES:
                raise TreeError(
                    f"tile {Tile(len(self._levels), start // WIDTH).path} is missing or too short"
                )
            self._levels.append(split(tile))
            start //= WIDTH
        if self.size % WIDTH:
            self._stored = read(0, self.size // WIDTH)

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        found: list[bytes] = []
        for hashes in self._levels:
            found = [root_over([*hashes, *found])] if hashes or found else []
        return root_over(found)

    def add(self, leaf: bytes) -> None:
        """Take the next leaf's hash.

        :raises TreeError: the stored tile has another one there, or a full tile's root is not the stored one
        """
        place = self.size % WIDTH
        if place == 0:
            self._stored = self._read(0, self.size // WIDTH)
        if self._stored[place * HASH_BYTES : (place + 1) * HASH_BYTES] != leaf:
            raise TreeError(self._blame(place), self.size)
        self._put(0, leaf, self.size)
        self.size += 1

    def finish(self) -> None:
        """Hold the partial tiles of the upper levels against the stored ones, once all leaves are in.

        :raises TreeError: one differs
        """
        for level, hashes in enumerate(self._levels):
            index = (self.size >> (HEIGHT * level)) // WIDTH
            if self._read(level, index) != b"".join(hashes):
                raise TreeError(f"tile {Tile(level, index).path} is not the one that its entries make")

    def _put(self, level: int, found: bytes, position: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        hashes = self._levels[level]
        hashes.append(found)
        if len(hashes) < WIDTH:
            return
        index = position // WIDTH
        if level and self._read(level, index) != b"".join(hashes):
            raise TreeError(f"tile {Tile(level, index).path} is not the one that its entries make")
        if level == 0 and len(self._stored) != WIDTH * HASH_BYTES:
            raise TreeError(f"tile {Tile(0, index).path} has more than its 256 hashes")
        self._levels[level] = []
        self._put(level + 1, root_over(hashes), index)

    def _blame(self, place: int) -> str:
        """Entry or tile: whichever the tile above contradicts was changed."""
        index = self.size // WIDTH
        path = Tile(0, index).path
        if len(self._stored) <= place * HASH_BYTES:
            return f"tile {path} is missing or too short"
        above = self._read(1, index // WIDTH)[index % WIDTH * HASH_BYTES :][:HASH_BYTES]
        if above and above != root_over(split(self._stored)):
            return (
                f"its hash is not the one in tile {path}, and that tile was changed: the one above it says so"
            )
        return f"its bytes don't have the hash that tile {path} holds: the entry was changed, or the tile"
