"""Write ``ledger.json``, the test vectors that others may use: ``python -m tests.vectors.make``."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_service.ledger import tree
from consent_service.ledger.checkpoint import Checkpoint
from consent_service.ledger.model import Entry, Kind, canonical, commit
from consent_service.ledger.note import COSIGNATURE, Note, NoteSigner, VerifierKey, cosign
from consent_service.ledger.proof import Bundle
from consent_service.ledger.tiles import Tile, TileHashes, grow

FILE = Path(__file__).parent / "ledger.json"
SIZES = [*range(18), 31, 32, 33, 255, 256, 257, 511, 512, 513, 600]
AT = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)


def leaves(count: int) -> list[bytes]:
    """``entry 0``, ``entry 1`` and so on."""
    return [f"entry {number}".encode() for number in range(count)]


def make() -> dict[str, Any]:
    """Everything, from fixed inputs."""
    tiles: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        return tiles.get((level, index), b"")

    entries = leaves(max(SIZES))
    tiles.update(grow(0, [tree.leaf_hash(one) for one in entries], read))
    hashes = TileHashes(read)
    roots = {size: tree.root(size, hashes) for size in SIZES}
    log = NoteSigner("log.example/vectors", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
    witness = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
    return {
        "about": "entry N is the text 'entry N'; hashes are hexadecimal unless a format says otherwise",
        "roots": {str(size): roots[size].hex() for size in SIZES},
        "inclusion": [
            {
                "index": index,
                "size": size,
                "path": [one.hex() for one in tree.inclusion_proof(index, size, hashes)],
            }
            for size in SIZES
            for index in sorted({0, size // 3, size - 1})
            if 0 <= index < size
        ],
        "consistency": [
            {
                "old": old,
                "new": new,
                "path": [one.hex() for one in tree.consistency_proof(old, new, hashes)],
            }
            for new in SIZES
            for old in sorted({1, new // 2, new - 1, new})
            if 0 < old <= new
        ],
        "tiles": {
            Tile(level, index, len(content) // 32).path: hashlib.sha256(content).hexdigest()
            for (level, index), content in sorted(tiles.items())
        },
        "note": _note(log, witness, roots[600]),
        "proof": _proof(log),
    }


def _note(log: NoteSigner, witness: Ed25519PrivateKey, root: bytes) -> dict[str, str]:
    signed = Checkpoint(log.name, 600, root).sign(log)
    line = cosign(signed.text, "witness.example/vectors", witness, AT)
    key = VerifierKey("witness.example/vectors", COSIGNATURE, witness.public_key().public_bytes_raw())
    return {
        "log_private_key": (b"\x01" * 32).hex(),
        "log_verifier_key": str(log.verifier),
        "witness_private_key": (b"\x02" * 32).hex(),
        "witness_verifier_key": str(key),
        "checkpoint": str(signed),
        "cosigned_checkpoint": str(Note(signed.text, (*signed.signatures, line))),
    }


def _proof(log: NoteSigner) -> dict[str, str]:
    salt, payload = b"\x03" * 32, canonical({"owner": "0192:923609016", "text": "Blåbærgrøt 🫐"})
    entry = Entry(
        "01890a5d-ac96-774b-bcce-b302099a8057",
        Kind.DECISION_PERMIT,
        AT,
        commit(salt, payload),
        grant_id="5f0c7c0e-0000-4000-8000-000000000000",
        grant_version=1,
        client_id="holder-1",
    ).encode()
    others = leaves(12)
    tiles = grow(0, [tree.leaf_hash(one) for one in (*others[:5], entry, *others[5:])], lambda *_: b"")
    hashes = TileHashes(lambda level, index: tiles.get((level, index), b""))
    note = str(Checkpoint(log.name, 13, tree.root(13, hashes)).sign(log))
    path = tuple(tree.inclusion_proof(5, 13, hashes))
    made = Bundle(5, path, note, entry.decode(), payload.decode(), salt)
    return {
        "salt": base64.b64encode(salt).decode(),
        "payload": payload.decode(),
        "payload_hash": commit(salt, payload),
        "entry": entry.decode(),
        "leaf_hash": tree.leaf_hash(entry).hex(),
        "bundle": str(made),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
