"""Alembic's environment, by hand: the same for the command line, Flask-Migrate and the tests."""

from alembic import context
from flask import has_app_context
from sqlalchemy import create_engine

import consent_service.app  # noqa: F401  (every room's tables are known once it is imported)
from consent_service.db import Base, db


def _url() -> str:
    if url := context.config.attributes.get("url"):
        return str(url)
    if has_app_context():
        return db.engine.url.render_as_string(hide_password=False)
    raise RuntimeError("no database URL: use `consent-service db upgrade`")


engine = create_engine(_url())
with engine.begin() as connection:
    context.configure(
        connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True
    )
    context.run_migrations()
engine.dispose()
