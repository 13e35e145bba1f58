"""Yardsticks for a benchmark of decisions over HTTP, to be measured in the same run.

A floor: what Flask and one indexed SQLite read cost before anything is decided. Granian serves it
as ``benchmarks.yardsticks:application``, with FLOOR_DATABASE naming the file. Casbin: the same
rules of a grant in another engine (without the catalogue's bounds, and without reasons).
"""

from __future__ import annotations

import functools
import os
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, request

FLOOR_BODY = b'{"id": "row-500"}'
GRANT = "r.ctx.grant"
# The policies' rules, each stated once: Cedar's permit and its forbids overlap to name a reason.
MODEL = f"""
[request_definition]
r = sub, res, act, ctx
[policy_definition]
p = sub, res, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub.type == p.sub && r.res.type == p.res && r.act.name == p.act \
 && {GRANT} != None && {GRANT}.status == "active" && r.ctx.time < {GRANT}.valid_until \
 && {GRANT}.party == r.sub.id && {GRANT}.organisation == r.sub.organisation \
 && {GRANT}.owner == r.res.owner && r.res.id in {GRANT}.data_sets && r.act.name in {GRANT}.actions \
 && (r.ctx.purpose == None || r.ctx.purpose == {GRANT}.purpose) \
 && (r.ctx.grant_id == None || r.ctx.grant_id == {GRANT}.id) \
 && r.res.start != None && r.res.end != None && r.res.start <= r.res.end \
 && {GRANT}.start <= r.res.start && r.res.end <= {GRANT}.end \
 && ({GRANT}.limit == None || r.ctx.reads < {GRANT}.limit) \
 && r.sub.status == "active" && r.ctx.caller.status == "active" \
 && r.res.holder == r.ctx.caller.client_id && overlap({GRANT}.locations, r.ctx.caller.serves) \
 && r.res.id in r.ctx.purpose_data_sets
"""


@dataclass(frozen=True, slots=True)
class Subject:
    id: str = "erp"
    type: str = "party"
    organisation: str = "12345678"
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked for; start and end are Cedar's "from" and "to", here and in the grant."""

    id: str = "invoices"
    type: str = "dataset"
    owner: str = "87654321"
    holder: str = "bank"
    start: datetime | None = datetime(2025, 1, 1, tzinfo=UTC)
    end: datetime | None = datetime(2025, 3, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Action:
    name: str = "read"


@dataclass(frozen=True, slots=True)
class Caller:
    client_id: str = "bank"
    status: str = "active"
    serves: frozenset[str] = frozenset({"https://bank.example/data"})


@dataclass(frozen=True, slots=True)
class Grant:
    id: str = "grant-1"
    status: str = "active"
    owner: str = "87654321"
    party: str = "erp"
    organisation: str = "12345678"
    purpose: str = "accounting"
    data_sets: frozenset[str] = frozenset({"invoices", "payments"})
    actions: frozenset[str] = frozenset({"read"})
    locations: frozenset[str] = frozenset({"https://bank.example/data"})
    start: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    end: datetime = datetime(2025, 12, 31, tzinfo=UTC)
    valid_until: datetime = datetime(2026, 12, 31, tzinfo=UTC)
    limit: int | None = 100


@dataclass(frozen=True, slots=True)
class Context:
    grant: Grant | None
    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    caller: Caller = Caller()
    reads: int = 3
    purpose_data_sets: frozenset[str] = frozenset({"invoices", "payments", "accounts"})
    purpose: str | None = "accounting"
    grant_id: str | None = "grant-1"


def casbin_enforcer() -> Any:
    """Casbin with the rules of policies/*.cedar; it gives no reasons. Needs pycasbin."""
    import casbin

    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=MODEL))
    enforcer.add_function("overlap", lambda one, other: not one.isdisjoint(other))
    enforcer.add_policy("party", "dataset", "read")
    return enforcer


def casbin_question(*, status: str = "active") -> tuple[Subject, Resource, Action, Context]:
    """A question that is permitted, or with another status of its grant ("revoked") refused."""
    return Subject(), Resource(), Action(), Context(Grant(status=status))


def floor_app(path: Path) -> Flask:
    """POST /floor with FLOOR_BODY: JSON in, one indexed read, JSON out. Makes the table if need be."""
    local = threading.local()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "db"):
            local.db = sqlite3.connect(path)
        found: sqlite3.Connection = local.db
        return found

    filling = sqlite3.connect(path)
    filling.execute("PRAGMA journal_mode=WAL")  # as the service's own
    filling.execute("CREATE TABLE IF NOT EXISTS floor (id TEXT PRIMARY KEY, value TEXT NOT NULL)")
    rows = ((f"row-{number}", f"value {number}") for number in range(1000))
    filling.executemany("INSERT OR IGNORE INTO floor VALUES (?, ?)", rows)
    filling.commit()
    filling.close()
    app = Flask(__name__)

    @app.post("/floor")
    def floor() -> Response:
        key = request.get_json()["id"]
        row = connection().execute("SELECT id, value FROM floor WHERE id = ?", (key,)).fetchone()
        if row is None:
            abort(404)
        return jsonify(id=row[0], value=row[1])

    return app


@functools.cache
def from_environ() -> Flask:
    return floor_app(Path(os.environ["FLOOR_DATABASE"]))


def __getattr__(name: str) -> Flask:
    if name == "application":
        return from_environ()
    raise AttributeError(name)
