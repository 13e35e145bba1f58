"""What a decision costs: ``python -m benchmarks.decisions``; docs/benchmarks.md has a run.

Every figure stands beside two yardsticks of the same run: one indexed SQLite read through the
driver, and Cedar alone on the question as it was put to it.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cedarpy
import structlog
from werkzeug.serving import make_server

from consent_service.commands import database
from consent_service.commands.serve import SEED
from consent_service.db import reading
from consent_service.policy import engine, service
from consent_service.policy.choice import Rules
from consent_service.policy.model import EvaluationRequest, Facts, HolderFacts
from consent_service.policy.service import Tables
from consent_service.registry import parties
from consent_service.sandbox.country import eid
from consent_service.sandbox.country.__main__ import create_app as create_country
from consent_service.sandbox.country.seed import load
from consent_service.web.current import current, now
from tests.conftest import FrozenClock
from tests.world import CALLBACK, EID_SECRET, World

ROUNDS = 400


def each(work: Callable[[], object], rounds: int = ROUNDS, of: int = 1) -> str:
    """Median and 99th percentile in microseconds, per piece of work."""
    for _ in range(10):
        work()
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1e6 / of)
    took.sort()
    return f"{statistics.median(took):,.0f} | {took[int(len(took) * 0.99)]:,.0f} |"


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = Path(tempfile.mkdtemp(prefix="consent-benchmark-"))
    url = f"sqlite:///{folder / 'decisions.db'}"
    database.upgrade({"CONSENT_DATABASE_URL": url})
    print("| what | median µs | p99 µs |\n|---|---|---|")
    print(f"| yardstick: one indexed SQLite read | {read(folder)}")
    with country() as address, World.make(url, address, FrozenClock(), folder) as world:
        access = {"mode": "standing", "valid_until": world.details()["access"]["valid_until"]}
        token = world.grant(world.details(access=access))
        bearer, question = world.bearer(world.erp), world.question(token, world.erp)
        document = {
            **question,
            "subject": {**question["subject"], "properties": {}},
            "action": {"name": "read", "properties": {}},
        }
        request = EvaluationRequest.from_json(document)
        with world.app.app_context():
            measure(request, world, current(Rules))
        items = {"evaluations": [{}] * 100, **question}
        http, headers = world.app.test_client(), {"Authorization": f"Bearer {bearer}"}
        one = each(lambda: http.post("/access/v1/evaluation", json=question, headers=headers))
        print(f"| one evaluation through the WSGI application, logged and durable | {one}")
        many = each(lambda: http.post("/access/v1/evaluations", json=items, headers=headers), 20, 100)
        print(f"| evaluations of 100 through the WSGI application, each | {many}")
    shutil.rmtree(folder)


def measure(request: EvaluationRequest, world: World, rules: Rules) -> None:
    """In process, without HTTP."""
    caller = parties.find(reading(), world.erp.client_id)
    assert caller is not None
    known = Tables(reading(), caller, now())
    owner, grant_id = str(request.resource_properties["owner"]), str(request.context["grant_id"])
    grant, party = known.grant(owner, grant_id), known.party(request.subject_id)
    assert grant is not None
    purpose = rules.catalogue.purpose(grant.terms.purpose)
    holder = HolderFacts(caller.client_id, "active", frozenset(grant.terms.locations))
    facts = Facts(now(), holder, 0, purpose.data_sets if purpose else frozenset())
    question, entities = engine._question(request, grant, party, rules.policies, facts)  # noqa: SLF001
    policies, schema = rules.policies.policies, rules.policies.schema
    print(
        f"| yardstick: Cedar alone | {each(lambda: cedarpy.is_authorized(question, policies, entities, schema))}"
    )
    print(f"| memo hit | {each(lambda: rules.decide(request, grant, party, rules.policies, facts), 4000)}")
    print(f"| memo miss | {each(lambda: engine.decide(request, grant, party, rules.policies, facts))}")
    print(
        f"| in process, logged and durable, one caller | {each(lambda: service.evaluate(request, caller, rules, now))}"
    )
    hundred = each(lambda: service.evaluate_all([request] * 100, caller, rules, now), 20, 100)
    print(f"| in process, logged and durable, 100 in one transaction, each | {hundred}")


def read(folder: Path) -> str:
    connection = sqlite3.connect(folder / "yardstick.db")
    connection.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, value TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", ((key, f"value {key}") for key in range(1000)))
    found = each(lambda: connection.execute("SELECT value FROM t WHERE key = ?", (500,)).fetchone(), 4000)
    connection.close()
    return found


@contextmanager
def country() -> Iterator[str]:
    """The sandbox's eID and register, to sign in once."""
    relying = eid.Relying("consent-service", EID_SECRET, frozenset({CALLBACK}))
    probe = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    port = probe.port
    probe.server_close()
    app = create_country(load(SEED), f"http://localhost:{port}/eid", relying)
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{port}"
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
