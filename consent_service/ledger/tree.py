"""The Merkle tree of RFC 9162: root, inclusion and consistency proofs, and how they are checked.

Pure. A proof is made from ``hash_of(level, index)``, the hash of the ``index``-th perfect
subtree of ``2**level`` leaves, and asks for O(log n) of them, never for a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the tree without leaves (RFC 9162 section 2.1.1)."""

HashOf = Callable[[int, int], bytes]


class ProofError(ValueError):
    """A proof that can't be made or does not hold; the message says why in one sentence."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry) (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right) (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_over(hashes: Sequence[bytes]) -> bytes:
    """MTH over leaf hashes, or over roots of equal perfect subtrees of which only the last may be smaller.

    Pairs from the left; one that is left over goes up as it is, which is what RFC 9162's split
    at the largest power of two comes to.
    """
    level = list(hashes) or [EMPTY_ROOT]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)] + odd
    return level[0]


def root(size: int, hash_of: HashOf) -> bytes:
    """MTH(D[0:size]) (RFC 9162 section 2.1.1)."""
    return _range_root(0, size, hash_of) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hash_of: HashOf) -> list[bytes]:
    """PATH(index, D[0:size]) (RFC 9162 section 2.1.3.1), the leaf's sibling first.

    :raises ProofError: the index is not in a tree of this size
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no entry {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, hash_of))
            end = middle
        else:
            path.append(_range_root(start, middle, hash_of))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, hash_of: HashOf) -> list[bytes]:
    """PROOF(old, D[0:new]) (RFC 9162 section 2.1.4.1); empty from 0 and between equal sizes.

    :raises ProofError: the sizes are negative or in the wrong order
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {old} can't be the beginning of a tree of {new}")
    proof: list[bytes] = []
    start, end, known = 0, new, True  # known: the verifier has MTH of [start:old], it is the old root
    if old == 0:
        return proof
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, hash_of))
            end = middle
        else:
            proof.append(_range_root(start, middle, hash_of))
            start, known = middle, False
    return ([] if known else [_range_root(start, end, hash_of)]) + proof[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> None:
    """Check that a leaf stands at an index of the tree with this root (RFC 9162 section 2.1.3.2).

    :param leaf: the leaf's hash
    :raises ProofError: it does not, or the proof is of another tree or malformed
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no entry {index} in a tree of {size}")
    if len(leaf) != HASH_BYTES or len(expected_root) != HASH_BYTES:
        raise ProofError(f"a hash has {HASH_BYTES} bytes")
    found = leaf
    for sibling, left in _sides(index, size - 1, path):
        found = node_hash(sibling, found) if left else node_hash(found, sibling)
    if found != expected_root:
        raise ProofError("the inclusion proof leads to another root: the entry is not in this tree")


def check_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that one tree is the beginning of another (RFC 9162 section 2.1.4.2).

    :raises ProofError: it is not, or the proof is malformed
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {old} can't be the beginning of a tree of {new}")
    if old == 0:  # RFC 9162 proves nothing from there: every log begins empty
        raise ProofError("the empty tree is the beginning of every tree: there is nothing to prove")
    if old == new:
        if path:
            raise ProofError("the consistency proof must be empty here")
        if old_root != new_root:
            raise ProofError("two trees of one size have different roots: the log has forked")
        return
    if not path:
        raise ProofError("the consistency proof is empty")
    hashes = list(path) if old & (old - 1) else [old_root, *path]  # a power of two: the root is a node
    perfect = (old & -old).bit_length() - 1  # the last subtree of the old tree is there whole
    first = second = hashes[0]
    for sibling, left in _sides((old - 1) >> perfect, (new - 1) >> perfect, hashes[1:]):
        first = node_hash(sibling, first) if left else first
        second = node_hash(sibling, second) if left else node_hash(second, sibling)
    if first != old_root:
        raise ProofError("the consistency proof does not lead to the old root: the log has forked")
    if second != new_root:
        raise ProofError("the consistency proof does not lead to the new root: the log has forked")


def _sides(fn: int, sn: int, path: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each sibling on the way to the root, and whether it stands on the left.

    ``fn`` and ``sn`` are RFC 9162's: the node's and the last node's place on their level.

    :raises ProofError: the path is too long or too short for these places
    """
    for sibling in path:
        if sn == 0:
            raise ProofError("the proof is too long")
        left = bool(fn & 1) or fn == sn
        yield sibling, left
        if left:  # nothing stands to the right of a last node until it is somebody's right child
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the proof is too short")


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_root(start: int, end: int, hash_of: HashOf) -> bytes:
    """MTH(D[start:end]), where ``start`` is a multiple of the power of two that covers the range."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return hash_of(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range_root(start, middle, hash_of), _range_root(middle, end, hash_of))
