"""Delivering what the outbox holds: a courier in every worker, any number at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Thread

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent_service.addresses import NotAllowed
from consent_service.clock import Clock
from consent_service.config import Settings
from consent_service.db import writing_to
from consent_service.outbox import AT_ONCE, Claimed, DeliveryRow, Outcome, claim, settle
from consent_service.outgoing import Outgoing, Unanswered

SECONDS = 5.0  # for one attempt
LARGEST_ANSWER = 16 * 1024  # bytes; an answer is read for its status alone
INTERVAL = 0.5  # seconds between looks
FINAL = frozenset({400, 410, 413, 415, 501})
"""Statuses that say that this very message is not wanted; any other failure may be mended meanwhile."""
ANSWERED_ONCE = frozenset({"backchannel_ping"})
"""Messages that only say that there is something to fetch: who answers at all, other than that it is out
of order itself, has heard of it. A redirect must not be followed (CIBA Core section 10.2), and the
Foundation's suite does not want a ping again after a 4xx."""


@dataclass
class Courier:
    """Delivers again and again; any number may run.

    :param secret_key: what secret headers are sealed with
    """

    engine: Engine
    secret_key: str
    outgoing: Outgoing
    clock: Clock
    stopped: Event = field(default_factory=Event)

    @classmethod
    def of(cls, engine: Engine, settings: Settings, clock: Clock) -> Courier:
        """The courier that the settings ask for."""
        return cls(engine, settings.secret_key, Outgoing(settings.sandbox), clock)

    def step(self) -> int:
        """Attempt what is due, as much as goes side by side; returns how many that were.

        1. Claim, in a transaction of its own, so that no other worker sends the same meanwhile.
        2. Send.
        3. Write down how it ended: gone, due again later, or dead.
        """
        now = self.clock.now()
        with Session(self.engine) as session:
            if session.scalar(select(DeliveryRow.id).where(DeliveryRow.next_at <= now).limit(1)) is None:
                return 0
        with writing_to(self.engine) as session:
            claimed = claim(session, now)
        if not claimed:
            return 0
        with ThreadPoolExecutor(len(claimed)) as pool:
            outcomes = list(pool.map(self._attempt, claimed))
        with writing_to(self.engine) as session:
            for one, outcome in zip(claimed, outcomes, strict=True):
                settle(session, one, outcome, self.clock.now())
        return len(claimed)

    def run(self) -> None:
        """Step until :attr:`stopped`; whatever goes wrong is logged and tried again."""
        while not self.stopped.wait(INTERVAL):
            try:
                while self.step() == AT_ONCE:
                    pass
            except Exception as error:  # noqa: BLE001  (claims end by themselves)
                structlog.get_logger().error("courier", exception=type(error).__name__)

    def start(self) -> Thread:
        """Run in a thread of its own, which ends with the process."""
        thread = Thread(target=self.run, name="courier", daemon=True)
        thread.start()
        return thread

    def _attempt(self, one: Claimed) -> Outcome:
        try:
            headers = one.headers(self.secret_key)
            answer = self.outgoing.post(
                one.url, one.body, one.content_type, headers, seconds=SECONDS, most=LARGEST_ANSWER
            )
        except NotAllowed as error:
            return Outcome(f"the address {error}", final=True)
        except Unanswered as error:
            return Outcome(str(error))
        except Exception as error:  # noqa: BLE001  (one message that can't be sent must not stop the others)
            return Outcome(f"could not be sent: {type(error).__name__}")
        if 200 <= answer.status < 300:
            return Outcome("", arrived=True)
        heard = one.kind in ANSWERED_ONCE and answer.status < 500
        return Outcome(f"it answered {answer.status}", final=heard or answer.status in FINAL)
