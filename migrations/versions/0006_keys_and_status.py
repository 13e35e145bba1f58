"""keys that are announced and retire, places in status lists, whose turn upkeep is"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PLACED = "status_list IS NOT NULL"
LISTED = [
    ("place", ["status_list", "status_index"], PLACED),
    ("revoked", ["status_list"], f"{PLACED} AND revoked_at IS NOT NULL"),
    ("grant_id", ["status_list", "grant_id"], PLACED),
    ("client_id", ["status_list", "client_id"], PLACED),
]
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("signing_key") as table:
        table.alter_column(
            "sealed_private_jwk",
            new_column_name="sealed_private_key",
            existing_type=sa.Text(),
            existing_nullable=False,
            nullable=True,
        )
        for name in ("activates_at", "activated_at", "withdrawn_at"):
            table.add_column(sa.Column(name, MOMENT, nullable=True))
    # The newest key signed, and every key of before did so since it was made.
    op.execute("UPDATE signing_key SET activates_at = created_at, activated_at = created_at")
    op.execute("UPDATE signing_key SET sealed_private_key = NULL WHERE retired_at IS NOT NULL")
    with op.batch_alter_table("signing_key") as table:
        table.alter_column("activates_at", existing_type=MOMENT, nullable=False)
    op.add_column("token", sa.Column("status_list", sa.BigInteger(), nullable=True))
    op.add_column("token", sa.Column("status_index", sa.Integer(), nullable=True))
    for name, columns, where in LISTED:
        op.create_index(
            f"ix_token_status_list_{name}",
            "token",
            columns,
            unique=name == "place",
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    op.create_index("ix_authorization_begin_before", "authorization", ["begin_before"])
    op.create_index(
        "ix_grant_version_changed",
        "grant_version",
        ["created_at"],
        sqlite_where=sa.text("version > 1"),
        postgresql_where=sa.text("version > 1"),
    )
    op.create_table(
        "upkeep_job",
        sa.Column("job", sa.String(length=32), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_upkeep_job")),
    )


def downgrade() -> None:
    op.drop_table("upkeep_job")
    op.drop_index("ix_grant_version_changed", "grant_version")
    op.drop_index("ix_authorization_begin_before", "authorization")
    for name, _columns, _where in LISTED:
        op.drop_index(f"ix_token_status_list_{name}", "token")
    op.drop_column("token", "status_index")
    op.drop_column("token", "status_list")
    # What never signed and what has no private part is unknown to the tables of before; RSA keys too.
    op.execute(
        "DELETE FROM signing_key WHERE sealed_private_key IS NULL OR activated_at IS NULL OR algorithm <> 'ES256'"
    )
    with op.batch_alter_table("signing_key") as table:
        for name in ("withdrawn_at", "activated_at", "activates_at"):
            table.drop_column(name)
        table.alter_column(
            "sealed_private_key",
            new_column_name="sealed_private_jwk",
            existing_type=sa.Text(),
            existing_nullable=True,
            nullable=False,
        )
