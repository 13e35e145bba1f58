"""Whose turn it is to write (docs/adr/0001-the-ledgers-pen.md)."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary, finalize

from sqlalchemy import Engine


@dataclass
class Pen:
    """Whose turn it is to write: one thread of one process at a time on SQLite.

    SQLite's own waiting is polling with growing pauses, in which a waiter can starve; a
    lock on a file beside the database wakes the next one at once, and ends with its holder.
    """

    file: Path | None
    turn: threading.Lock = field(default_factory=threading.Lock)
    opened: tuple[int, int] | None = None
    """The process that opened the file, and its descriptor: who was forked would share the lock of it."""
    mine: threading.local = field(default_factory=threading.local)
    """Whether a thread has its turn. Where there is one writer, one that asked again would wait for itself,
    and all others for it; where there are many, it would commit half of what it began."""

    @classmethod
    def of(cls, engine: Engine) -> Pen:
        """The pen of an engine; one that is free for all where the database has many writers."""
        name = engine.url.database if engine.dialect.name == "sqlite" else None
        return cls(Path(f"{name}.pen") if name and name != ":memory:" else None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the pen, and hold it.

        :raises RuntimeError: this thread holds it already
        """
        if getattr(self.mine, "held", False):
            raise RuntimeError("a transaction that writes is open in this thread already")
        self.mine.held = True
        try:
            with self._turn():
                yield
        finally:
            self.mine.held = False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self.file is None:
            yield
            return
        with self.turn:
            if self.opened is None or self.opened[0] != os.getpid():
                descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                finalize(self, os.close, descriptor)
                self.opened = os.getpid(), descriptor
            fcntl.flock(self.opened[1], fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self.opened[1], fcntl.LOCK_UN)


_pens: WeakKeyDictionary[Engine, Pen] = WeakKeyDictionary()


def pen(engine: Engine) -> Pen:
    """The one pen of an engine."""
    found = _pens.get(engine)
    return found if found is not None else _pens.setdefault(engine, Pen.of(engine))
