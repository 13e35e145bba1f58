"""What a decision costs: ``python -m benchmarks.decisions [--large] [--postgresql]``; docs/benchmarks.md has a run.

Among 1,000, 100,000 and, with ``--large``, 5,000,000 grants. Every figure stands beside yardsticks
of the same run: a bare Flask endpoint with one indexed read on the same server and core, Cedar
alone, and Casbin with the rules of a grant. The server has one core, the load the other one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cedarpy
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from sqlalchemy import create_engine

from benchmarks import over_http, population, yardsticks
from consent_service.app import create_app
from consent_service.commands import serve
from consent_service.commands.serve import free_port
from consent_service.config import from_environ
from consent_service.db import db, reading, writing_to
from consent_service.grants import store
from consent_service.policy import engine, service
from consent_service.policy.model import EvaluationRequest, Facts, HolderFacts, PartyFacts
from consent_service.policy.rulebook import Rulebook
from consent_service.registry import licences, parties
from consent_service.registry.model import ClientRole
from consent_service.registry.parties import Registration
from consent_service.web.current import current, now
from tests import postgresql

ROUNDS, MANY = 400, 100
BANK, ERP, PLACE = "bank", "erp", population.PLACE
BANK_ORGANISATION, ERP_ORGANISATION = "0192:310041238", "0192:310052345"


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
    options = argparse.ArgumentParser()
    options.add_argument("--large", action="store_true", help="5,000,000 grants too: 10 GB of disk")
    options.add_argument("--postgresql", action="store_true")
    options.add_argument(
        "--turns", type=int, default=5, help="of three seconds, of each row and of the floor"
    )
    chosen = options.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    os.sched_setaffinity(0, {0})
    sizes = [1_000, 100_000, *([5_000_000] if chosen.large else [])]
    with ExitStack() as stack:
        print("| yardstick | median µs | p99 µs |\n|---|---|---|")
        disk(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        casbin_alone()
        servers = {"sqlite": None}
        if chosen.postgresql:
            servers["postgresql"] = stack.enter_context(postgresql.server())
        print("\n| database | grants | what | median µs | p99 µs |\n|---|---|---|---|---|")
        tables: list[str] = []
        for name, url in servers.items():
            for size in sizes:
                with prepared(url, size) as environ:
                    in_process(name, size, environ)
                    ask = partial(questions, size)
                    tables += over_http.measure(name, size, environ, ask, ERP, chosen.turns)
        print("\n".join([over_http.HEAD, *tables]))


def disk(folder: Path) -> None:
    """What the disk takes for what every commit waits for: some pages written, and flushed."""
    with (folder / "flushed").open("wb", buffering=0) as file:

        def flush() -> None:
            file.write(bytes(8 * 4096))
            os.fdatasync(file.fileno())

        print(f"| the disk: 32 KiB written and flushed | {each(flush)}", flush=True)


def casbin_alone() -> None:
    enforcer, question = yardsticks.casbin_enforcer(), yardsticks.casbin_question()
    print(f"| Casbin alone, the rules of a grant | {each(lambda: enforcer.enforce(*question))}", flush=True)


@contextmanager
def prepared(server: str | None, size: int) -> Iterator[dict[str, str]]:
    """A database with so many grants, a bank and an ERP system; yields the service's settings."""
    folder = Path(tempfile.mkdtemp(prefix="consent-benchmark-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        url = (
            stack.enter_context(postgresql.database(server))
            if server
            else f"sqlite:///{folder / 'consent.db'}"
        )
        port = free_port()
        environ = {
            "CONSENT_ISSUER": f"http://localhost:{port}",
            "CONSENT_SECRET_KEY": "k" * 40,
            "CONSENT_HOME": str(folder),
            "CONSENT_DATABASE_URL": url,
        }
        settings = from_environ(environ)
        serve.prepare(environ)
        from consent_service.commands import ledger as log

        log.begin(settings)
        serve.publish_policies(settings)
        made = create_engine(settings.database_url)
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / "erp.jwk").write_text(ECAlgorithm.to_jwk(key))
        public = {"keys": [ECAlgorithm.to_jwk(key.public_key(), as_dict=True)]}
        moment = dt.datetime.now(dt.UTC)
        with writing_to(made) as session:
            bank = Registration(
                ClientRole.PARTY, BANK, BANK_ORGANISATION, public, ["https://bank.example.no/cb"], (), BANK
            )
            parties.register(session, bank, moment)
            until = moment + dt.timedelta(days=365)
            licences.license_party(session, BANK_ORGANISATION, "credit", source="x", until=until, now=moment)
        with writing_to(made) as session:
            erp = Registration(ClientRole.HOLDER, ERP, ERP_ORGANISATION, public, (), [PLACE], ERP)
            parties.register(session, erp, moment)
        population.fill(made, size, (BANK, BANK_ORGANISATION), population.TERMS)
        made.dispose()
        yield environ


def questions(size: int, count: int) -> list[dict[str, Any]]:
    """Reads under random grants, each permitted."""
    chosen = sorted(random.sample(range(size), min(count, size)))
    made, whose, at = [], population.owners(), -1
    for number in chosen:
        while at < number // population.EACH:
            one, at = next(whose), at + 1
        properties = {"owner": one, "holder": ERP, "from": "2025-01-01", "to": "2025-06-30"}
        made.append(
            {
                "subject": {"type": "party", "id": BANK},
                "action": {"name": "read"},
                "resource": {"type": "dataset", "id": "trial_balance", "properties": properties},
                "context": {"purpose": "credit_assessment", "grant_id": population.grant_id(number)},
            }
        )
    random.shuffle(made)
    return made


def in_process(name: str, size: int, environ: dict[str, str]) -> None:
    """Without HTTP: the memo, Cedar, and a decision that is durable."""
    app = create_app(from_environ(environ))
    asked = [EvaluationRequest.from_json(_whole(one)) for one in questions(size, 1000)]
    request = asked[0]
    with app.app_context():
        book = current(Rulebook)
        seen = book.seen(reading())
        client = parties.find(reading(), ERP)
        owner, grant_id = str(request.resource_properties["owner"]), str(request.context["grant_id"])
        grant = store.current(reading(), owner, grant_id)
        assert client is not None
        assert grant is not None
        reading().rollback()
        rules, policies = seen.rules, seen.rules.policies
        party = PartyFacts(BANK, BANK_ORGANISATION, "active", frozenset({"credit"}))
        facts = Facts(now(), HolderFacts(ERP, "active", frozenset({PLACE})), 0)
        assert engine.decide(request, grant, party, policies, facts)
        question, entities = engine._question(request, grant, party, policies, facts)  # noqa: SLF001
        holder, turn = service.Holder(client, seen.epoch), iter(asked * 100)
        rows: dict[str, Callable[[], object]] = {
            "yardstick: Cedar alone": lambda: cedarpy.is_authorized(
                question, policies.policies, entities, policies.schema
            ),
            "memo hit": lambda: rules.decide(request, grant, party, policies, facts),
            "memo miss": lambda: engine.decide(request, grant, party, policies, facts),
            "decided, logged and durable, one caller": lambda: service.evaluate(
                next(turn), holder, book, now
            ),
        }
        for what, work in rows.items():
            print(f"| {name} | {size:,} | {what} | {each(work)}", flush=True)
        hundred = each(lambda: service.evaluate_all(asked[:MANY], holder, book, now), 50, MANY)
        print(f"| {name} | {size:,} | the same, 100 in one transaction, each | {hundred}", flush=True)
        db.session.remove()
        db.engine.dispose()


def _whole(question: dict[str, Any]) -> dict[str, Any]:
    return {
        **question,
        "subject": {**question["subject"], "properties": {}},
        "action": {"name": "read", "properties": {}},
    }


if __name__ == "__main__":
    main()
