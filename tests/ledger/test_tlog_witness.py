"""C2SP tlog-witness: witnesses are asked, what they sign is published, and none can hold the log up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from consent_service.commands.serve import free_port
from consent_service.ledger.checkpoint import open_checkpoint, unverified
from consent_service.ledger.note import NoteError, VerifierKey
from consent_service.ledger.witness import Witness, Witnesses
from tests.ledger.conftest import Ledger

PROGRAM = Path(__file__).parents[1] / "outside" / "witness.py"


@pytest.fixture
def start(ledger: Ledger, tmp_path: Path) -> Iterator[Any]:
    """Start a witness program; returns how to reach it."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(behaviour: str = "honest", state: str = "state") -> Witness:
        port = free_port()
        command = [sys.executable, str(PROGRAM), str(port), str(tmp_path / state), str(ledger.key), behaviour]
        running.append(subprocess.Popen(command, cwd=Path(__file__).parents[2]))
        for _ in range(200):
            try:
                key = httpx2.get(f"http://127.0.0.1:{port}/").text
                return Witness.parse(f"{key}@http://127.0.0.1:{port}")
            except httpx2.HTTPError:
                time.sleep(0.05)
        raise AssertionError("the witness did not start")

    yield begin
    for process in running:
        process.kill()
        process.wait()


def with_witnesses(ledger: Ledger, *members: Witness) -> Ledger:
    return Ledger.at(str(ledger.engine.url), ledger.home, Witnesses(members))


def cosigners(ledger: Ledger, *members: Witness) -> list[str]:
    opened = open_checkpoint(ledger.published, ledger.key, [one.key for one in members])
    return [one.key.name for one in opened.witnesses]


def test_what_witnesses_sign_is_published(ledger: Ledger, start: Any) -> None:
    witness = start()
    watched = with_witnesses(ledger, witness)
    for size in range(2, 5):  # the first time from nothing, then from what it signed before
        watched.append(number=size)
        watched.sequencer.step()
        assert unverified(watched.published).size == size
        assert cosigners(watched, witness) == ["witness.example/honest"]
    assert watched.verify()


def test_another_node_that_does_not_know_what_the_witness_signed_learns_it(
    ledger: Ledger, start: Any
) -> None:
    witness = start()
    for node in (with_witnesses(ledger, witness), with_witnesses(ledger, witness)):
        node.append(number=1)
        node.sequencer.step()
        assert cosigners(node, witness) == ["witness.example/honest"]


def test_a_witness_refuses_a_rollback_and_nothing_of_it_is_published(
    ledger: Ledger, start: Any, tmp_path: Path
) -> None:
    witness = start()
    watched = with_witnesses(ledger, witness)
    watched.append(number=1)
    watched.sequencer.step()
    # The witness has seen another history of this length, and more of it.
    (tmp_path / "state").write_text('{"size": 2, "root": "' + "00" * 32 + '"}')
    again = with_witnesses(ledger, witness)
    again.append(number=2)
    again.sequencer.step()
    assert unverified(again.published).size == 3
    assert cosigners(again, witness) == []
    (tmp_path / "state").write_text('{"size": 2000, "root": "' + "00" * 32 + '"}')
    again = with_witnesses(ledger, witness)
    again.append(number=3)
    again.sequencer.step()
    assert cosigners(again, witness) == []


def test_a_witness_that_is_late_or_lies_or_is_gone_holds_nobody_up(ledger: Ledger, start: Any) -> None:
    good, late, liar = start(), start("sleepy", "s2"), start("forger", "s3")
    drip, flood = start("drip", "s4"), start("flood", "s5")
    gone = Witness(good.key, "http://127.0.0.1:9")
    watched = with_witnesses(ledger, late, liar, gone, drip, flood, good)
    watched.append(number=1)
    begun = time.monotonic()
    watched.sequencer.step()
    assert time.monotonic() - begun < 10  # the drip would go on for hours
    assert unverified(watched.published).size == 2
    assert cosigners(watched, good, late, liar) == ["witness.example/honest"]
    assert "forger" not in watched.published


def test_one_who_sequences_and_dies_before_publishing_is_made_good(ledger: Ledger, start: Any) -> None:
    witness = start()
    watched = with_witnesses(ledger, witness)
    watched.append(number=1)
    publish = watched.sequencer._publish
    watched.sequencer._publish = lambda note: None  # type: ignore[method-assign]
    watched.sequencer.step()
    assert unverified(watched.published).size == 1
    watched.sequencer._publish = publish  # type: ignore[method-assign]
    for _ in range(20):
        watched.sequencer.step()
    assert unverified(watched.published).size == 2
    assert cosigners(watched, witness) == ["witness.example/honest"]


def test_a_witness_that_is_no_longer_configured_holds_no_checkpoint_back(ledger: Ledger, start: Any) -> None:
    watched = with_witnesses(ledger, start())
    watched.append(number=1)
    watched.sequencer._publish = lambda note: None  # type: ignore[method-assign]
    watched.sequencer.step()
    alone = with_witnesses(ledger)
    for _ in range(20):
        alone.sequencer.step()
    assert unverified(alone.published).size == 2


@pytest.mark.parametrize(
    "text",
    ["", "key@https://w.example", "@", "witness.example/honest+00000000+AAAA@https://w.example"],
)
def test_a_witness_is_a_cosigner_s_key_and_an_address(text: str) -> None:
    with pytest.raises(NoteError):
        Witness.parse(text)


def test_a_log_s_own_key_is_no_witness(ledger: Ledger) -> None:
    assert ledger.key.kind == 1
    with pytest.raises(NoteError):
        Witness.parse(f"{ledger.key}@https://w.example")
    cosigner = VerifierKey(ledger.key.name, 4, ledger.key.public)
    with pytest.raises(NoteError):
        Witness.parse(f"{cosigner}@http://w.example")
