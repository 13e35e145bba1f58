"""Why an owner said no."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("access_request") as table:
        table.add_column(sa.Column("declined_for", sa.String(length=24), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("access_request") as table:
        table.drop_column("declined_for")
