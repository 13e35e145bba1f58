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


def test_a_grant_of_before_counts_since_its_first_version(database_url: str) -> None:
    config, engine = alembic_config(database_url), create_engine(database_url)
    command.downgrade(config, "0002")
    given, ended = "2026-03-01 09:00:00", "2026-04-01 09:00:00"
    insert = (
        "INSERT INTO grant_version (owner, grant_id, version, party, client_id, terms, status, reason,"
        " created_at, entry_id) VALUES ('{owner}', 'g', {version}, 'p', 'c', '{{}}', 'x', '', '{at}', '{at}')"
    )
    with engine.begin() as connection:
        for owner, version, at in (("o", 1, given), ("o", 2, ended), ("another", 1, ended)):
            connection.exec_driver_sql(insert.format(owner=owner, version=version, at=at))
    command.upgrade(config, "head")
    with engine.begin() as connection:
        found = connection.exec_driver_sql(
            "SELECT owner, version, CAST(given_at AS VARCHAR(19)) FROM grant_version ORDER BY owner, version"
        )
        assert [tuple(row) for row in found] == [("another", 1, ended), ("o", 1, given), ("o", 2, given)]
        connection.exec_driver_sql("DELETE FROM grant_version")
    engine.dispose()
