"""A small witness (C2SP tlog-witness), a program of its own: ``witness.py PORT STATE LOG-KEY [BEHAVIOUR]``.

It keeps the size and root that it signed last in a file, signs only what goes on from there, and
refuses a rollback. Behaviours for tests: ``sleepy`` answers too late, ``forger`` signs rubbish,
``drip`` sends a byte now and then, ``flood`` never ends.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_service.ledger import tree
from consent_service.ledger.checkpoint import open_checkpoint
from consent_service.ledger.note import COSIGNATURE, NoteError, VerifierKey, cosign
from consent_service.ledger.tree import ProofError

PORT, STATE, LOG = int(sys.argv[1]), Path(sys.argv[2]), VerifierKey.parse(sys.argv[3])
BEHAVIOUR = sys.argv[4] if len(sys.argv) > 4 else "honest"
NAME = f"witness.example/{BEHAVIOUR}"
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(NAME.encode()).digest())


class Witness(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            self.answer(404)
            return
        if BEHAVIOUR == "sleepy":
            time.sleep(3)
        if BEHAVIOUR in {"drip", "flood"}:
            self.send_response(200)
            self.end_headers()
            for _ in range(100_000):
                self.wfile.write(b"x" * (65536 if BEHAVIOUR == "flood" else 1))
                time.sleep(0.2 if BEHAVIOUR == "drip" else 0)
            return
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        head, _, note = body.partition("\n\n")
        first, *lines = head.split("\n")
        old = int(first.removeprefix("old "))
        try:
            opened = open_checkpoint(note, LOG)
        except NoteError:
            self.answer(403)
            return
        seen = json.loads(STATE.read_text()) if STATE.exists() else {"size": 0, "root": ""}
        new = opened.checkpoint
        if old > new.size:
            self.answer(400)
        elif old != seen["size"]:
            self.answer(409, f"{seen['size']}\n", "text/x.tlog.size")
        else:
            try:
                proof = [base64.b64decode(line) for line in lines]
                if old:
                    tree.check_consistency(old, new.size, proof, bytes.fromhex(seen["root"]), new.root)
            except ProofError:
                self.answer(422)
                return
            STATE.write_text(json.dumps({"size": new.size, "root": new.root.hex()}))
            text = "something\nelse\n" if BEHAVIOUR == "forger" else new.text
            self.answer(200, str(cosign(text, NAME, KEY, dt.datetime.now(dt.UTC))))

    def do_GET(self) -> None:
        self.answer(200, str(VerifierKey(NAME, COSIGNATURE, KEY.public_key().public_bytes_raw())))

    def answer(self, status: int, body: str = "", kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


HTTPServer(("127.0.0.1", PORT), Witness).serve_forever()
