"""clients of two profiles, several ways to authenticate, tries, owners served; authorizations without an access request"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("client") as table:
        table.add_column(sa.Column("profile", sa.String(length=16), nullable=False, server_default="fapi2"))
        table.add_column(
            sa.Column("auth_method", sa.String(length=32), nullable=False, server_default="private_key_jwt")
        )
        table.add_column(sa.Column("secret_hash", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("client_metadata", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("token", sa.Column("x5t", sa.String(length=64), nullable=True))
    with op.batch_alter_table("authorization") as table:
        table.drop_constraint("fk_authorization_request_id_access_request", type_="foreignkey")
        table.alter_column("request_uri_hash", existing_type=sa.String(length=64), nullable=True)
        table.alter_column("code_challenge", existing_type=sa.String(length=128), nullable=True)
        table.add_column(
            sa.Column("response_mode", sa.String(length=16), nullable=False, server_default="query")
        )
        table.add_column(sa.Column("scope", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("parameters", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "tries",
        sa.Column("name_hash", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name_hash", "ends_at", name=op.f("pk_tries")),
    )
    op.create_index(op.f("ix_tries_ends_at"), "tries", ["ends_at"])

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
    op.drop_table("tries")
    # What has no access request or no pushed request can't be said in the older tables.
    op.execute(
        'DELETE FROM "authorization" WHERE request_uri_hash IS NULL OR code_challenge IS NULL '
        "OR request_id NOT IN (SELECT request_id FROM access_request)"
    )
    with op.batch_alter_table("authorization") as table:
        for name in ("parameters", "scope", "response_mode"):
            table.drop_column(name)
        table.alter_column("code_challenge", existing_type=sa.String(length=128), nullable=False)
        table.alter_column("request_uri_hash", existing_type=sa.String(length=64), nullable=False)
        table.create_foreign_key(
            "fk_authorization_request_id_access_request", "access_request", ["request_id"], ["request_id"]
        )
    with op.batch_alter_table("token") as table:
        table.drop_column("x5t")
    with op.batch_alter_table("client") as table:
        for name in ("client_metadata", "secret_hash", "auth_method", "profile"):
            table.drop_column(name)
