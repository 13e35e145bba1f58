"""Signed notes (C2SP ``signed-note``) with Ed25519 keys, and witnesses' cosignatures (``tlog-cosignature``).

Pure. A note is a text and lines of signatures under it; what no known key signed is ignored.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519, COSIGNATURE = 0x01, 0x04
"""Signature types (signed-note, tlog-cosignature)."""
MOST_SIGNATURES = 64
LONGEST = 64 * 1024  # characters of a note
DASH = "\u2014 "
NAME = re.compile(r"[^\s+\x00-\x20]{1,255}")


class NoteError(ValueError):
    """A note or key that can't be used; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key's name, type and public part: a "vkey"."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || type || public key)[:4]."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """``<name>+<key id in hex>+<base64 of type and key>``."""
        return (
            f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"
        )

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The inverse of ``str``.

        :raises NoteError: malformed, of an unknown type, or the key id is another key's
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        material = decode_base64(encoded)
        if not NAME.fullmatch(name) or len(material) != 33 or material[0] not in {ED25519, COSIGNATURE}:
            raise NoteError("a verifier key is <name>+<key id>+<base64>, of an Ed25519 key")
        key = cls(name, material[0], material[1:])
        if key.key_id.hex() != key_id:
            raise NoteError("the verifier key's id does not belong to its name and key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name and id, and the bytes after them."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"

    def of(self, key: VerifierKey) -> bool:
        """Whether the line says that it is this key's."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A text ending in a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    @classmethod
    def parse(cls, note: str) -> Note:
        """Read a note; verifies nothing.

        :raises NoteError: malformed
        """
        text, blank, lines = note.rpartition("\n\n")
        if not blank or not lines.endswith("\n") or len(note) > LONGEST:
            raise NoteError("a signed note is a text, an empty line and signatures")
        if any(ord(one) < 0x20 and one != "\n" for one in note):
            raise NoteError("a signed note holds no control characters")
        found = [_signature(line) for line in lines[:-1].split("\n")]
        if len(found) > MOST_SIGNATURES:
            raise NoteError("too many signatures")
        return cls(text + "\n", tuple(found))

    def verified_by(self, keys: Sequence[VerifierKey]) -> list[Verified]:
        """The known keys whose signatures hold.

        1. Signatures of unknown keys are ignored.
        2. A signature of a known key that does not hold spoils the note.

        :raises NoteError: such a signature
        """
        found: list[Verified] = []
        for signature in self.signatures:
            known = [key for key in keys if signature.of(key)]
            found += [Verified(key, _check(self.text, signature, key)) for key in known]
        return found


@dataclass(frozen=True, slots=True)
class Verified:
    """A key whose signature holds, and when it was given, where the signature says that."""

    key: VerifierKey
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """Signs notes under a name."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, ED25519, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> Note:
        """The note of ``text``, which ends in a newline, under this key's signature."""
        value = self.private.sign(text.encode())
        return Note(text, (Signature(self.name, self.verifier.key_id, value),))


def cosign(text: str, name: str, private: Ed25519PrivateKey, at: dt.datetime) -> Signature:
    """A witness's signature over a checkpoint's text (``tlog-cosignature``, Ed25519)."""
    seconds = int(at.timestamp())
    key = VerifierKey(name, COSIGNATURE, private.public_key().public_bytes_raw())
    value = seconds.to_bytes(8) + private.sign(_cosigned(text, seconds))
    return Signature(name, key.key_id, value)


def signature_lines(text: str) -> tuple[Signature, ...]:
    """The signature lines of a witness's answer.

    :raises NoteError: malformed
    """
    return Note.parse(f"\n\n{text}").signatures


def decode_base64(text: str) -> bytes:
    """Base64 (RFC 4648 section 4) in its one canonical spelling: unused bits are zero (section 3.5).

    :raises NoteError: anything else
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("a text that should be base64 is not") from error
    if base64.b64encode(value).decode() != text:
        raise NoteError("a text that should be base64 is not in its canonical form")
    return value


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    value = decode_base64(encoded)
    if not line.startswith(DASH) or not NAME.fullmatch(name) or len(value) < 5:
        raise NoteError("a malformed signature line")
    return Signature(name, value[:4], value[4:])


def _check(text: str, signature: Signature, key: VerifierKey) -> dt.datetime | None:
    message, value, at = text.encode(), signature.value, None
    try:
        if key.kind == COSIGNATURE:
            if len(value) != 72:
                raise InvalidSignature
            seconds, value = int.from_bytes(value[:8]), value[8:]
            message, at = _cosigned(text, seconds), dt.datetime.fromtimestamp(seconds, dt.UTC)
        Ed25519PublicKey.from_public_bytes(key.public).verify(value, message)
    except (InvalidSignature, ValueError, OverflowError, OSError) as error:
        raise NoteError(f"the signature of {key.name} does not hold") from error
    return at


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
