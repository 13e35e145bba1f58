"""The thread of every worker that looks after keys, tables and registers; any number may run.

What a crash leaves: keys as the last step left them, a purge that another worker goes on with
when the lease has run out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from time import monotonic

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent_service.clock import Clock
from consent_service.config import Settings
from consent_service.db import writing_to
from consent_service.grants import register_events
from consent_service.keys import rotation
from consent_service.keys.jws import generate
from consent_service.registry import backchannel, watch
from consent_service.registry.registers.base import NoRegister, Register
from consent_service.upkeep import turns
from consent_service.upkeep.purge import lapse, purge

INTERVAL = 5.0  # seconds between looks
PURGE = "purge"
PURGE_EVERY = dt.timedelta(minutes=10)
PURGE_FOR = 20.0  # seconds at a time; what is left then is due again at once
LEASE = dt.timedelta(minutes=2)
LOOK_EVERY = dt.timedelta(minutes=1)
LOOKS, LOOK_FOR = 50, 20.0
"""Organisations that are looked at in one turn, and the seconds that a turn takes at most."""


@dataclass
class Keeper:
    """Looks again and again what is due.

    :param secret_key: what signing keys are sealed with
    :param period: how long a signing key signs; None for ever
    """

    engine: Engine
    secret_key: str
    period: dt.timedelta | None
    clock: Clock
    register: Register = field(default_factory=NoRegister)
    stopped: Event = field(default_factory=Event)

    @classmethod
    def of(cls, engine: Engine, settings: Settings, clock: Clock, register: Register) -> Keeper:
        """The keeper that the settings ask for."""
        return cls(engine, settings.secret_key, settings.key_rotation, clock, register)

    def keys(self) -> None:
        """Activate the key whose time has come, announce the next one, make the one that is missing."""
        now = self.clock.now()
        with Session(self.engine) as session:
            wanted = rotation.due(session, now, self.period)
        if not wanted:
            return
        fresh = {algorithm: generate(algorithm) for algorithm in wanted}  # not while others wait to write
        with writing_to(self.engine) as session:
            rotation.catch_up(session, self.secret_key, fresh, now, self.period)

    def pings(self) -> int:
        """Tell clients that wait for a ping that nobody answered in time; returns how many."""
        now = self.clock.now()
        with Session(self.engine) as session:
            if not backchannel.any_expired(session, now):
                return 0
        with writing_to(self.engine) as session:
            return backchannel.tell_expired(session, self.secret_key, now)

    def tables(self) -> int:
        """Purge for a while, when that is due and nobody else does it; returns how many rows are gone."""
        now = self.clock.now()
        with Session(self.engine) as session:
            if not turns.is_due(session, PURGE, now):
                return 0
        with writing_to(self.engine) as session:
            if not turns.take(session, PURGE, now, LEASE):
                return 0
        lapse(self.engine, now, wait=self.stopped.wait)
        deleted, all_gone = purge(self.engine, now, wait=self.stopped.wait, seconds=PURGE_FOR)
        done = self.clock.now()
        with writing_to(self.engine) as session:
            turns.give_back(
                session, PURGE, done + PURGE_EVERY if all_gone else done, done if all_gone else None
            )
        return deleted

    def registers(self) -> int:
        """Look at organisations whose standing is due, of one shard; returns how many were looked at.

        A register that does not answer is waited for once, and its organisations come later.
        """
        now = self.clock.now()
        with Session(self.engine) as session:
            shard = next(
                (one for one in range(watch.SHARDS) if turns.is_due(session, _shard(one), now)), None
            )
        if shard is None:
            return 0
        with writing_to(self.engine) as session:
            if not turns.take(session, _shard(shard), now, LEASE):
                return 0
            waiting = watch.due(session, shard, now, LOOKS)
        until, looked = monotonic() + LOOK_FOR, 0
        for identifier in waiting:
            if self.stopped.is_set() or monotonic() >= until:
                break
            register_events.look(
                partial(writing_to, self.engine), self.register, identifier, self.clock.now()
            )
            looked += 1
        done = self.clock.now()
        with writing_to(self.engine) as session:
            more = looked < len(waiting) or len(waiting) == LOOKS
            turns.give_back(session, _shard(shard), done if more else done + LOOK_EVERY, done)
        return looked

    def attempt(self, job: Callable[[], object]) -> None:
        """Do a job; whatever goes wrong is logged and tried again at the next look."""
        try:
            job()
        except Exception as error:  # noqa: BLE001  (the next look takes everything from the tables again)
            structlog.get_logger().error("upkeep", job=job.__name__, exception=type(error).__name__)

    def run(self) -> None:
        """Look until :attr:`stopped`."""
        while not self.stopped.wait(INTERVAL):
            self.attempt(self.keys)
            self.attempt(self.tables)
            self.attempt(self.pings)
            self.attempt(self.registers)

    def start(self) -> Thread:
        """Run in a thread of its own, which ends with the process."""
        thread = Thread(target=self.run, name="upkeep", daemon=True)
        thread.start()
        return thread


def _shard(number: int) -> str:
    return f"registers-{number}"
