"""Whatever happens, in whatever order: the running service says what a slow and obvious model says.

Grants of every kind, reads, revocations, suspensions, licences, disputes, laws, policy sets and
the passing of time, drawn by Hypothesis; the model below keeps plain lists and looks at all of
them for every read. And the same run with the memory off writes the same log as with it on.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from consent_service.app import create_app
from consent_service.clock import rfc3339
from consent_service.config import POLICIES, Settings
from consent_service.db import db, writing
from consent_service.errors import ServiceError
from consent_service.grants import disputes, service, store
from consent_service.grants.model import Grant, Status, terms_from_json
from consent_service.ledger import append as ledger
from consent_service.ledger import store as entries
from consent_service.ledger.model import Kind
from consent_service.policy import rulebook
from consent_service.policy.engine import PolicySet
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.publish import publish
from consent_service.policy.rulebook import Rulebook
from consent_service.policy.service import Holder, evaluate_all
from consent_service.registry import licences, parties, serving
from consent_service.registry.model import Client, ClientRole, Standing
from consent_service.registry.parties import Registration
from consent_service.web.current import current
from tests.world import OTHER_OWNER, OWNER, RESOURCE

BANKS, BANK_ORGANISATION = ("bank", "bank2"), "0192:310041238"
OWNERS, SETS = (OWNER, OTHER_OWNER), ("trial_balance", "financial_statement")
START = dt.datetime(2026, 6, 1, 21, 59, tzinfo=dt.UTC)
STRICTER = PolicySet.load(POLICIES)
NO_BALANCES = (
    '@id("no-balances")@explanation("No balances.")'
    'forbid (principal, action == Action::"read", resource == dataset::"trial_balance");'
)
ACCESS = (
    {"mode": "once"},
    {"mode": "recurring", "frequency": {"unit": "day", "value": 2}},
    {"mode": "recurring", "frequency": {"unit": "hour", "value": 1}},
    {"mode": "standing"},
)
one_of = st.sampled_from
steps = st.one_of(
    st.tuples(
        st.just("grant"), one_of(OWNERS), one_of(BANKS), one_of(ACCESS), st.integers(0, 30), one_of([1, 2])
    ),
    *[st.tuples(st.just("read"), one_of(OWNERS), one_of(BANKS), one_of(SETS), st.integers(-1, 5))] * 5,
    st.tuples(st.just("revoke"), st.integers(0, 5)),
    st.tuples(st.just("wait"), one_of([1, 60, 3600, 86400, 86400 * 9])),
    st.tuples(st.just("standing"), st.booleans()),
    st.tuples(st.just("licence"), st.booleans()),
    st.tuples(st.just("dispute"), one_of(OWNERS), st.booleans()),
    st.tuples(st.just("policies"), st.booleans()),
    st.tuples(st.just("serving"), one_of(OWNERS), st.booleans()),
)


@dataclass
class Given:
    """A grant as the model knows it."""

    owner: str
    bank: str
    access: dict[str, Any]
    sets: tuple[str, ...]
    until: dt.datetime
    given: dt.datetime
    disputed: bool = False
    over: bool = False
    reads: list[tuple[str, dt.datetime]] = field(default_factory=list)


@dataclass
class Model:
    """What holds, kept in the simplest way there is."""

    now: dt.datetime = START
    grants: list[Given] = field(default_factory=list)
    active: bool = True
    licensed: bool = True
    stricter: bool = False
    disputes: set[str] = field(default_factory=set)
    served: set[str] | None = None

    def may(self, owner: str, bank: str, data_set: str, number: int) -> bool:
        """Whether a read passes under the grant with this number; below zero, under any."""
        if number >= len(self.grants):
            return False
        if number >= 0:
            return self._under(self.grants[number], owner, bank, data_set)
        mine = [one for one in reversed(self.grants) if (one.owner, one.bank) == (owner, bank)]
        return any(self._under(one, owner, bank, data_set) for one in mine)

    def _under(self, one: Given, owner: str, bank: str, data_set: str) -> bool:
        windows = {"day": "%Y-%m-%d", "hour": "%Y-%m-%d %H"}
        window = windows.get(one.access.get("frequency", {}).get("unit", ""), "always")
        counted = [
            at
            for name, at in one.reads
            if name == data_set and at.strftime(window) == self.now.strftime(window)
        ]
        most = {"once": 1, "standing": 10**9}.get(one.access["mode"]) or one.access["frequency"]["value"]
        if (
            (one.owner, one.bank) != (owner, bank)
            or data_set not in one.sets
            or one.over
            or one.disputed
            or not self.active
            or not self.licensed
            or (self.served is not None and owner not in self.served)
            or (self.stricter and data_set == "trial_balance")
            or self.now >= one.until
            or len(counted) >= most
        ):
            return False
        one.reads.append((data_set, self.now))
        return True


class Running:
    """The service's own functions, in an application on a database of its own."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.now = START
        self.ids: list[str] = []
        self.book = current(Rulebook)

    def register(self) -> None:
        with writing() as session:
            for name in BANKS:
                self._register(session, ClientRole.PARTY, name, BANK_ORGANISATION)
            self.erp = self._register(session, ClientRole.HOLDER, "erp", "0192:310052345")
            publish(session, STRICTER, self.now)
        self.licence(held=True)

    def _register(self, session: Session, role: ClientRole, name: str, organisation: str) -> Client:
        party = role is ClientRole.PARTY
        key = {"kty": "EC", "crv": "P-256", "x": KEY[0], "y": KEY[1]}
        registration = Registration(
            role=role,
            name=name,
            organisation=organisation,
            jwks={"keys": [key]},
            redirect_uris=["https://bank.example.no/cb"] if party else [],
            resources=[] if party else [RESOURCE],
            client_id=name,
        )
        return parties.register(session, registration, self.now)

    def licence(self, *, held: bool) -> None:
        with writing() as session:
            if held:
                until = self.now + dt.timedelta(days=900)
                licences.license_party(
                    session, BANK_ORGANISATION, "credit", source="x", until=until, now=self.now
                )
            else:
                licences.end_licence(session, BANK_ORGANISATION, "credit", reason="x", now=self.now)

    def grant(self, owner: str, bank: str, access: dict[str, Any], days: int, sets: int) -> None:
        until = self.now + dt.timedelta(days=days, seconds=30)
        terms = {
            "owner": {"authority": "iso6523-actorid-upis", "ID": owner},
            "purpose": "credit_assessment",
            "datatypes": list(SETS[:sets]),
            "actions": ["read"],
            "locations": [RESOURCE],
            "period": {"from": "2025-01-01", "to": "2025-12-31"},
            "access": {**access, "valid_until": until.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "retention": "P90D",
            "onward_sharing": [],
            "legal_basis": "consent",
        }
        grant_id = f"{len(self.ids):08d}-0000-4000-8000-000000000000"
        with writing() as session:
            told = {
                "party": BANK_ORGANISATION,
                "client_id": bank,
                "terms": {"type": "business_data", **terms},
            }
            entry = ledger.append(
                session,
                Kind.GRANT_ACTIVATED,
                {**told, "actor": "person", "reason": "owner"},
                now=self.now,
                owner=owner,
                grant_id=grant_id,
                grant_version=1,
                client_id=bank,
            )
            made = Grant(
                *(grant_id, 1, owner, BANK_ORGANISATION, bank, terms_from_json(terms), Status.ACTIVE),
                created_at=self.now,
                entry_id=entry.entry_id,
                given_at=self.now,
            )
            store.add_version(session, made)
        self.ids.append(grant_id)

    def read(self, owner: str, bank: str, data_set: str, number: int) -> bool:
        named = self.ids[number] if 0 <= number < len(self.ids) else "none" if number >= 0 else None
        context = {"purpose": "credit_assessment"} | ({"grant_id": named} if named else {})
        properties = {"owner": owner, "holder": "erp", "from": "2025-01-01", "to": "2025-03-31"}
        request = EvaluationRequest(
            "party", bank, "read", "dataset", data_set, resource_properties=properties, context=context
        )
        seen = self.book.seen(db.session())
        [answer] = evaluate_all([request], Holder(self.erp, seen.epoch), self.book, lambda: self.now)
        return answer.decision.permit

    def log(self) -> list[Any]:
        """What was recorded, without what is random in it."""
        rows = [(json.loads(body), payload) for _, body, _, payload in entries.told(db.session())]
        return [
            (
                {k: v for k, v in entry.items() if k not in {"entry_id", "payload_hash"}},
                json.loads(payload or b"0"),
            )
            for entry, payload in rows
        ]


KEY = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
"""The public key of RFC 7515, appendix A.3."""


def step(model: Model, running: Running, what: str, *how: Any) -> None:  # noqa: C901  (a list of what can happen)
    """Do one thing in both, and hold what they say against each other."""
    if what == "wait":
        model.now += dt.timedelta(seconds=how[0])
        running.now = model.now
    elif what == "grant":
        owner, bank, access, days, sets = how
        until = model.now + dt.timedelta(days=days, seconds=30)
        model.grants.append(Given(owner, bank, access, SETS[:sets], until, model.now))
        running.grant(*how)
    elif what == "read":
        assert running.read(*how) is model.may(*how), (rfc3339(model.now), how)
    elif what == "revoke" and how[0] < len(model.grants):
        one = model.grants[how[0]]
        one.over = True
        with writing() as session, suppress(ServiceError):  # it may have ended by itself
            service.revoke(session, one.owner, running.ids[how[0]], "person", running.now)
    elif what == "standing" and how[0] is not model.active:
        model.active = how[0]
        standing = Standing.ACTIVE if how[0] else Standing.SUSPENDED
        with writing() as session:
            parties.set_standing(session, BANK_ORGANISATION, standing, reason="x", now=running.now)
    elif what == "licence" and how[0] is not model.licensed:
        model.licensed = how[0]
        running.licence(held=how[0])
    elif what == "dispute" and how[1] is (how[0] not in model.disputes):
        owner, begins = how
        model.disputes ^= {owner}
        for one in model.grants:
            if one.owner == owner:  # what is agreed to during a dispute is for `approve` to refuse
                one.disputed = begins
        with writing() as session:
            change: Callable[..., int] = disputes.begin if begins else disputes.settle
            change(session, owner, actor="operator", reason="x", now=running.now)
    elif what == "serving" and how[1] is not (how[0] in (model.served or ())):
        model.served = (model.served or set()) ^ {how[0]}
        move: Callable[..., object] = serving.serve if how[1] else serving.unserve
        with writing() as session:
            move(session, "erp", [how[0]], running.now)
    elif what == "policies" and how[0] is not model.stricter:
        model.stricter = how[0]
        with writing() as session:
            publish(session, OTHER if how[0] else STRICTER, running.now)


def other_policies() -> PolicySet:
    folder = Path(tempfile.mkdtemp()) / "policies"
    shutil.copytree(POLICIES, folder)
    (folder / "90-more.cedar").write_text(NO_BALANCES)
    found = PolicySet.load(folder)
    shutil.rmtree(folder.parent)
    return found


OTHER = other_policies()


@contextmanager
def running_on(template: Path, *, remembering: bool) -> Iterator[Running]:
    """An application on a fresh database, with the memory on or off."""
    known = rulebook.remembering if remembering else lambda rules: rules
    with tempfile.TemporaryDirectory() as name, mock.patch.object(rulebook, "remembering", known):
        shutil.copy(template, Path(name) / "run.db")
        url = f"sqlite:///{Path(name) / 'run.db'}"
        app = create_app(Settings("http://localhost", "k" * 40, Path(name), url, POLICIES, sandbox=True))
        with app.app_context():
            yield Running(app)
            db.session.remove()
            db.engine.dispose()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(run=st.lists(steps, min_size=10, max_size=60))
def test_the_service_says_what_the_model_says_and_its_memory_changes_nothing(
    sqlite_template: Path, run: list[tuple[Any, ...]]
) -> None:
    logs = []
    for remembering in (True, False):
        with running_on(sqlite_template, remembering=remembering) as running:
            model = Model()
            running.register()
            for what, *how in run:
                step(model, running, what, *how)
            logs.append(running.log())
    assert logs[0] == logs[1]
