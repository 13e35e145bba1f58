"""The vectors that we publish are current, and true by the naive reference."""

from __future__ import annotations

import hashlib
import json

from consent_service.ledger import proof
from consent_service.ledger.checkpoint import open_checkpoint
from consent_service.ledger.note import VerifierKey
from consent_service.ledger.proof import Bundle
from tests.ledger.test_rfc9162_tree import mth, path
from tests.ledger.test_rfc9162_tree import proof as consistency
from tests.vectors.make import FILE, leaves, make

VECTORS = json.loads(FILE.read_text())


def test_they_are_what_the_program_writes() -> None:
    assert make() == VECTORS


def test_roots_and_proofs_are_the_reference_s() -> None:
    entries = leaves(600)
    for size, root in VECTORS["roots"].items():
        assert mth(entries[: int(size)]).hex() == root
    for one in VECTORS["inclusion"]:
        assert [part.hex() for part in path(one["index"], entries[: one["size"]])] == one["path"]
    for one in VECTORS["consistency"]:
        assert [part.hex() for part in consistency(one["old"], entries[: one["new"]])] == one["path"]


def test_tiles_are_the_hashes_of_the_specification() -> None:
    entries = leaves(600)
    hashes = [hashlib.sha256(b"\x00" + one).digest() for one in entries]
    level1 = [mth(entries[:256]), mth(entries[256:512])]
    expected = {
        "0/000": hashes[:256],
        "0/001": hashes[256:512],
        "0/002.p/88": hashes[512:],
        "1/000.p/2": level1,
    }
    found = {name: hashlib.sha256(b"".join(parts)).hexdigest() for name, parts in expected.items()}
    assert found == VECTORS["tiles"]


def test_the_notes_and_the_bundle_hold() -> None:
    note = VECTORS["note"]
    log, witness = (VerifierKey.parse(note[f"{one}_verifier_key"]) for one in ("log", "witness"))
    assert open_checkpoint(note["checkpoint"], log).checkpoint.root.hex() == VECTORS["roots"]["600"]
    assert len(open_checkpoint(note["cosigned_checkpoint"], log, [witness]).witnesses) == 1
    assert proof.check(Bundle.parse(VECTORS["proof"]["bundle"]), log).payload is not None
