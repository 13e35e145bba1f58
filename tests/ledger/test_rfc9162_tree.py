"""RFC 9162: the Merkle tree, its proofs, and how few hashes they need."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.ledger import tree
from consent_service.ledger.rebuild import Rebuilt, TreeError
from consent_service.ledger.tiles import WIDTH, Tile, TileHashes, grow
from consent_service.ledger.tree import ProofError

PUBLISHED = json.loads((Path(__file__).parent / "published" / "transparency-dev-merkle.json").read_text())
MOST = 600
LEAVES = [f"entry {number}".encode() for number in range(MOST)]


# The reference: RFC 9162's recursive definitions, word for word, over the entries themselves.
def mth(entries: list[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: list[bytes]) -> list[bytes]:
    return subproof(m, entries, b=True) if 0 < m < len(entries) else []


def subproof(m: int, entries: list[bytes], *, b: bool) -> list[bytes]:
    if m == len(entries):
        return [] if b else [mth(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], b=b), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], b=False), mth(entries[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class Store(dict[tuple[int, int], bytes]):
    """Tiles in memory, as the database has them."""

    size = 0

    def read(self, level: int, index: int) -> bytes:
        return self.get((level, index), b"")

    def append(self, *entries: bytes) -> None:
        self.update(grow(self.size, [tree.leaf_hash(one) for one in entries], self.read))
        self.size += len(entries)


def test_every_size_from_0_to_600_has_the_reference_s_root_and_proofs() -> None:
    store, roots = Store(), [mth(LEAVES[:size]) for size in range(MOST + 1)]
    chance = random.Random(9162)
    for size in range(MOST + 1):
        if size:
            store.append(LEAVES[size - 1])
        assert tree.root(size, TileHashes(store.read)) == roots[size]
        for index in {0, size - 1, *(chance.randrange(size) for _ in range(3))} if size else ():
            made = tree.inclusion_proof(index, size, TileHashes(store.read))
            assert made == path(index, LEAVES[:size])
            tree.check_inclusion(tree.leaf_hash(LEAVES[index]), index, size, made, roots[size])
        for old in {0, size, size // 2, *(chance.randrange(size + 1) for _ in range(3))}:
            made = tree.consistency_proof(old, size, TileHashes(store.read))
            assert made == proof(old, LEAVES[:size])
            if old == 0:
                continue
            tree.check_consistency(old, size, made, roots[old], roots[size])


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_it_does_not_matter_in_which_portions_entries_come(portions: list[int]) -> None:
    entries = [number.to_bytes(4) for number in range(sum(portions))]
    whole, piecewise = Store(), Store()
    whole.append(*entries)
    at = 0
    for portion in portions:
        piecewise.append(*entries[at : at + portion])
        at += portion
    assert whole == piecewise


def test_known_hashes() -> None:
    # transparency-dev/merkle, rfc6962/rfc6962_test.go (Apache License 2.0).
    assert tree.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert (
        tree.leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    )
    assert (
        tree.node_hash(b"N123", b"N456").hex()
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )


@pytest.mark.parametrize("case", PUBLISHED["inclusion"], ids=lambda case: case["desc"])
def test_published_inclusion_proofs(case: dict[str, Any]) -> None:
    arguments = (
        _decode(case["leafHash"]),
        case["leafIdx"],
        case["treeSize"],
        [_decode(one) for one in case["proof"] or []],
        _decode(case["root"]),
    )
    if case["wantErr"]:
        with pytest.raises(ProofError):
            tree.check_inclusion(*arguments)
    else:
        tree.check_inclusion(*arguments)


@pytest.mark.parametrize("case", PUBLISHED["consistency"], ids=lambda case: case["desc"])
def test_published_consistency_proofs(case: dict[str, Any]) -> None:
    arguments = (
        case["size1"],
        case["size2"],
        [_decode(one) for one in case["proof"] or []],
        _decode(case["root1"]),
        _decode(case["root2"]),
    )
    if case["wantErr"]:
        with pytest.raises(ProofError):
            tree.check_consistency(*arguments)
    else:
        tree.check_consistency(*arguments)


class Uniform:
    """A log of any length whose entries are all the same, so that its tiles need no storage."""

    def __init__(self, size: int) -> None:
        self.size, self.levels = size, [tree.leaf_hash(b"")]
        while len(self.levels) < 8:
            self.levels.append(tree.root_over([self.levels[-1]] * WIDTH))

    def read(self, level: int, index: int) -> bytes:
        return self.levels[level] * Tile(level, index).width_at(self.size)


def test_a_log_of_100_million_entries_needs_a_handful_of_reads(capsys: pytest.CaptureFixture[str]) -> None:
    size = 100_000_000
    log = Uniform(size)
    root = tree.root(size, TileHashes(log.read))
    most = {"inclusion": 0, "consistency": 0, "append": 0}
    chance = random.Random(1)
    for index in [0, size - 1, size // 2, *(chance.randrange(size) for _ in range(40))]:
        hashes = TileHashes(log.read)
        made = tree.inclusion_proof(index, size, hashes)
        tree.check_inclusion(tree.leaf_hash(b""), index, size, made, root)
        most["inclusion"] = max(most["inclusion"], hashes.reads)
    for old in [1, size - 1, *(chance.randrange(1, size) for _ in range(40))]:
        hashes = TileHashes(log.read)
        made = tree.consistency_proof(old, size, hashes)
        old_root = tree.root(old, TileHashes(Uniform(old).read))
        tree.check_consistency(old, size, made, old_root, root)
        most["consistency"] = max(most["consistency"], hashes.reads)
    asked: set[tuple[int, int]] = set()

    def counting(level: int, index: int) -> bytes:
        asked.add((level, index))
        return log.read(level, index)

    grow(size, [tree.leaf_hash(b"")], counting)
    most["append"] = len(asked)
    # The tree is four tiles high; a proof reads the tiles over its leaf and those on the right edge.
    assert most["inclusion"] <= 8
    assert most["consistency"] <= 12
    assert most["append"] <= 4
    with capsys.disabled():
        print(f"\n100 million entries, tiles read at most: {most}")


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (6, 5), (-1, 5), (2**64, 5), (0, -1)])
def test_an_index_beyond_the_tree_is_a_clear_error(index: int, size: int) -> None:
    store = Store()
    store.append(*LEAVES[:5])
    with pytest.raises(ProofError, match="there is no entry"):
        tree.inclusion_proof(index, size, TileHashes(store.read))
    with pytest.raises(ProofError, match="there is no entry"):
        tree.check_inclusion(b"x" * 32, index, size, [], b"y" * 32)


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5), (2**70, 5)])
def test_sizes_in_the_wrong_order_are_a_clear_error(old: int, new: int) -> None:
    with pytest.raises(ProofError, match="can't be the beginning"):
        tree.consistency_proof(old, new, TileHashes(Store().read))
    with pytest.raises(ProofError, match="can't be the beginning"):
        tree.check_consistency(old, new, [], b"", b"")


def test_a_proof_from_tiles_that_are_not_there_is_a_clear_error() -> None:
    store = Store()
    store.append(*LEAVES[:300])
    del store[0, 1]
    with pytest.raises(ProofError, match="tile 0/001 is missing"):
        tree.inclusion_proof(280, 300, TileHashes(store.read))


def test_a_rebuilt_tree_finds_every_changed_hash() -> None:
    store = Store()
    store.append(*LEAVES)
    for key, tile in list(store.items()):
        for place in range(0, len(tile), 32 * 37):
            store[key] = tile[:place] + bytes([tile[place] ^ 1]) + tile[place + 1 :]
            rebuilt = Rebuilt(store.read)
            with pytest.raises(TreeError):
                for leaf in LEAVES:
                    rebuilt.add(tree.leaf_hash(leaf))
                rebuilt.finish()
        store[key] = tile


def _decode(text: str | None) -> bytes:
    return base64.b64decode(text or "")
