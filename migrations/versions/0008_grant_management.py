"""requests that change a grant; tokens that carry less than their grant, or were exchanged"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("access_request") as table:
        table.add_column(sa.Column("action", sa.String(length=8), nullable=False, server_default="create"))
        table.add_column(sa.Column("amends_grant_id", sa.String(length=36), nullable=True))
        table.add_column(sa.Column("amends_version", sa.Integer(), nullable=True))
    op.add_column("token", sa.Column("grant_version", sa.Integer(), nullable=True))
    op.add_column("token", sa.Column("narrowed", sa.JSON(), nullable=True))
    op.add_column("token", sa.Column("actor", sa.String(length=64), nullable=True))
    op.add_column("token", sa.Column("exchanged_from", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_token_exchanged_from",
        "token",
        ["exchanged_from"],
        sqlite_where=sa.text("exchanged_from IS NOT NULL"),
        postgresql_where=sa.text("exchanged_from IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_token_exchanged_from", "token")
    with op.batch_alter_table("token") as table:
        for name in ("exchanged_from", "actor", "narrowed", "grant_version"):
            table.drop_column(name)
    with op.batch_alter_table("access_request") as table:
        for name in ("amends_version", "amends_grant_id", "action"):
            table.drop_column(name)
