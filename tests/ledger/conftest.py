"""A ledger without the service around it: appends, a sequencer, a key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock
from consent_service.db import group
from consent_service.ledger import append, signing, store
from consent_service.ledger.model import Kind
from consent_service.ledger.note import VerifierKey
from consent_service.ledger.sequencer import Sequencer
from consent_service.ledger.verify import Verification, verify
from consent_service.ledger.watch import Watch
from consent_service.ledger.witness import Witnesses

ORIGIN, SECRET = "log.example/ledger", "k" * 40
OWNER = "0192:310028142"


@dataclass
class Ledger:
    """One node's view of one ledger."""

    engine: Engine
    home: Path
    sequencer: Sequencer

    @classmethod
    def at(cls, url: str, home: Path, witnesses: Witnesses | None = None, clock: Any = None) -> Ledger:
        engine = create_engine(url)
        made = Sequencer(
            engine, ORIGIN, SECRET, Watch(home, ORIGIN), clock or SystemClock(), witnesses or Witnesses()
        )
        return cls(engine, home, made)

    def begin(self) -> Ledger:
        self.sequencer.prepare()
        self.sequencer.step()
        return self

    def append(self, kind: Kind = Kind.DECISION_PERMIT, owner: str = OWNER, **payload: Any) -> str:
        now = self.sequencer.clock.now()
        entry = group(self.engine).run(lambda s: append.append(s, kind, payload, now=now, owner=owner))
        return entry.entry_id

    def fill(self, entries: int) -> list[str]:
        made = [
            self.append(number=number, owner=OWNER if number % 2 else "", text="ærlig")
            for number in range(entries)
        ]
        self.sequencer.step()
        return made

    @property
    def key(self) -> VerifierKey:
        with Session(self.engine) as session:
            found = signing.verifier_key(session, ORIGIN)
        assert found is not None
        return found

    @property
    def size(self) -> int:
        with Session(self.engine) as session:
            return store.head(session).size

    @property
    def published(self) -> str:
        with Session(self.engine) as session:
            return store.head(session).published or ""

    def verify(self, **options: Any) -> Verification:
        with Session(self.engine) as session:
            return verify(session, self.key, **options)


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on SQLite, with its key and its first checkpoint."""
    made = Ledger.at(sqlite_url, tmp_path / "home").begin()
    yield made
    made.engine.dispose()


@pytest.fixture
def both_ledgers(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """The same, on SQLite and on PostgreSQL."""
    made = Ledger.at(database_url, tmp_path / "home").begin()
    yield made
    made.engine.dispose()
