"""Alembic, up and down, on both databases."""

from __future__ import annotations

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect

import consent_service.app  # noqa: F401  (so that every table is known)
from consent_service.commands.database import alembic_config
from consent_service.db import Base


def test_the_migrations_make_the_tables_that_the_models_say(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


def test_down_leaves_nothing_and_up_brings_everything_back(database_url: str) -> None:
    config = alembic_config(database_url)
    command.downgrade(config, "base")
    engine = create_engine(database_url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    command.upgrade(config, "head")
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT size FROM ledger_head").scalar() == 0
    engine.dispose()
