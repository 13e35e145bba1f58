"""C2SP tlog-proof: the bundle that a person keeps, checked offline with nothing but the public key."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from consent_service.cli import main
from consent_service.ledger import proof, prove, tree
from consent_service.ledger.checkpoint import Checkpoint
from consent_service.ledger.note import NoteSigner, VerifierKey
from consent_service.ledger.proof import Bundle
from consent_service.ledger.prove import NotYet
from consent_service.ledger.tree import ProofError
from tests.ledger.conftest import Ledger


def bundle_of(ledger: Ledger, entry_id: str, *, with_payload: bool = True) -> Bundle:
    with Session(ledger.engine) as session:
        return prove.bundle(session, entry_id, with_payload=with_payload)


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["ledger", "verify", *arguments])
    return done.exit_code, done.output


def test_a_bundle_holds_with_the_public_key_alone(ledger: Ledger, tmp_path: Path) -> None:
    entry_id = ledger.fill(300)[140]
    file = tmp_path / "one.tlog-proof"
    file.write_text(str(bundle_of(ledger, entry_id)))
    code, output = run(str(file), "--key", str(ledger.key))
    assert code == 0, output
    assert entry_id in output
    assert "its payload is the one recorded" in output
    (tmp_path / "key").write_text(f"{ledger.key}\n")
    assert run(str(file), "--key", str(tmp_path / "key"))[0] == 0


def test_the_file_has_the_specification_s_lines(ledger: Ledger) -> None:
    entry_id = ledger.fill(5)[2]
    lines = str(bundle_of(ledger, entry_id)).split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 3"
    blank = lines.index("")
    assert all(len(base64.b64decode(line)) == 32 for line in lines[3:blank])
    assert lines[blank + 1] == "log.example/ledger"
    assert "\n".join(lines[blank + 1 :]) == ledger.published


def test_reading_what_was_written_gives_the_same(ledger: Ledger) -> None:
    made = bundle_of(ledger, ledger.fill(9)[4])
    assert Bundle.parse(str(made)) == made


def test_without_the_payload_the_entry_is_proven_all_the_same(ledger: Ledger, tmp_path: Path) -> None:
    made = bundle_of(ledger, ledger.fill(9)[4], with_payload=False)
    assert "ærlig" not in base64.b64decode(str(made).split("\n")[1].removeprefix("extra ")).decode()
    assert proof.check(made, ledger.key).payload is None


def test_an_entry_without_a_place_has_no_proof_yet(ledger: Ledger) -> None:
    entry_id = ledger.append(number=1)
    with pytest.raises(NotYet):
        bundle_of(ledger, entry_id)


def test_every_changed_byte_is_noticed(ledger: Ledger) -> None:
    text = str(bundle_of(ledger, ledger.fill(40)[20]))
    for place in range(len(text)):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        with pytest.raises(ProofError):
            proof.check(Bundle.parse(changed), ledger.key)


def test_every_truncated_bundle_is_a_clear_error(ledger: Ledger) -> None:
    text = str(bundle_of(ledger, ledger.fill(5)[2]))
    for end in range(len(text)):
        with pytest.raises(ProofError):
            proof.check(Bundle.parse(text[:end]), ledger.key)


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_makes_the_reader_fall_over(one: str, other: str) -> None:
    key = VerifierKey("log.example/ledger", 1, b"k" * 32)
    extra = base64.b64encode(one.encode("utf-8", "replace")).decode()
    for text in (
        one,
        f"{proof.HEADER}\nextra {extra}\nindex 0\n\n{other}",
        f"{proof.HEADER}\n{one}\n\n{other}",
    ):
        with pytest.raises(ProofError):
            proof.check(Bundle.parse(text), key)


def test_a_bundle_of_another_tree_or_another_log_does_not_hold(ledger: Ledger, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = bundle_of(ledger, ledger.fill(9)[4])
    other = NoteSigner("log.example/ledger", Ed25519PrivateKey.generate())
    with pytest.raises(ProofError, match="not signed by"):
        proof.check(made, other.verifier)
    forged = Checkpoint("log.example/ledger", 10, tree.leaf_hash(b"another tree")).sign(other)
    with pytest.raises(ProofError, match="another root"):
        proof.check(Bundle(made.index, made.path, str(forged), made.entry), other.verifier)
    file = tmp_path / "forged"
    file.write_text(str(Bundle(made.index, made.path, str(forged), made.entry)))
    code, output = run(str(file), "--key", str(ledger.key))
    assert code == 1
    assert "does NOT hold" in output


@pytest.mark.parametrize("index", [-1, 10, 2**63, 10**30])
def test_an_index_beyond_the_tree_does_not_hold(ledger: Ledger, index: int) -> None:
    made = bundle_of(ledger, ledger.fill(9)[4])
    with pytest.raises(ProofError):
        proof.check(Bundle.parse(str(Bundle(index, made.path, made.checkpoint, made.entry))), ledger.key)


def test_another_entry_s_payload_does_not_hold(ledger: Ledger) -> None:
    one, other = (bundle_of(ledger, entry_id) for entry_id in ledger.fill(4)[1:3])
    mixed = Bundle(one.index, one.path, one.checkpoint, one.entry, other.payload, other.salt)
    with pytest.raises(ProofError, match="payload"):
        proof.check(mixed, ledger.key)


def test_a_file_that_is_no_text_is_a_clear_error(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(bytes(range(256)))
    assert run(str(tmp_path / "picture"), "--key", str(ledger.key))[0] == 1
    (tmp_path / "empty").write_text("")
    assert run(str(tmp_path / "empty"), "--key", str(ledger.key))[0] == 1
    (tmp_path / "some").write_text("c2sp.org/tlog-proof@v1\n")
    assert run(str(tmp_path / "some"), "--key", "no key at all")[0] == 2


def test_the_payload_s_text_is_what_was_recorded(ledger: Ledger) -> None:
    checked = proof.check(bundle_of(ledger, ledger.fill(4)[1]), ledger.key)
    assert checked.payload == {"number": 1, "owner": "0192:310028142", "text": "ærlig"}
    assert json.loads(json.dumps(checked.entry))["kind"] == "decision.permit"
