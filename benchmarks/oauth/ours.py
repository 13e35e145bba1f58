"""Our service, as ``consent-service serve`` starts a worker, among 100,000 grants on SQLite."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import httpx2
from sqlalchemy import create_engine

from benchmarks import population
from benchmarks.decisions import prepared
from benchmarks.oauth.sides import BANK, ERP, FORM, Key, Side
from benchmarks.over_http import running
from consent_service.commands.serve import free_port
from consent_service.config import Settings, from_environ
from consent_service.db import writing_to
from consent_service.registry.model import OrganisationRole
from consent_service.registry.people import USE
from consent_service.registry.store import PersonRow, RepresentationRow
from consent_service.sealing import Seal
from consent_service.web.session import COOKIE, PERSON, SESSION_ID, SIGNED_IN, SessionRow

GRANTS, BROWSERS = 100_000, 16
PATHS = {
    "par": "/oauth/par",
    "authorize": "/oauth/authorize",
    "token": "/oauth/token",
    "introspect": "/oauth/introspect",
}


@contextmanager
def running_side() -> Iterator[Side]:
    """The service with a bank, an ERP system, and owners who are signed in."""
    with made() as (side, settings, environ), running(settings, environ):
        form = side.form(ERP, {"grant_type": "client_credentials", "scope": "introspection"})
        answer = httpx2.post(side.url("token"), content=form, headers=FORM).json()
        side.introspecting["Authorization"] = f"Bearer {answer['access_token']}"
        yield side


@contextmanager
def made() -> Iterator[tuple[Side, Settings, dict[str, str]]]:
    """The same with nothing started yet."""
    with prepared(None, GRANTS) as environ:
        # Counted as ever, but the load is one address, and one client.
        environ |= {"CONSENT_LIMIT_CLIENT": "9999999", "CONSENT_LIMIT_ADDRESS": "9999999"}
        # A register that does not answer: what it said before goes on counting, for an hour.
        environ |= {"CONSENT_REGISTER_URL": f"http://localhost:{free_port()}"}
        settings = from_environ(environ)
        key = Key.from_json((Path(environ["CONSENT_HOME"]) / "erp.jwk").read_text())
        owners = list(islice(population.owners(), BROWSERS))
        browsers = [{COOKIE: _sign_in(settings, owner)} for owner in owners]
        yield Side("ours", settings.issuer, PATHS, {BANK: key, ERP: key}, browsers, owners), settings, environ


def _sign_in(settings: Settings, owner: str) -> str:
    """A person who may sign for this owner, and the key of a session in which they are signed in."""
    key, person_id, moment = secrets.token_urlsafe(32), str(uuid.uuid4()), dt.datetime.now(dt.UTC)
    signed_in = {"how": "eid", "at": moment.isoformat(), "amr": ["eid"], "id": str(uuid.uuid4())}
    held = {PERSON: person_id, SIGNED_IN: signed_in, SESSION_ID: str(uuid.uuid4())}
    engine = create_engine(settings.database_url)
    with writing_to(engine) as session:
        session.add(
            PersonRow(
                person_id=person_id,
                eid_issuer="https://eid.example.no",
                eid_subject=person_id,
                name="Ingrid Eier",
                sealed_person_number=Seal(settings.secret_key, USE).close("24078612345"),
                created_at=moment,
            )
        )
        session.flush()
        session.add(
            RepresentationRow(
                owner=owner,
                person_id=person_id,
                role=OrganisationRole.CHAIR,
                owner_name=f"Eksempel {owner[-4:]} AS",
                source="benchmark",
                checked_at=moment,
            )
        )
        hashed = hashlib.sha256(key.encode()).hexdigest()
        until = moment + dt.timedelta(hours=8)
        session.add(SessionRow(key_hash=hashed, data=json.loads(json.dumps(held)), expires_at=until))
    engine.dispose()
    return key
