"""C2SP signed-note, tlog-checkpoint and tlog-cosignature."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from consent_service.ledger.checkpoint import Checkpoint, open_checkpoint
from consent_service.ledger.note import COSIGNATURE, Note, NoteError, NoteSigner, VerifierKey, cosign

# The example of C2SP signed-note ("Verifier keys, Example").
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SIGNER = NoteSigner("log.example/one", Ed25519PrivateKey.from_private_bytes(b"1" * 32))
WITNESS = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
CHECKPOINT = Checkpoint("log.example/one", 20852163, b"r" * 32)
AT = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)


def test_the_specification_s_example_note_holds_under_its_key() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    assert [one.key for one in Note.parse(EXAMPLE).verified_by([key])] == [key]
    assert str(key) == EXAMPLE_KEY
    assert str(Note.parse(EXAMPLE)) == EXAMPLE


def test_a_checkpoint_is_origin_size_and_root_under_the_log_s_signature() -> None:
    note = str(CHECKPOINT.sign(SIGNER))
    lines = note.split("\n")
    assert lines[:4] == [
        "log.example/one",
        "20852163",
        base64.b64encode(b"r" * 32).decode(),
        "",
    ]
    assert lines[4].startswith("— log.example/one ")
    assert open_checkpoint(note, SIGNER.verifier).checkpoint == CHECKPOINT


@pytest.mark.parametrize("bit", range(7))
@pytest.mark.parametrize("place", range(0, 190, 3))
def test_one_changed_bit_of_a_checkpoint_is_noticed(place: int, bit: int) -> None:
    note = bytearray(str(CHECKPOINT.sign(SIGNER)).encode())
    note[place % len(note)] ^= 1 << bit
    with pytest.raises(NoteError):
        open_checkpoint(note.decode("utf-8", "replace"), SIGNER.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "log.example/one\n5\n",
        "log.example/one\n05\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "log.example/one\n-5\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "log.example/one\n" + "9" * 30 + "\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "log.example/one\n5\n" + base64.b64encode(b"r" * 31).decode() + "\n",
        "log.example/one\n5\nnot base64!\n",
        "\n5\n" + base64.b64encode(b"r" * 32).decode() + "\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused_though_it_is_signed(text: str) -> None:
    with pytest.raises(NoteError):
        open_checkpoint(str(SIGNER.sign(text)), SIGNER.verifier)


def test_another_log_s_checkpoint_is_refused() -> None:
    other = NoteSigner("log.example/two", SIGNER.private)
    with pytest.raises(NoteError, match=r"not of log\.example/one"):
        open_checkpoint(str(Checkpoint("log.example/two", 5, b"r" * 32).sign(other)), SIGNER.verifier)
    stranger = NoteSigner("log.example/one", WITNESS)
    with pytest.raises(NoteError, match="not signed by"):
        open_checkpoint(str(CHECKPOINT.sign(stranger)), SIGNER.verifier)


def test_signatures_of_unknown_keys_are_ignored_and_bad_ones_of_known_keys_are_not() -> None:
    signed = CHECKPOINT.sign(SIGNER)
    good = cosign(CHECKPOINT.text, "witness.example", WITNESS, AT)
    key = VerifierKey("witness.example", COSIGNATURE, WITNESS.public_key().public_bytes_raw())
    both = str(Note(signed.text, (*signed.signatures, good)))
    assert open_checkpoint(both, SIGNER.verifier).witnesses == ()
    [seen] = open_checkpoint(both, SIGNER.verifier, [key]).witnesses
    assert (seen.key, seen.at) == (key, AT)
    bad = cosign("another\n1\ntext\n", "witness.example", WITNESS, AT)
    with pytest.raises(NoteError, match=r"witness\.example does not hold"):
        open_checkpoint(str(Note(signed.text, (*signed.signatures, bad))), SIGNER.verifier, [key])


def test_a_cosignature_signs_its_time_too() -> None:
    # tlog-cosignature: "cosignature/v1", the time, then the checkpoint's text.
    line = cosign(CHECKPOINT.text, "witness.example", WITNESS, AT)
    seconds, signature = int.from_bytes(line.value[:8]), line.value[8:]
    assert seconds == int(AT.timestamp())
    WITNESS.public_key().verify(signature, f"cosignature/v1\ntime {seconds}\n{CHECKPOINT.text}".encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+abc",
        EXAMPLE_KEY[:-4],
        EXAMPLE_KEY.replace("530d903a", "530d903b"),
        EXAMPLE_KEY.replace("foo", "f oo"),
        EXAMPLE_KEY.replace("Aeky", "Aeky%"),
    ],
)
def test_what_is_not_a_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@given(st.text(max_size=300))
def test_no_text_makes_the_reader_fall_over(text: str) -> None:
    for wild in (text, f"{text}\n\n{text}\n", f"{text}\n\n— {text}\n", EXAMPLE + text):
        try:
            open_checkpoint(wild, SIGNER.verifier)
        except NoteError:
            continue
        raise AssertionError("something nobody signed was believed")
