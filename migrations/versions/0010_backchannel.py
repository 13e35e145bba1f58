"""requests that come without a browser"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "backchannel_request",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("auth_req_id_hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("binding_message", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("next_poll_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("ping_url", sa.Text(), nullable=True),
        sa.Column("sealed_ping", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name=op.f("fk_backchannel_request_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.person_id"], name=op.f("fk_backchannel_request_person_id_person")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_backchannel_request")),
        sa.UniqueConstraint("auth_req_id_hash", name=op.f("uq_backchannel_request_auth_req_id_hash")),
    )
    with op.batch_alter_table("backchannel_request") as table:
        for column in ("owner", "person_id", "expires_at"):
            table.create_index(op.f(f"ix_backchannel_request_{column}"), [column])


def downgrade() -> None:
    op.drop_table("backchannel_request")
