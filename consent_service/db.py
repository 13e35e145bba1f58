"""The database handle: typed models, SQLite and PostgreSQL alike, and how things are written.

Three ways in, and no fourth: :func:`reading` for what only looks, :func:`writing` for one
transaction of one caller, :func:`together` for the hot path, where callers that wait at
the same moment share one transaction and one flush to disk (group commit).

A transaction that decides on what it read calls :func:`lock` first, so that what it read
is still true when it commits. On SQLite the whole database has one writer, and the lock
is there already (``BEGIN IMMEDIATE``); on PostgreSQL it is an advisory lock by name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    column,
    event,
    func,
    select,
    text,
)
from sqlalchemy import cast as cast_sql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import InvalidRequestError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from consent_service.pen import pen
from consent_service.prepared import keep_driver

T = TypeVar("T")
BUSY_TIMEOUT = 10_000  # milliseconds that a writer waits for the one before it
CHECKPOINT = 4_000
"""Pages in the write-ahead log before a commit moves them into the database, which takes two more flushes.

A thousand, SQLite's own figure, are 400 decisions; the same pages come again and again, so that
fewer moves are less to write: a sixth of the processor's share of a commit.
"""
CACHE = 16 * 1024  # KiB of pages that a connection to SQLite keeps, if it meets so many
WRITE = "consent_write"
MOST_TOGETHER = 256  # callers in one transaction: more would make the first one wait for the last


class Base(DeclarativeBase):
    """Every table's base; the naming convention lets Alembic name what it changes."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Instant(TypeDecorator[dt.datetime]):
    """A moment in UTC. SQLite forgets time zones, so it comes back with one on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        moment = value.astimezone(dt.UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


db = SQLAlchemy(metadata=Base.metadata)


@event.listens_for(Engine, "connect")
def _prepare(connection: Any, _record: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        # A server may be set to answer before it has written; ours must not.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()
        return
    # The driver's own BEGIN comes too late and is never IMMEDIATE: we send ours below.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")
    cursor.execute("PRAGMA synchronous=FULL")  # a permit is durable before its answer leaves
    cursor.execute(f"PRAGMA cache_size=-{CACHE}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # what is erased leaves no trace in a free page
    cursor.close()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        write = connection.get_execution_options().get(WRITE, False)
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        try:
            driver.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        except sqlite3.OperationalError as error:
            raise OperationalError("BEGIN", None, error) from error


_before_commit: list[Callable[[Session], None]] = []


def before_commit(do: Callable[[Session], None]) -> None:
    """Have this done at the end of every transaction, just before it commits."""
    _before_commit.append(do)
    event.listen(Session, "before_commit", do)


_groups: WeakKeyDictionary[Engine, Group] = WeakKeyDictionary()


@contextmanager
def writing() -> Iterator[Session]:
    """One transaction that writes: commits at its end, rolls back whole on any exception.

    Must not be nested; what was read before in this request is read again.
    """
    session = db.session()
    session.rollback()  # ends the request's read transaction, whose snapshot may be old
    with pen(db.engine).held():
        session.connection(execution_options={WRITE: True})
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


@contextmanager
def writing_to(engine: Engine) -> Iterator[Session]:
    """The same outside the application: for commands, programs and the sequencer."""
    with pen(engine).held(), Session(engine.execution_options(**{WRITE: True})) as session, session.begin():
        yield session


def reading() -> Session:
    """The request's session for reading; Flask-SQLAlchemy closes it with the request."""
    return db.session()


class Look(Session):
    """What only looks, on the hot path: prepared statements on a connection, and no object mapper.

    A session of SQLAlchemy's takes twenty times as long to begin as SQLite does to answer.
    """

    def __init__(self, connection: Connection) -> None:
        self._looks_at = connection
        self._info: dict[Any, Any] = {}
        keep_driver(self, connection)

    @property
    def info(self) -> dict[Any, Any]:
        return self._info

    def connection(self, *_arguments: Any, **_options: Any) -> Connection:
        return self._looks_at

    def flush(self, *_arguments: Any, **_options: Any) -> None:
        """There is nothing to write."""

    def __getattr__(self, name: str) -> Any:
        raise InvalidRequestError(f"a look has no {name}")


def lock(session: Session, *names: str, shared: Sequence[str] = ()) -> None:
    """Hold these names until the transaction ends; called once, before anything is read.

    Shared names come first and each kind in order, so that two transactions never wait for
    each other. On SQLite the transaction holds the whole database already.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    for function, wanted in (("pg_advisory_xact_lock_shared", shared), ("pg_advisory_xact_lock", names)):
        if keys := sorted({_lock_key(name) for name in wanted}):
            # One round trip; the rows come, and are locked, in the array's order.
            query = select(getattr(func, function)(column("key"))).select_from(
                func.unnest(cast_sql(keys, ARRAY(BigInteger))).alias("key")
            )
            session.execute(query)


def try_lock(session: Session, name: str) -> bool:
    """Hold a name until the transaction ends, unless somebody else does; on SQLite always true."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    taken = session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _lock_key(name)})
    return bool(taken)


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


@dataclass
class _Unit(Generic[T]):
    """One caller's work, what it locks, and how it ended; ``gate`` opens when it is done or leads."""

    work: Callable[[Session], T]
    names: Sequence[str]
    shared: Sequence[str]
    gate: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False
    result: T | None = None
    error: BaseException | None = None


class Group:
    """Group commit: one caller leads, and does the work of all who wait in one transaction.

    Whoever comes while a transaction is under way waits; when it has ended, the first of them
    leads the next one. A unit of work gets a session of its group and must use no other: it may
    run on another caller's thread. It may run twice, when another unit of its transaction failed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(**{WRITE: True})
        self._pen = pen(engine)
        self._mutex = threading.Lock()
        self._waiting: deque[_Unit[Any]] = deque()
        self._led = False

    def run(self, work: Callable[[Session], T], *names: str, shared: Sequence[str] = ()) -> T:
        """Do ``work`` under these locks; returns, or raises what it raised, once it is durable.

        :raises sqlalchemy.exc.SQLAlchemyError: nothing was written
        """
        unit = _Unit(work, names, shared)
        unit.gate.acquire()
        with self._mutex:
            self._waiting.append(unit)
            leads, self._led = not self._led, True
        if not leads:
            unit.gate.acquire()
        if not unit.done:
            self._lead()
        if unit.error is not None:
            raise unit.error
        return cast("T", unit.result)

    def _lead(self) -> None:
        with self._mutex:
            units = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
        everybody = units
        try:
            while units and not self._commit(units):
                units = [unit for unit in units if unit.error is None]
        except BaseException as error:  # the transaction itself failed, so all of it did
            for unit in units:
                unit.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            with self._mutex:
                successor = self._waiting[0] if self._waiting else None
                self._led = successor is not None
            if successor is not None:
                successor.gate.release()
            for unit in everybody:
                unit.done = True
                unit.gate.release()

    def _commit(self, units: list[_Unit[Any]]) -> bool:
        """One transaction; False when a unit failed, so that the others must go again without it."""
        # The session takes part in the transaction only when it is used for more than to be handed
        # round: its own share of a transaction is 200 microseconds, and most decisions use none of it.
        with self._pen.held(), self._engine.connect() as connection, connection.begin() as transaction:
            session = Session(connection, join_transaction_mode="rollback_only")
            keep_driver(session, connection)
            names = [name for unit in units for name in unit.names]
            lock(session, *names, shared=[name for unit in units for name in unit.shared])
            for unit in units:
                try:
                    unit.result = unit.work(session)
                    if session.new or session.identity_map:  # most units use no object of the mapper's
                        session.flush()
                        session.expunge_all()
                except OperationalError:
                    raise
                except Exception as error:  # noqa: BLE001  (it is the caller's to handle)
                    unit.error = error
                    session.close()
                    transaction.rollback()
                    return False
            if session.in_transaction():
                session.commit()
            else:
                for do in _before_commit:
                    do(session)
            session.close()
        return True


def together(work: Callable[[Session], T], *names: str, shared: Sequence[str] = ()) -> T:
    """Group commit on the application's database: see :meth:`Group.run`.

    What this request has read is read again: its connection goes back to the pool first, or
    those who wait could hold every connection that the one who leads needs.
    """
    db.session().rollback()
    return group(db.engine).run(work, *names, shared=shared)


def group(engine: Engine) -> Group:
    """The one group of an engine."""
    found = _groups.get(engine)
    return found if found is not None else _groups.setdefault(engine, Group(engine))
