"""Many grants, written straight into the tables: what a decision has to find its own among."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import Engine

PLACE = "https://erp.example.no/api"
TERMS: dict[str, Any] = {
    "type": "business_data",
    "purpose": "credit_assessment",
    "datatypes": ["financial_statement", "trial_balance"],
    "actions": ["read"],
    "locations": [PLACE],
    "period": {"from": "2024-01-01", "to": "2025-12-31"},
    "access": {"mode": "standing", "valid_until": "2027-06-01T00:00:00Z"},
    "retention": "P90D",
    "onward_sharing": [],
    "legal_basis": "consent",
}
"""What is granted: a credit check, as a party asks for it, but for whose data it is."""
EACH = 10
"""Grants of one owner."""
COLUMNS = "owner, grant_id, version, party, client_id, terms, status, reason, created_at, entry_id, given_at"
BATCH = 20_000
WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)


def owner(number: int) -> str:
    """The organisation with this number, with its check digit (ISO 7064 it is not: modulus 11)."""
    base = f"{80_000_000 + number:08d}"
    rest = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, base, strict=True)) % 11
    return f"0192:{base}{(11 - rest) % 11}"


def owners() -> Iterator[str]:
    """Valid ones only: a check digit of ten is none."""
    number = 0
    while True:
        found = owner(number)
        if len(found) == len("0192:") + 9:
            yield found
        number += 1


def fill(engine: Engine, count: int, client: tuple[str, str], terms: dict[str, object]) -> None:
    """Write so many active grants of as many owners as it takes.

    :param client: its id and its organisation
    """
    now = dt.datetime.now(dt.UTC)
    connection = engine.raw_connection()
    driver = connection.driver_connection
    rows: list[tuple[object, ...]] = []
    for row in _rows(count, client, terms, now):
        rows.append(row)
        if len(rows) == BATCH:
            _write(driver, rows)
            rows.clear()
    _write(driver, rows)
    assert driver is not None
    driver.commit()
    if isinstance(driver, psycopg.Connection):
        driver.autocommit = True
        driver.execute("VACUUM ANALYZE grant_version")
    connection.close()


def _rows(
    count: int, client: tuple[str, str], terms: dict[str, object], now: dt.datetime
) -> Iterator[tuple[object, ...]]:
    whose = owners()
    for number in range(count):
        if number % EACH == 0:
            one = next(whose)
            named = {"authority": "iso6523-actorid-upis", "ID": one}
            text = json.dumps(terms | {"owner": named})
        yield (
            *(one, grant_id(number), 1, client[1], client[0]),
            *(text, "active", "", now, str(uuid.UUID(int=number)), now),
        )


def grant_id(number: int) -> str:
    """The id of the grant with this number."""
    return str(uuid.UUID(int=number << 64 | 0x4000 << 48 | number))


def _write(driver: object, rows: list[tuple[object, ...]]) -> None:
    if isinstance(driver, sqlite3.Connection):
        marks = ", ".join("?" * len(COLUMNS.split(",")))
        if not driver.in_transaction:
            driver.execute("BEGIN")
        flat = ([_flat(value) for value in row] for row in rows)
        driver.executemany(f"INSERT INTO grant_version ({COLUMNS}) VALUES ({marks})", flat)
        return
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor, cursor.copy(f"COPY grant_version ({COLUMNS}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _flat(value: object) -> object:
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, dt.datetime) else value
