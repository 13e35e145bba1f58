"""A passkey in software: makes the answer of ``navigator.credentials.create`` (WebAuthn section 5.1.3)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT_VERIFIED_ATTESTED = 0x01 | 0x04 | 0x40


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def create(options: dict[str, Any], origin: str, attachment: str) -> dict[str, Any]:
    """A new credential without attestation, by an authenticator that is built in or roams."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    credential_id = secrets.token_bytes(16)
    data = (
        hashlib.sha256(options["rp"]["id"].encode()).digest()
        + bytes([PRESENT_VERIFIED_ATTESTED])
        + (0).to_bytes(4, "big")
        + bytes(16)
        + len(credential_id).to_bytes(2, "big")
        + credential_id
        + cbor2.dumps(public)
    )
    client = {"type": "webauthn.create", "challenge": options["challenge"], "origin": origin}
    return {
        "id": base64url(credential_id),
        "rawId": base64url(credential_id),
        "type": "public-key",
        "authenticatorAttachment": attachment,
        "response": {
            "clientDataJSON": base64url(json.dumps(client).encode()),
            "attestationObject": base64url(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        },
    }
