"""what business registers say: remembered, and how a person was found in them"""

import datetime as dt
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "register_answer",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sealed_extract", sa.Text(), nullable=True),
        sa.Column("answered_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("organisation", name=op.f("pk_register_answer")),
    )
    with op.batch_alter_table("register_answer") as table:
        table.create_index(op.f("ix_register_answer_answered_at"), ["answered_at"])
    op.create_table(
        "register_reached",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_register_reached")),
    )
    op.create_table(
        "watched_organisation",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=True),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", name=op.f("pk_watched_organisation")),
    )
    op.create_index("ix_watched_organisation_due", "watched_organisation", ["shard", "due_at"])
    op.create_index("ix_grant_version_party", "grant_version", ["party", "owner"])
    _watch_those_with_grants()
    op.add_column("person", sa.Column("sealed_details", sa.Text(), nullable=True))
    op.add_column(
        "representation", sa.Column("by_number", sa.Boolean(), nullable=False, server_default=sa.true())
    )


def _watch_those_with_grants() -> None:
    connection = op.get_bind()
    found = connection.execute(
        sa.text("SELECT owner FROM grant_version UNION SELECT party FROM grant_version")
    )
    now = dt.datetime.now(dt.UTC)
    rows = [
        {
            "organisation": organisation,
            "shard": zlib.crc32(organisation.encode()) % 8,
            "status": "registered",
            "source": "",
            "due_at": now if connection.dialect.name == "postgresql" else now.replace(tzinfo=None),
            "pending": False,
        }
        for (organisation,) in found
    ]
    columns = [
        sa.column("organisation", sa.String),
        sa.column("shard", sa.SmallInteger),
        sa.column("status", sa.String),
        sa.column("source", sa.Text),
        sa.column("due_at", MOMENT),
        sa.column("pending", sa.Boolean),
    ]
    if rows:
        op.bulk_insert(sa.table("watched_organisation", *columns), rows)


def downgrade() -> None:
    with op.batch_alter_table("representation") as table:
        table.drop_column("by_number")
    with op.batch_alter_table("person") as table:
        table.drop_column("sealed_details")
    op.drop_index("ix_grant_version_party", table_name="grant_version")
    op.drop_table("watched_organisation")
    op.drop_table("register_reached")
    op.drop_table("register_answer")
