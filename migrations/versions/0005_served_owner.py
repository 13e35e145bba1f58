"""which owners a data holder serves"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "served_owner",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name=op.f("fk_served_owner_client_id_client")
        ),
        sa.PrimaryKeyConstraint("owner", "client_id", name=op.f("pk_served_owner")),
    )
    op.create_index(op.f("ix_served_owner_client_id"), "served_owner", ["client_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_served_owner_client_id"), table_name="served_owner")
    op.drop_table("served_owner")
