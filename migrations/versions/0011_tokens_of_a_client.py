"""the tokens of a client, found when it ends"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_token_client_id"), "token", ["client_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_token_client_id"), table_name="token")
