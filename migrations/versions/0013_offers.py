"""Grants that an owner offers before anybody asks."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "offer",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("offer_id", sa.String(length=36), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("given", sa.JSON(), nullable=False),
        sa.Column("owner_name", sa.Text(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("grant_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("owner", "offer_id", name=op.f("pk_offer")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_offer_code_hash")),
    )
    with op.batch_alter_table("offer") as table:
        table.create_index(op.f("ix_offer_expires_at"), ["expires_at"])


def downgrade() -> None:
    op.drop_table("offer")
