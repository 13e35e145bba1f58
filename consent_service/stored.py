"""What is stored, read without the object mapper, and rows that are written once: beside the hottest paths.

Statements are prepared (:mod:`consent_service.prepared`); here are the values of columns that a driver
gives in its own way, and whole rows.
"""

from __future__ import annotations

import datetime as dt
from collections import namedtuple
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import orjson
from sqlalchemy import ColumnElement, CursorResult, Dialect, Executable, Result, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent_service.prepared import Prepared, Row

T = TypeVar("T")


def table(mapped: type[Any]) -> Table:
    """The table of a mapped class, as the table that it is."""
    return cast("Table", mapped.__table__)


def rows_changed(done: Result[Any]) -> int:
    """How many rows an update or a delete changed, as the driver counts them."""
    return int(cast("CursorResult[Any]", done).rowcount)


def insert_once(table: Any, *columns: str) -> Prepared:
    """An insert that changes nothing where a row has the same key already, and waits for one that may."""
    made: dict[str, Executable] = {
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
    }
    return Prepared(made, *columns)


def moment(value: Any) -> Any:
    """A column of :class:`consent_service.db.Instant` as a driver gives it: SQLite's is text, in UTC."""
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)
    return value.astimezone(dt.UTC) if value is not None else None


def document(value: Any) -> Any:
    """A JSON column as a driver gives it: SQLite's is text."""
    return orjson.loads(value) if isinstance(value, str) else value


class Rows(Generic[T]):
    """A query for rows of one table, with the values that its columns' types make of what is stored.

    What comes has the attributes of the mapped class ``T`` and nothing else of it: it is a tuple, which
    can't be changed, and no session knows it. What a session holds back is written first.
    """

    def __init__(self, mapped: type[T], *where: ColumnElement[bool], order_by: Any = None) -> None:
        of = table(mapped)
        query = select(of).where(*where)
        self._query = query if order_by is None else query.order_by(order_by)
        self._prepared = Prepared(self._query)
        self._columns = list(of.columns)
        names = [column.name for column in self._columns]
        self._row = namedtuple(mapped.__name__, names)  # type: ignore[misc]  # noqa: PYI024  (known at run time)
        self._read: dict[str, list[tuple[int, Callable[[Any], Any]]]] = {}

    def first(self, session: Session, **values: object) -> T | None:
        """The first row, or None."""
        session.flush()
        found = self._prepared.first(session, values)
        return None if found is None else self._made(self._prepared.dialect(session), found)

    def all(self, session: Session, **values: object) -> list[T]:
        """Every row."""
        session.flush()
        dialect = self._prepared.dialect(session)
        return [self._made(dialect, row) for row in self._prepared.rows(session, values)]

    def _made(self, dialect: Dialect, row: Row) -> T:
        read = self._read.get(dialect.name)
        if read is None:
            made = ((at, _reader(column, dialect)) for at, column in enumerate(self._columns))
            read = self._read[dialect.name] = [(at, reader) for at, reader in made if reader is not None]
        values = list(row)
        for at, reader in read:
            values[at] = reader(values[at])
        return cast("T", self._row(*values))


def _reader(column: ColumnElement[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    reads: Callable[[Any], Any] | None = column.type.dialect_impl(dialect).result_processor(dialect, None)
    return reads
