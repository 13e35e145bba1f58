"""0002: a ledger of the hash chain becomes the tree, and goes back, with every byte of every entry."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from alembic import command
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

import consent_service.app  # noqa: F401
from consent_service.commands.database import alembic_config
from consent_service.ledger.model import canonical, commit
from consent_service.ledger.verify import verify
from tests.ledger.test_rfc9162_tree import mth

COUNT = 300


def test_entries_keep_their_bytes_and_their_places(database_url: str) -> None:
    config, engine = alembic_config(database_url), create_engine(database_url)
    command.downgrade(config, "0001")
    bodies = fill(engine)
    before = rows(engine, 'SELECT * FROM ledger_entry ORDER BY "index"')
    payloads = rows(engine, 'SELECT * FROM ledger_payload ORDER BY "index"')
    command.upgrade(config, "head")
    with Session(engine) as session:
        found = verify(session)
        assert found, found.problem
        assert (found.size, found.root) == (COUNT, mth(bodies).hex())
    command.downgrade(config, "0001")
    assert rows(engine, 'SELECT * FROM ledger_entry ORDER BY "index"') == before
    assert rows(engine, 'SELECT * FROM ledger_payload ORDER BY "index"') == payloads
    command.upgrade(config, "head")
    with Session(engine) as session:
        assert verify(session)
    engine.dispose()


def fill(engine: Any) -> list[bytes]:
    """Entries as 0001's code wrote them."""
    chain, bodies = hashlib.sha256(b"").digest(), []
    with engine.begin() as connection:
        for index in range(COUNT):
            payload = canonical({"n": index, "owner": "0192:310028142"})
            entry_id = f"00000000-0000-4000-8000-{index:012d}"
            at = f"2026-06-01T12:00:{index % 60:02d}.000000Z"
            body = canonical(
                {
                    "version": 1,
                    "entry_id": entry_id,
                    "kind": "decision.deny",
                    "time": at,
                    "payload_hash": commit(b"s" * 32, payload),
                }
            )
            leaf = hashlib.sha256(b"\x00" + body).digest()
            chain = hashlib.sha256(b"\x01" + chain + leaf).digest()
            bodies.append(body)
            connection.execute(
                text("INSERT INTO ledger_entry VALUES (:i, :e, :b, :l, :c)"),
                {"i": index, "e": entry_id, "b": body, "l": leaf, "c": chain},
            )
            connection.execute(
                text(
                    'INSERT INTO ledger_payload (owner, "index", entry_id, kind, time, salt, body) '
                    "VALUES (:o, :i, :e, 'decision.deny', :t, :s, :b)"
                ),
                {
                    "o": "0192:310028142",
                    "i": index,
                    "e": entry_id,
                    "t": at.replace("T", " ").replace("Z", "" if engine.dialect.name == "sqlite" else "+00"),
                    "s": b"s" * 32,
                    "b": payload,
                },
            )
        connection.execute(
            text("UPDATE ledger_head SET size = :s, chain_hash = :c"), {"s": COUNT, "c": chain}
        )
    assert json.loads(bodies[0])["entry_id"].endswith("0")
    return bodies


def rows(engine: Any, query: str) -> list[Any]:
    with engine.connect() as connection:
        return [
            tuple(bytes(one) if isinstance(one, memoryview) else one for one in row)
            for row in connection.execute(text(query))
        ]
