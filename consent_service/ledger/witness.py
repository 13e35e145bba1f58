"""Asking witnesses to cosign a checkpoint: the client of C2SP ``tlog-witness``.

A witness signs only what goes on from what it signed before. What it signs, an outsider need
not take on our word: a log that showed two histories would need the witness's help.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2
import structlog

from consent_service.config import check_origin
from consent_service.errors import ConfigurationError
from consent_service.ledger import tree
from consent_service.ledger.checkpoint import SIZE, Checkpoint
from consent_service.ledger.fetch import Unanswered, fetch
from consent_service.ledger.note import (
    COSIGNATURE,
    Note,
    NoteError,
    Signature,
    VerifierKey,
    signature_lines,
)
from consent_service.ledger.tiles import ReadTile, TileHashes
from consent_service.ledger.tree import ProofError

PATIENCE = 0.6  # seconds for one witness: a checkpoint is published every second, with or without it
LONGEST_PAUSE = 60.0  # seconds that a failing witness is left alone
LONGEST_ANSWER = 16 * 1024


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness's verifier key and submission prefix."""

    key: VerifierKey
    url: str

    @classmethod
    def parse(cls, text: str) -> Witness:
        """``<verifier key>@<URL>``.

        :raises NoteError: malformed
        """
        key_text, at, url = text.partition("@")
        key = VerifierKey.parse(key_text)
        if not at or key.kind != COSIGNATURE or check_origin(url):
            raise NoteError("a witness is <verifier key of a cosigner>@<https URL>")
        return cls(key, url.rstrip("/"))


@dataclass
class _State:
    """What a witness signed last, as far as we know, and when to ask it again after a failure."""

    size: int = 0
    pause: float = 0.0
    not_before: float = 0.0


@dataclass
class Witnesses:
    """All of them, asked side by side."""

    members: tuple[Witness, ...] = ()
    _states: dict[str, _State] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Witnesses:
        """From the setting.

        :raises ConfigurationError: one of them is no witness
        """
        try:
            return cls(tuple(map(Witness.parse, texts)))
        except NoteError as error:
            raise ConfigurationError(f"CONSENT_WITNESSES: {error}") from error

    def cosign(self, note_text: str, read: ReadTile) -> str:
        """The checkpoint with the cosignatures of those witnesses that answered in time."""
        note = Note.parse(note_text)
        hashes = TileHashes(read)
        due = [one for one in self.members if time.monotonic() >= self._state(one).not_before]
        # The proofs are made here: a database session belongs to one thread.
        proofs = {one.url: _Proofs(hashes, Checkpoint.parse(note.text).size) for one in due}
        for one in due:
            proofs[one.url].since(self._state(one).size)
        if not due:
            return note_text
        with ThreadPoolExecutor(len(due)) as pool:
            answers = list(pool.map(lambda one: self._ask(one, note, proofs[one.url]), due))
        for place, answer in enumerate(answers):
            if isinstance(answer, int):  # it knows another size than we thought: once more, from there
                state = self._state(due[place])
                try:
                    proofs[due[place].url].since(answer)
                    state.size = answer
                    second = self._ask(due[place], note, proofs[due[place].url])
                    answers[place] = second if isinstance(second, tuple) else ()
                except ProofError as error:
                    self._failed(due[place], str(error))
                    answers[place] = ()
        found = [line for answer in answers if isinstance(answer, tuple) for line in answer]
        return str(Note(note.text, (*note.signatures, *found)))

    def _ask(self, witness: Witness, note: Note, proofs: _Proofs) -> tuple[Signature, ...] | int:
        """One request: its cosignatures, none after a failure, or the size that it knows (409)."""
        state = self._state(witness)
        lines = [f"old {state.size}", *(base64.b64encode(one).decode() for one in proofs.made[state.size])]
        body = "\n".join(lines) + "\n\n" + str(note)
        try:
            with httpx2.Client() as http:
                status, answer = fetch(
                    http,
                    f"{witness.url}/add-checkpoint",
                    seconds=PATIENCE,
                    most=LONGEST_ANSWER,
                    content=body.encode(),
                )
            said = answer.decode()
            if status == 409 and SIZE.fullmatch(said.removesuffix("\n")):
                return int(said)
            if status != 200:
                raise NoteError(f"it answered {status}")
            # Unknown keys' lines are dropped; a known key's that does not hold is a failure.
            lines_given = Note(note.text, signature_lines(said))
            if not lines_given.verified_by([witness.key]):
                raise NoteError("it gave no cosignature of its own")
        except (Unanswered, NoteError, UnicodeError) as error:
            self._failed(witness, str(error))
            return ()
        state.size, state.pause = proofs.size, 0.0
        return tuple(line for line in lines_given.signatures if line.of(witness.key))

    def _failed(self, witness: Witness, why: str) -> None:
        state = self._state(witness)
        state.pause = min(max(1.0, state.pause * 2), LONGEST_PAUSE)
        state.not_before = time.monotonic() + state.pause
        structlog.get_logger().warning("witness", peer=witness.key.name, problem=why)

    def _state(self, witness: Witness) -> _State:
        return self._states.setdefault(witness.url, _State())


@dataclass
class _Proofs:
    """Consistency proofs up to one size."""

    hashes: TileHashes
    size: int
    made: dict[int, list[bytes]] = field(default_factory=dict)

    def since(self, old: int) -> None:
        """Make the proof from ``old``; ProofError when the witness knows more than there is."""
        if old > self.size:
            raise ProofError(f"it has signed {old} entries, and there are {self.size}")
        if old not in self.made:
            self.made[old] = tree.consistency_proof(old, self.size, self.hashes)
