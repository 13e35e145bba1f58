"""what others are told: the outbox, occurrences, acquaintances, streams and their events"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", COUNTED, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_headers", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("dead_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index("ix_delivery_topic", "delivery", ["topic"])
    op.create_index("ix_delivery_next_at", "delivery", ["next_at"])
    op.create_index("ix_delivery_dead_at", "delivery", ["dead_at"])
    op.create_table(
        "occurrence",
        sa.Column("arrival", COUNTED, nullable=False),
        sa.Column("occurrence_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("sessions", sa.JSON(), nullable=True),
        sa.Column("about", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("arrival", name=op.f("pk_occurrence")),
    )
    op.create_table(
        "acquaintance",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.person_id"], name=op.f("fk_acquaintance_person_id_person")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name=op.f("fk_acquaintance_client_id_client")
        ),
        sa.PrimaryKeyConstraint("person_id", "client_id", name=op.f("pk_acquaintance")),
    )
    op.create_table(
        "signal_stream",
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("events_requested", sa.JSON(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("endpoint_url", sa.Text(), nullable=False),
        sa.Column("sealed_authorization", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("verified_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name=op.f("fk_signal_stream_client_id_client")
        ),
        sa.PrimaryKeyConstraint("stream_id", name=op.f("pk_signal_stream")),
        sa.UniqueConstraint("client_id", name=op.f("uq_signal_stream_client_id")),
    )
    op.create_table(
        "signal",
        sa.Column("arrival", COUNTED, nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("jti", sa.String(length=36), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("always", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["signal_stream.stream_id"],
            name=op.f("fk_signal_stream_id_signal_stream"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("arrival", name=op.f("pk_signal")),
    )
    op.create_index("ix_signal_stream_id", "signal", ["stream_id"])
    op.create_index("ix_signal_created_at", "signal", ["created_at"])
    op.create_table(
        "signal_removed",
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"],
            ["signal_stream.stream_id"],
            name=op.f("fk_signal_removed_stream_id_signal_stream"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("stream_id", "subject_hash", name=op.f("pk_signal_removed")),
    )
    cursor = op.create_table(
        "signal_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_cursor")),
    )
    op.bulk_insert(cursor, [{"id": 1, "next_index": 0}])


def downgrade() -> None:
    for table in (
        "signal_cursor",
        "signal_removed",
        "signal",
        "signal_stream",
        "acquaintance",
        "occurrence",
        "delivery",
    ):
        op.drop_table(table)
