"""the ledger as a transparency log: a tree in tiles instead of a chain, pending entries, erasable payloads

What 0001 kept stays: entries keep their bytes and their index, payloads their salt and body.
"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EMPTY = hashlib.sha256(b"").digest()
BATCH = 1000

entries = sa.table(
    "ledger_entry",
    sa.column("index", sa.BigInteger),
    sa.column("entry_id", sa.String),
    sa.column("body", sa.LargeBinary),
    sa.column("leaf_hash", sa.LargeBinary),
    sa.column("chain_hash", sa.LargeBinary),
)
tiles = sa.table(
    "ledger_tile",
    sa.column("level", sa.Integer),
    sa.column("index", sa.BigInteger),
    sa.column("hashes", sa.LargeBinary),
)
new_head = sa.table(
    "ledger_head", sa.column("id"), sa.column("size", sa.BigInteger), sa.column("root", sa.LargeBinary)
)
old_head = sa.table(
    "ledger_head", sa.column("id"), sa.column("size", sa.BigInteger), sa.column("chain_hash", sa.LargeBinary)
)


def upgrade() -> None:
    op.create_table(
        "ledger_key",
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("verifier_key", sa.Text(), nullable=False),
        sa.Column("sealed_private_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_ledger_key")),
    )
    op.create_table(
        "mandate",
        sa.Column("mandate_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("owners", sa.JSON(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name=op.f("fk_mandate_client_id_client")
        ),
        sa.PrimaryKeyConstraint("mandate_id", name=op.f("pk_mandate")),
    )
    op.create_index("ix_mandate_client_id", "mandate", ["client_id"])
    op.create_table(
        "ledger_pending",
        sa.Column("arrival", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arrival", name=op.f("pk_ledger_pending")),
    )
    op.create_table(
        "ledger_tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_ledger_tile")),
    )
    op.rename_table("ledger_payload", "ledger_payload_old")
    op.drop_index("ix_ledger_payload_owner_grant_index", table_name="ledger_payload_old")
    op.create_table(
        "ledger_payload",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=True),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("erased_by", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("owner", "time", "entry_id", name=op.f("pk_ledger_payload_2")),
    )
    op.execute(
        "INSERT INTO ledger_payload (owner, time, entry_id, kind, grant_id, salt, body) "
        "SELECT owner, time, entry_id, kind, grant_id, salt, body FROM ledger_payload_old"
    )
    op.drop_table("ledger_payload_old")
    op.create_index("ix_ledger_payload_entry_id", "ledger_payload", ["entry_id"])
    op.create_index("ix_ledger_payload_owner_grant_time", "ledger_payload", ["owner", "grant_id", "time"])

    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_column("leaf_hash")
        batch_op.drop_column("chain_hash")
    op.drop_table("ledger_head")
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=True),
        sa.Column("published", sa.Text(), nullable=True),
        sa.Column("halted", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_head")),
    )
    size, root = build()
    op.bulk_insert(new_head, [{"id": 1, "size": size, "root": root}])


def build() -> tuple[int, bytes]:
    """Write the tiles of the entries that are there; returns the tree's size and root."""
    leaves, start = [], 0
    while rows := (
        op.get_bind()
        .execute(
            sa.select(entries.c.body)
            .where(entries.c["index"] >= start)
            .order_by(entries.c["index"])
            .limit(BATCH)
        )
        .scalars()
        .all()
    ):
        leaves += [hashlib.sha256(b"\x00" + body).digest() for body in rows]
        start += len(rows)
    level, hashes = 0, leaves
    while hashes:
        chunks = [hashes[at : at + 256] for at in range(0, len(hashes), 256)]
        op.bulk_insert(
            tiles,
            [{"level": level, "index": at, "hashes": b"".join(chunk)} for at, chunk in enumerate(chunks)],
        )
        level, hashes = level + 1, [root_of(chunk) for chunk in chunks if len(chunk) == 256]
    return len(leaves), root_of(leaves)


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, written out once more: a migration must not change with the code."""
    if len(hashes) < 2:
        return hashes[0] if hashes else EMPTY
    half = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root_of(hashes[:half]) + root_of(hashes[half:])).digest()


def downgrade() -> None:
    bind = op.get_bind()
    waiting = bind.execute(sa.text("SELECT count(*) FROM ledger_pending")).scalar()
    erased = bind.execute(sa.text("SELECT count(*) FROM ledger_payload WHERE body IS NULL")).scalar()
    if waiting or erased:
        raise RuntimeError(
            f"{waiting} entries wait for the tree and {erased} payloads are erased: the older tables can't hold that"
        )
    for name in ("leaf_hash", "chain_hash"):
        op.add_column("ledger_entry", sa.Column(name, sa.LargeBinary(length=32), nullable=True))
    chain, size = EMPTY, 0
    for index, body in bind.execute(
        sa.select(entries.c["index"], entries.c.body).order_by(entries.c["index"])
    ).all():
        leaf = hashlib.sha256(b"\x00" + body).digest()
        chain, size = hashlib.sha256(b"\x01" + chain + leaf).digest(), size + 1
        values = {"leaf_hash": leaf, "chain_hash": chain}
        bind.execute(sa.update(entries).where(entries.c["index"] == index).values(**values))
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.alter_column("leaf_hash", existing_type=sa.LargeBinary(length=32), nullable=False)
        batch_op.alter_column("chain_hash", existing_type=sa.LargeBinary(length=32), nullable=False)
    op.rename_table("ledger_payload", "ledger_payload_new")
    op.drop_index("ix_ledger_payload_entry_id", table_name="ledger_payload_new")
    op.drop_index("ix_ledger_payload_owner_grant_time", table_name="ledger_payload_new")
    op.create_table(
        "ledger_payload",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "index", name="pk_ledger_payload"),
        sa.UniqueConstraint("entry_id", name="uq_ledger_payload_entry_id"),
    )
    op.execute(
        'INSERT INTO ledger_payload (owner, "index", entry_id, kind, grant_id, time, salt, body) '
        'SELECT p.owner, e."index", p.entry_id, p.kind, p.grant_id, p.time, p.salt, p.body '
        "FROM ledger_payload_new p JOIN ledger_entry e ON e.entry_id = p.entry_id"
    )
    op.create_index("ix_ledger_payload_owner_grant_index", "ledger_payload", ["owner", "grant_id", "index"])
    op.drop_table("ledger_payload_new")
    op.drop_table("ledger_head")
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_head")),
    )
    op.bulk_insert(old_head, [{"id": 1, "size": size, "chain_hash": chain}])
    op.drop_table("ledger_tile")
    op.drop_table("ledger_pending")
    op.drop_table("ledger_key")
    op.drop_index("ix_mandate_client_id", table_name="mandate")
    op.drop_table("mandate")
