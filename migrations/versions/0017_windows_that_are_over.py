"""An index with which counts of windows that are over are found and deleted."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_grant_reads_window_start", "grant_reads", ["window_start"])


def downgrade() -> None:
    op.drop_index("ix_grant_reads_window_start", "grant_reads")
