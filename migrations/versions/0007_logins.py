"""sign-ins for clients, what is remembered of them, and which sessions clients know"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "login",
        sa.Column("login_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("signed_in_before", sa.String(length=36), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("organisations", sa.JSON(), nullable=False),
        sa.Column("auth_time", MOMENT, nullable=True),
        sa.Column("acr", sa.String(length=255), nullable=False),
        sa.Column("amr", sa.JSON(), nullable=False),
        sa.Column("sid", sa.String(length=36), nullable=True),
        *_of_client_and_person("login"),
        sa.PrimaryKeyConstraint("login_id", name=op.f("pk_login")),
    )
    with op.batch_alter_table("login") as table:
        table.create_index(op.f("ix_login_expires_at"), ["expires_at"])
        table.create_index(op.f("ix_login_sid"), ["sid"])
        table.create_index("ix_login_person_id_client_id", ["person_id", "client_id"])
    op.create_table(
        "remembered_consent",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("organisations", sa.JSON(), nullable=False),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        *_of_client_and_person("remembered_consent"),
        sa.PrimaryKeyConstraint("person_id", "client_id", name=op.f("pk_remembered_consent")),
    )
    with op.batch_alter_table("remembered_consent") as table:
        table.create_index(op.f("ix_remembered_consent_until"), ["until"])
    op.create_table(
        "client_session",
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("sid", sa.String(length=36), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        *_of_client_and_person("client_session"),
        sa.PrimaryKeyConstraint("session_id", "client_id", name=op.f("pk_client_session")),
        sa.UniqueConstraint("sid", name=op.f("uq_client_session_sid")),
    )
    with op.batch_alter_table("client_session") as table:
        table.create_index(op.f("ix_client_session_last_at"), ["last_at"])


def _of_client_and_person(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name=op.f(f"fk_{table}_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.person_id"], name=op.f(f"fk_{table}_person_id_person")
        ),
    ]


def downgrade() -> None:
    for table in ("client_session", "remembered_consent", "login"):
        op.drop_table(table)
