"""Tables, signing keys and the ledger, from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alembic import command as alembic
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from consent_service import keys, outbox
from consent_service.clock import SystemClock
from consent_service.commands import CommandError
from consent_service.config import Settings, database_url_from
from consent_service.db import WRITE
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import limits, tokens, used
from consent_service.signals import store as signals
from consent_service.web import session as web_session

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
    """Delete what has ended and can't be asked for again: tokens, used jtis, sessions, old messages."""
    now = SystemClock().now()
    with transaction(settings.database_url) as session:
        tokens.purge(session, now)
        used.purge(session, now)
        limits.purge(session, now)
        web_session.purge(session, now)
        outbox.purge(session, now)
        signals.purge(session, now)
        session.commit()
    return "what has ended is deleted; grants and the ledger stay"


def is_current(url: str) -> bool:
    """Whether the database has the newest tables."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return found == ScriptDirectory.from_config(alembic_config(url)).get_current_head()


def rotate_key(settings: Settings) -> str:
    """Make new signing keys, for tokens and for events, with their ledger entries; return the first's kid."""
    now = SystemClock().now()
    with transaction(settings.database_url) as session:
        made = {one: keys.rotate(session, settings.secret_key, now, one) for one in keys.Algorithm}
        for algorithm, kid in made.items():
            ledger.append(session, Kind.KEY_CREATED, {"kid": kid, "algorithm": algorithm.value}, now=now)
        session.commit()
    return made[keys.Algorithm.ES256]


def transaction(url: str) -> Session:
    """A session that writes, outside the application; its connection goes when it closes."""
    return Session(create_engine(url, poolclass=NullPool, execution_options={WRITE: True}))
