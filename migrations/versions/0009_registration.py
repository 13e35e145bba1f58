"""clients that register themselves, and keys that they publish themselves"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "invitation",
        sa.Column("invitation_id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("profile", sa.String(length=16), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("valid_until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("invitation_id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_index(op.f("ix_invitation_valid_until"), "invitation", ["valid_until"])
    op.create_table(
        "remote_keys",
        sa.Column("uri", sa.String(length=2000), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("fresh_until", MOMENT, nullable=True),
        sa.Column("usable_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_remote_keys")),
    )
    op.create_index(op.f("ix_remote_keys_asked_at"), "remote_keys", ["asked_at"])
    with op.batch_alter_table("client") as table:
        table.add_column(sa.Column("management_hash", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("software_statement", sa.Text(), nullable=True))


def downgrade() -> None:
    # A client that ended must not come back to life in the tables of before, which know no such end.
    op.execute("UPDATE client SET status = 'suspended' WHERE status = 'ended'")
    with op.batch_alter_table("client") as table:
        for name in ("software_statement", "management_hash"):
            table.drop_column(name)
    op.drop_table("remote_keys")
    op.drop_table("invitation")
