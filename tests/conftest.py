"""What every test can ask for: databases, a clock that stands still, a country, the whole service."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consent_service.commands import database
from tests import postgresql
from tests.nations import Nation, a_country
from tests.world import World

NOW = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)


class FrozenClock:
    """Stands still until it is told to go on; starts at the real time, since peers' clocks are real."""

    def __init__(self) -> None:
        self.moment = dt.datetime.now(dt.UTC)

    def now(self) -> dt.datetime:
        return self.moment

    def advance(self, **parts: float) -> None:
        self.moment += dt.timedelta(**parts)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CONSENT_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database.upgrade({"CONSENT_DATABASE_URL": f"sqlite:///{path}"})
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL to make databases in."""
    with postgresql.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    name = f"template_{uuid.uuid4().hex[:8]}"
    postgresql.administer(postgresql_server, f"CREATE DATABASE {name}")
    database.upgrade({"CONSENT_DATABASE_URL": postgresql.named(postgresql_server, name)})
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database; the test runs on both kinds."""
    if request.param == "sqlite":
        path = tmp_path / "consent.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server, template = (
        request.getfixturevalue("postgresql_server"),
        request.getfixturevalue("postgresql_template"),
    )
    with postgresql.database(server, template) as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """For what has nothing to do with the kind of database."""
    path = tmp_path / "consent.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def country() -> Iterator[str]:
    """The sandbox's eID and registers over real HTTP; yields its address."""
    with a_country() as url:
        yield url


@pytest.fixture
def nation() -> Iterator[Nation]:
    """The same for one test, which may change what its registers say."""
    with a_country() as url:
        yield Nation(url)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def world(sqlite_url: str, country: str, clock: FrozenClock, tmp_path: Path) -> Iterator[World]:
    """The service with a bank and an ERP system registered, on SQLite."""
    with World.make(sqlite_url, country, clock, tmp_path) as made:
        yield made


@pytest.fixture
def both_worlds(database_url: str, country: str, clock: FrozenClock, tmp_path: Path) -> Iterator[World]:
    """The same, on SQLite and on PostgreSQL."""
    with World.make(database_url, country, clock, tmp_path) as made:
        yield made


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """What starts programs or a browser runs last, so that a plain failure shows first."""
    items.sort(key=lambda item: bool(item.get_closest_marker("story") or item.get_closest_marker("browser")))
