"""what policies look at: licences, owners in dispute, since when a grant counts, the registry's epoch"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "licence",
        sa.Column("organisation_id", sa.String(length=64), nullable=False),
        sa.Column("licence", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.identifier"],
            name=op.f("fk_licence_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "licence", name=op.f("pk_licence")),
    )
    op.create_table(
        "owner_dispute",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_owner_dispute")),
    )
    epoch = op.create_table(
        "registry_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_epoch")),
    )
    op.bulk_insert(epoch, [{"id": 1, "epoch": 1}])
    op.add_column("client", sa.Column("dpop_bound", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("grant_version", sa.Column("given_at", sa.DateTime(timezone=True), nullable=True))
    # A grant counts since its first version, whatever became of it.
    op.execute(
        "UPDATE grant_version SET given_at = (SELECT first.created_at FROM grant_version AS first "
        "WHERE first.owner = grant_version.owner AND first.grant_id = grant_version.grant_id "
        "AND first.version = 1)"
    )
    with op.batch_alter_table("grant_version") as table:
        table.alter_column("given_at", existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("grant_version") as table:
        table.drop_column("given_at")
    with op.batch_alter_table("client") as table:
        table.drop_column("dpop_bound")
    op.drop_table("registry_epoch")
    op.drop_table("owner_dispute")
    op.drop_table("licence")
