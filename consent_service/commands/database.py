"""Tables, from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import sleep

from alembic import command as alembic
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from consent_service.clock import SystemClock
from consent_service.commands import CommandError
from consent_service.config import Settings, database_url_from
from consent_service.db import WRITE
from consent_service.upkeep import purge as upkeep

MIGRATIONS = Path(__file__).resolve().parent.parent.parent / "migrations"


def alembic_config(url: str) -> Config:
    """Alembic's configuration for a database; the migrations lie beside the package."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(environ: Mapping[str, str]) -> str:
    """Bring the tables up to date; safe to run again."""
    url = database_url_from(environ)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        alembic.upgrade(alembic_config(url), "head")
    except SQLAlchemyError as error:
        raise CommandError(f"the database can't be reached or changed: {type(error).__name__}") from error
    return "the database is up to date"


def purge(settings: Settings) -> str:
    """Delete what has ended and can't be asked for again, all of it, without holding anybody up."""
    engine = create_engine(settings.database_url, poolclass=NullPool)
    now = SystemClock().now()
    upkeep.lapse(engine, now, wait=sleep)
    deleted, _ = upkeep.purge(engine, now, wait=sleep)
    return f"{deleted} rows that have ended are deleted; grants and the ledger stay"


def is_current(url: str) -> bool:
    """Whether the database has the newest tables."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return found == ScriptDirectory.from_config(alembic_config(url)).get_current_head()


def transaction(url: str) -> Session:
    """A session that writes, outside the application; its connection goes when it closes."""
    return Session(create_engine(url, poolclass=NullPool, execution_options={WRITE: True}))
