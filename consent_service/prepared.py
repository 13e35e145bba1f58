"""Statements of the path of every decision: compiled once, run on the driver's own cursor.

SQLAlchemy takes 60 to 90 microseconds of Python for a statement that SQLite answers in five, and
a decision has six of them. What stays SQLAlchemy's: the tables, the text for each database, how
values are written (:class:`consent_service.db.Instant`), the transaction, and its errors.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    JSON,
    ClauseElement,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Select,
    String,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

DRIVER = "driver"
"""Where a session of the hot path keeps its driver's connection (:func:`keep_driver`)."""
LISTED = "listed"
Row = tuple[Any, ...]


def among(column: ColumnElement[Any], query: Select[Any]) -> dict[str, Executable]:
    """The rows of a query of which a column is one of those in the list :data:`LISTED`.

    A list is one value, so that one text does for any number of them.
    """
    each = func.json_each(bindparam(LISTED, type_=JSON)).table_valued("value")
    return {
        "sqlite": query.where(column.in_(select(each.c.value))),
        "postgresql": query.where(column == any_(bindparam(LISTED, type_=ARRAY(String)))),
    }


def keep_driver(session: Session, connection: Connection) -> None:
    """Keep the connection of the one transaction that a session is for at hand."""
    session.info[DRIVER] = connection.dialect, connection.connection.driver_connection


class Prepared:
    """A statement; its values are given by the names of its parameters or, for an insert, its columns.

    What a row holds comes as the driver gives it: for whole numbers and texts that is what it is.
    """

    def __init__(self, statement: Executable | Mapping[str, Executable], *columns: str) -> None:
        self._statement, self._columns = statement, columns
        self._made: dict[str, _Made] = {}

    def rows(self, session: Session, values: Mapping[str, object]) -> list[Row]:
        """Every row of a query."""
        found: list[Row] = self._run(session, values).fetchall()
        return found

    def first(self, session: Session, values: Mapping[str, object]) -> Row | None:
        """The first row of a query, or None."""
        found: Row | None = self._run(session, values).fetchone()
        return found

    def change(self, session: Session, values: Mapping[str, object]) -> int:
        """How many rows an update changed."""
        changed: int = self._run(session, values).rowcount
        return changed

    def many(self, session: Session, rows: Sequence[Row]) -> None:
        """Insert these rows, in their order; each has its values in the order of the columns."""
        made, driver = self._in(session)
        try:
            driver.cursor().executemany(made.text, made.rows(self._columns, rows))
        except Exception as error:
            raise made.error(error) from error

    def dialect(self, session: Session) -> Dialect:
        """Of the database that a session is on."""
        return self._in(session)[0].dialect

    def _run(self, session: Session, values: Mapping[str, object]) -> Any:
        made, driver = self._in(session)
        try:
            return driver.execute(made.text, made.values(values))
        except Exception as error:
            raise made.error(error) from error

    def _in(self, session: Session) -> tuple[_Made, Any]:
        if DRIVER in session.info:
            dialect, driver = session.info[DRIVER]
        else:
            connection = session.connection()
            dialect, driver = connection.dialect, connection.connection.driver_connection
        made = self._made.get(dialect.name)
        if made is None:
            stated = self._statement
            one = stated if isinstance(stated, Executable) else stated[dialect.name]
            made = self._made[dialect.name] = _Made.of(one, self._columns, dialect)
        return made, driver


@dataclass(frozen=True, slots=True)
class _Made:
    """The text for one database, and how each value is put into it."""

    text: str
    names: tuple[str, ...]
    positional: bool
    written: dict[str, Callable[[Any], Any]]
    fixed: dict[str, object]
    dialect: Dialect

    @classmethod
    def of(cls, statement: Executable, columns: Sequence[str], dialect: Dialect) -> _Made:
        compiles = cast("ClauseElement", statement)
        compiled: Any = compiles.compile(dialect=dialect, column_keys=columns or None)
        binds: dict[str, Any] = {name: bind for bind, name in compiled.bind_names.items()}
        written = {
            name: lru_cache(maxsize=64)(process) if bind.type.python_type is dt.datetime else process
            for name, bind in binds.items()
            if (process := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
            and bind.type.python_type is not bytes  # the drivers take bytes as they are
        }
        # (Moments come in runs of the same, and writing one takes three microseconds.)
        fixed = {name: bind.value for name, bind in binds.items() if not bind.required}
        names = tuple(compiled.positiontup or binds)
        return cls(compiled.string, names, dialect.positional, written, fixed, dialect)

    def values(self, given: Mapping[str, object]) -> Any:
        """The parameters as the driver wants them."""
        written, whole = self.written, {**self.fixed, **given} if self.fixed else given
        if self.positional:
            return [written[name](whole[name]) if name in written else whole[name] for name in self.names]
        return {name: written[name](whole[name]) if name in written else whole[name] for name in self.names}

    def rows(self, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Any]:
        """The parameters of many rows as the driver wants them."""
        for name, process in self.written.items():
            at = columns.index(name)
            rows = [(*row[:at], process(row[at]), *row[at + 1 :]) for row in rows]
        return rows if self.positional else [dict(zip(columns, row, strict=True)) for row in rows]

    def error(self, raised: Exception) -> BaseException:
        """A driver's error as SQLAlchemy's, which says what kind it is; any other as it is."""
        kinds = self.dialect.loaded_dbapi.Error
        if not isinstance(raised, kinds):
            return raised
        return DBAPIError.instance(self.text, None, raised, kinds, hide_parameters=True, dialect=self.dialect)
