"""WebAuthn Level 3 at the portal, with an authenticator made of software."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.world import ISSUER, World, csrf

HTML = {"Accept": "text/html"}
PRESENT_AND_VERIFIED, WITH_KEY = 0x05, 0x40


class Authenticator:
    """One passkey of ours, ES256, attested by nobody."""

    def __init__(self) -> None:
        self._key, self._id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        self._count = 0

    def create(self, challenge: str, **more: Any) -> dict[str, Any]:
        point = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        attested = bytes(16) + struct.pack(">H", len(self._id)) + self._id + cbor2.dumps(public)
        data = self._data(PRESENT_AND_VERIFIED | WITH_KEY) + attested
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client_data("webauthn.create", challenge)
        return self._credential(clientDataJSON=client, attestationObject=statement) | more

    def sign_in(self, challenge: str) -> dict[str, Any]:
        data, client = self._data(PRESENT_AND_VERIFIED), _client_data("webauthn.get", challenge)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._credential(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _data(self, flags: int) -> bytes:
        self._count += 1
        return hashlib.sha256(b"localhost").digest() + struct.pack(">BI", flags, self._count)

    def _credential(self, **response: bytes) -> dict[str, Any]:
        told = {name: _text(value) for name, value in response.items()}
        return {"id": _text(self._id), "rawId": _text(self._id), "type": "public-key", "response": told}


def _client_data(kind: str, challenge: str) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": ISSUER}).encode()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def posted(browser: FlaskClient, path: str, document: Any = None) -> TestResponse:
    headers = {"X-CSRFToken": csrf(browser.get("/sign-in", headers=HTML))}
    return browser.post(path, json=document, headers=headers)


def added(browser: FlaskClient, passkey: Authenticator, **more: Any) -> TestResponse:
    challenge = posted(browser, "/passkey/options").json["challenge"]
    return posted(browser, "/passkey", passkey.create(challenge, **more))


def test_a_passkey_is_made_and_signs_in_with_the_challenge_that_was_given_once(both_worlds: World) -> None:
    passkey = Authenticator()
    assert added(both_worlds.sign_in(), passkey, name="My phone").status_code == 204
    browser = both_worlds.app.test_client()
    challenge = posted(browser, "/sign-in/passkey/options").json["challenge"]
    answer = passkey.sign_in(challenge)
    assert posted(browser, "/sign-in/passkey", answer).status_code == 200
    assert "My phone" in browser.get("/account", headers=HTML).text
    assert posted(browser, "/sign-in/passkey", answer).status_code == 400
    assert posted(browser, "/sign-in/passkey", passkey.sign_in(challenge)).status_code == 400


def test_an_answer_to_no_challenge_is_refused(world: World) -> None:
    """Section 7.2, step 11: otherwise an answer could be made long before, and used anywhere."""
    passkey, browser = Authenticator(), world.sign_in()
    assert posted(browser, "/passkey", passkey.create("")).status_code == 400
    assert added(browser, passkey).status_code == 204
    stranger = world.app.test_client()
    assert posted(stranger, "/sign-in/passkey", passkey.sign_in("")).status_code == 400
    assert stranger.get("/account", headers=HTML).status_code == 303


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800", "a\u202eb", "n" * 61])
def test_a_passkey_has_a_name_that_can_be_kept_and_read(both_worlds: World, name: str) -> None:
    assert added(both_worlds.sign_in(), Authenticator(), name=name).status_code == 400


def test_a_passkey_is_added_only_soon_after_signing_in(world: World) -> None:
    """An open session that somebody finds is not made theirs for good."""
    browser, passkey = world.sign_in(), Authenticator()
    challenge = posted(browser, "/passkey/options").json["challenge"]
    world.clock.advance(minutes=16)
    refused = posted(browser, "/passkey/options")
    assert (refused.status_code, "in again" in refused.json["detail"]) == (403, True)
    assert posted(browser, "/passkey", passkey.create(challenge)).status_code == 403
    other = posted(browser, "/sign-in/passkey/options").json["challenge"]
    assert posted(browser, "/passkey", passkey.create(other)).status_code == 403
    world.clock.advance(minutes=-16)  # the eID's clock did not go on
    world.sign_in_again(browser)
    assert added(browser, passkey).status_code == 204
