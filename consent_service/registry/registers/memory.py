"""What registers said last, and which of them does not answer: tables that all workers share.

An extract names people, so it is sealed, and it is deleted a day after it was said. Who finds that a
register does not answer leaves a note, and for a while nobody waits for it in vain.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, Integer, String, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant, lock, writing_to
from consent_service.errors import ConfigurationError, ServiceError
from consent_service.registry.registers.base import Seen
from consent_service.registry.wording import extract_document, extract_of
from consent_service.sealing import Seal

USE = "register-extract"
KEPT = dt.timedelta(days=1)
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(seconds=5), dt.timedelta(minutes=1)
"""How long nobody asks a register that did not answer: doubled with every time, up to the longest."""


class AnswerRow(Base):
    """What its register said of an organisation last; nothing sealed where it knows none."""

    __tablename__ = "register_answer"

    organisation: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    sealed_extract: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)


class ReachedRow(Base):
    """Whether a register answers: ``failures`` in a row, the last of them at ``failed_at``."""

    __tablename__ = "register_reached"

    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    answered_at: Mapped[dt.datetime | None] = mapped_column(Instant)


@dataclass(frozen=True, slots=True)
class Reached:
    """When a register answered last, and since how many tries it does not."""

    answered_at: dt.datetime | None
    failed_at: dt.datetime | None
    failures: int

    def rests(self, now: dt.datetime) -> bool:
        """Whether nobody should ask it yet."""
        if not self.failures or self.failed_at is None:
            return False
        pause: dt.timedelta = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - 1, 10))
        return now < self.failed_at + pause


class Memory:
    """Reads and writes both tables, each time in a transaction of its own.

    Nobody who writes may call it: it would wait for itself.
    """

    def __init__(self, engine: Engine, secret_key: str) -> None:
        self._engine, self._seal = engine, Seal(secret_key, USE)

    def last(self, identifier: str) -> Seen | None:
        """What was said last of an organisation; None where nothing was, or it can't be read."""
        with Session(self._engine) as session:
            row = session.get(AnswerRow, identifier)
            if row is None:
                return None
            if row.sealed_extract is None:
                return Seen(None, row.answered_at, row.source)
            try:
                document = json.loads(self._seal.open(row.sealed_extract))
                return Seen(extract_of(document), row.answered_at, row.source)
            except (ConfigurationError, ServiceError, KeyError, TypeError, ValueError, AttributeError):
                return None  # another secret, or another version's words: ask again

    def reached(self, source: str) -> Reached:
        """Whether a register answers."""
        with Session(self._engine) as session:
            row = session.get(ReachedRow, source)
            return Reached(row.answered_at, row.failed_at, row.failures) if row else Reached(None, None, 0)

    def note(self, seen: Iterable[tuple[str, Seen]], failed: Iterable[str], now: dt.datetime) -> None:
        """Remember what was said of organisations, and which registers did not answer."""
        answers, silent = dict(seen), set(failed)
        if not answers and not silent:
            return
        named = {one.source for one in answers.values()} | silent
        with writing_to(self._engine) as session:
            lock(session, *(f"register {one}" for one in (*answers, *named)))
            for identifier, one in answers.items():
                document = extract_document(one.extract) if one.extract else None
                sealed = self._seal.close(json.dumps(document)) if document else None
                session.merge(
                    AnswerRow(
                        organisation=identifier,
                        source=one.source,
                        sealed_extract=sealed,
                        answered_at=one.at,
                    )
                )
            for source in named:
                _reach(session, source, now, silent=source in silent)

    def forget(self, identifier: str) -> None:
        """Remember nothing of an organisation."""
        with writing_to(self._engine) as session:
            session.execute(delete(AnswerRow).where(AnswerRow.organisation == identifier))


def _reach(session: Session, source: str, now: dt.datetime, *, silent: bool) -> None:
    row = session.scalar(select(ReachedRow).where(ReachedRow.source == source))
    if row is None:
        row = ReachedRow(source=source, failures=0)
        session.add(row)
    if silent:
        row.failures, row.failed_at = row.failures + 1, now
    else:
        row.failures, row.answered_at = 0, now
