"""Turning what happened into events, again and again: a teller in every worker, one at a time.

It reads two lists: the ledger's entries, in the tree's order from where it stopped, and what
happened to people. A step is one transaction: the events, how far it has come, and what is told
and may be forgotten. So everything is told once, and a crash tells nothing twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event as Signal
from threading import Thread

import orjson
import structlog
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from consent_service.clock import Clock
from consent_service.config import Settings
from consent_service.db import try_lock, writing_to
from consent_service.ledger import store as ledger
from consent_service.registry import acquaintances
from consent_service.registry.occurrences import OccurrenceRow
from consent_service.signals import store, told
from consent_service.signals.model import Event
from consent_service.signals.service import TELLING
from consent_service.signals.transmit import send

INTERVAL = 0.5  # seconds between looks
GRANTS = b'"kind":"grant.'
MOST_AT_ONCE = 1000  # entries or occurrences in one step: bounds how long others wait for the pen


@dataclass
class Teller:
    """Steps again and again; any number may run."""

    engine: Engine
    settings: Settings
    clock: Clock
    stopped: Signal = field(default_factory=Signal)

    def step(self) -> int:
        """Tell of what happened since the last step; returns how much of it was looked at."""
        with Session(self.engine) as session:
            behind = store.any_stream(session) and store.next_index(session) < ledger.head(session).size
            if not behind and session.scalar(select(OccurrenceRow.arrival).limit(1)) is None:
                return 0
        with writing_to(self.engine) as session:
            return self._tell(session, self.clock.now()) if try_lock(session, TELLING) else 0

    def run(self) -> None:
        """Step until :attr:`stopped`; whatever goes wrong is logged and tried again."""
        while not self.stopped.wait(INTERVAL):
            try:
                while self.step() >= MOST_AT_ONCE:
                    pass
            except Exception as error:  # noqa: BLE001  (the next step takes everything from the tables again)
                structlog.get_logger().error("teller", exception=type(error).__name__)

    def start(self) -> Thread:
        """Run in a thread of its own, which ends with the process."""
        thread = Thread(target=self.run, name="teller", daemon=True)
        thread.start()
        return thread

    def _tell(self, session: Session, now: dt.datetime) -> int:
        begun = store.next_index(session)
        entries = ledger.bodies(session, begun, begun + MOST_AT_ONCE) if store.any_stream(session) else []
        oldest = select(OccurrenceRow).order_by(OccurrenceRow.arrival).limit(MOST_AT_ONCE)
        happened = list(session.scalars(oldest))
        for when, client_id, event in self._events(session, entries, happened):
            stream = store.of_client(session, client_id, self.settings.secret_key)
            if stream is not None and when >= stream.created_at:
                send(session, self.settings, stream, event, now)
        ended = [one.arrival for one in happened]
        session.execute(delete(OccurrenceRow).where(OccurrenceRow.arrival.in_(ended)))
        store.go_on(session, begun + len(entries))
        return len(entries) + len(happened)

    def _events(
        self, session: Session, entries: Sequence[bytes], happened: Sequence[OccurrenceRow]
    ) -> Iterator[tuple[dt.datetime, str, Event]]:
        for body in entries:
            if GRANTS not in body:  # most entries are decisions: not worth being parsed
                continue
            entry = orjson.loads(body)
            when = dt.datetime.fromisoformat(entry["time"])
            if found := told.of_entry(entry, when):
                yield when, *found
        for row in happened:
            known_to = acquaintances.of_person(session, row.person_id)
            for client_id, event in told.of_occurrence(row, known_to, self.settings.issuer):
                yield row.time, client_id, event
