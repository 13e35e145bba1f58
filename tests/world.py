"""The service as its users meet it: a bank, an ERP system and a person, and what each of them does."""

from __future__ import annotations

import atexit
import base64
import contextlib
import datetime as dt
import functools
import hashlib
import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from werkzeug.test import TestResponse

from consent_service import keys
from consent_service.app import create_app
from consent_service.clock import Clock
from consent_service.config import POLICIES, Settings
from consent_service.db import db, writing
from consent_service.ledger.sequencer import Sequencer
from consent_service.registry import licences, parties
from consent_service.registry.model import ClientRole
from consent_service.registry.parties import Registration
from consent_service.verifier.dpop import DPoPKey
from consent_service.web.current import current

SEED = Path(__file__).parents[1] / "consent_service" / "sandbox" / "seed.yaml"
ISSUER = "http://localhost"
CALLBACK = f"{ISSUER}/sign-in/eid/callback"
EID_SECRET = "a secret of the tests alone"
LISTENER_SECRET = "what the listener of the tests would say"
OWNER = "0192:310028142"
OTHER_OWNER = "0007:5599980108"
RESOURCE = "https://erp.example.no/api"
REDIRECT = "https://bank.example.no/callback"
_FOLDER = tempfile.mkdtemp()
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
COMPILED = FileSystemBytecodeCache(_FOLDER)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Peer:
    """A client with its key: signs assertions, calls form endpoints."""

    world: World
    client_id: str
    key: Any
    dpop: DPoPKey = field(default_factory=lambda: DPoPKey(ec.generate_private_key(ec.SECP256R1())))

    def assertion(
        self, algorithm: str = "ES256", key: Any = None, headers: Any = None, **changes: Any
    ) -> str:
        now = int(self.world.clock.now().timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "exp": now + 60,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.key, algorithm=algorithm, headers=headers)

    def post(self, path: str, form: dict[str, Any], dpop: bool | str = False, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if dpop:
            headers["DPoP"] = dpop if isinstance(dpop, str) else self.proof(path)
        assertion = options.pop("assertion", None) or self.assertion()
        data = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **form}
        data = {name: value for name, value in data.items() if value is not None}
        return self.world.app.test_client().post(path, data=data, headers=headers, **options)

    def proof(self, path: str, method: str = "POST") -> str:
        return self.dpop.proof(method, ISSUER + path, self.world.clock.now())

    def push(self, details: Any = None, **changes: Any) -> TestResponse:
        """PAR; ``details`` None is the world's usual request."""
        verifier = "v" * 64
        form = {
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "state": "the-state",
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
            "authorization_details": json.dumps([self.world.details()] if details is None else details),
        }
        options = {name: changes.pop(name) for name in ("dpop",) if name in changes}
        return self.post("/oauth/par", form | changes, **options)

    def redeem(self, code: str, **changes: Any) -> TestResponse:
        options = {name: changes.pop(name) for name in ("dpop", "assertion") if name in changes}
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": "v" * 64,
        }
        return self.post("/oauth/token", form | changes, **({"dpop": True} | options))


@dataclass
class World:
    """A running service and who uses it."""

    app: Flask
    clock: Any
    bank: Peer
    erp: Peer

    @classmethod
    @contextlib.contextmanager
    def make(cls, url: str, country: str, clock: Clock, home: Path) -> Iterator[World]:
        settings = Settings(
            issuer=ISSUER,
            secret_key="k" * 40,
            home=home,
            database_url=url,
            policy_dir=POLICIES,
            sandbox=True,
            eid_issuer=f"{country}/eid",
            eid_client_id="consent-service",
            eid_client_secret=EID_SECRET,
            register_url=f"{country}/register",
            listener_secret=LISTENER_SECRET,
        )
        app = create_app(settings, clock)
        app.jinja_env.bytecode_cache = COMPILED  # each test makes an application; the pages stay the same
        app.config["TESTING"] = False  # errors become answers, as in production
        with app.app_context():
            current(Sequencer).prepare()
        with app.app_context(), writing() as session:
            for key in signing_keys():
                keys.rotate(session, settings.secret_key, key, clock.now())
        made = cls(app, clock, None, None)  # type: ignore[arg-type]
        made.bank = made.register(ClientRole.PARTY, "Nordhavn Bank ASA", "0192:310041238")
        made.license("0192:310041238")
        made.erp = made.register(
            ClientRole.HOLDER, "Skyregn Systemer AS", "0192:310052345", resource=RESOURCE
        )
        try:
            yield made
        finally:
            with app.app_context():
                db.session.remove()
                db.engine.dispose()

    def sequence(self) -> int:
        """Let the sequencer take a step, as its thread does in the running service."""
        with self.app.app_context():
            return current(Sequencer).step()

    def license(self, organisation: str, licence: str = "credit") -> None:
        """Record a licence, as an operator does."""
        now = self.clock.now()
        with self.app.app_context(), writing() as session:
            until = now + dt.timedelta(days=3650)
            licences.license_party(
                session, organisation, licence, source="Finanstilsynet", until=until, now=now
            )

    def register(
        self,
        role: ClientRole,
        name: str,
        organisation: str,
        resource: str = "",
        redirect: str = REDIRECT,
        **metadata: Any,
    ) -> Peer:
        key = ec.generate_private_key(ec.SECP256R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        registration = Registration(
            role=role,
            name=name,
            organisation=organisation,
            jwks={} if "jwks_uri" in metadata else {"keys": [public]},
            metadata=metadata,
            redirect_uris=(redirect,) if role is ClientRole.PARTY else (),
            resources=(resource,) if resource else (),
        )
        with self.app.app_context(), writing() as session:
            client = parties.register(session, registration, self.clock.now())
        return Peer(self, client.client_id, key)

    def details(self, **changes: Any) -> dict[str, Any]:
        """A credit check, as DESIGN section 5 has it."""
        until = self.clock.now() + dt.timedelta(days=90)
        asked = {
            "type": "business_data",
            "owner": {"authority": "iso6523-actorid-upis", "ID": OWNER},
            "purpose": "credit_assessment",
            "datatypes": ["financial_statement", "trial_balance"],
            "actions": ["read"],
            "locations": [RESOURCE],
            "period": {"from": "2024-01-01", "to": "2025-12-31"},
            "access": {
                "mode": "recurring",
                "frequency": {"unit": "day", "value": 4},
                "valid_until": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "retention": "P90D",
            "onward_sharing": [],
            "legal_basis": "consent",
            "message": {"en": "Your loan application 4711"},
        } | changes
        return {name: value for name, value in asked.items() if value is not None}

    def sign_in(self, person: str = "ingrid") -> FlaskClient:
        """A browser in which this person signed in with the eID."""
        browser = self.app.test_client()
        done = self.sign_in_again(browser, person)
        assert done.status_code == 303, done.text
        return browser

    def sign_in_again(self, browser: FlaskClient, person: str = "ingrid") -> TestResponse:
        """The same in a browser that is there already."""
        page = browser.get("/sign-in", headers={"Accept": "text/html"})
        left = browser.post("/sign-in/eid", data={"csrf_token": csrf(page)})
        assert left.status_code == 303, left.text
        asked = {name: values[0] for name, values in parse_qs(urlsplit(left.location).query).items()}
        back = httpx2.post(left.location.partition("?")[0], data=asked | {"person": person})
        assert back.status_code == 303
        return browser.get(back.headers["location"])

    def open_request(
        self, browser: FlaskClient, pushed: TestResponse, peer: Peer | None = None
    ) -> tuple[str, TestResponse]:
        """Follow the bank's redirect to the owner's page; returns the page's address and the page."""
        client_id = (peer or self.bank).client_id
        query = {"client_id": client_id, "request_uri": pushed.json["request_uri"]}
        begun = browser.get("/oauth/authorize", query_string=query)
        assert begun.status_code == 303, begun.text
        return begun.location, browser.get(begun.location)

    def answer(self, browser: FlaskClient, path: str, page: TestResponse, **form: Any) -> TestResponse:
        """Send the owner's form, as the page has it but for ``form``."""
        filled = {
            "csrf_token": csrf(page),
            "answer": "approve",
            "datatypes": ["financial_statement", "trial_balance"],
        }
        return browser.post(f"{path}/answer", data=filled | form)

    def approve(self, browser: FlaskClient, pushed: TestResponse, **form: Any) -> dict[str, str]:
        """From PAR to the parameters that come back at the bank."""
        path, page = self.open_request(browser, pushed)
        answered = self.answer(browser, path, page, **form)
        assert answered.status_code == 303, answered.text
        returned = browser.get(answered.location)
        assert returned.status_code == 303, returned.text
        return {name: values[0] for name, values in parse_qs(urlsplit(returned.location).query).items()}

    def grant(
        self, details: dict[str, Any] | None = None, browser: FlaskClient | None = None
    ) -> dict[str, Any]:
        """The token response of a whole story."""
        pushed = self.bank.push(None if details is None else [details])
        assert pushed.status_code == 201, pushed.text
        back = self.approve(browser or self.sign_in(), pushed)
        redeemed = self.bank.redeem(back["code"])
        assert redeemed.status_code == 200, redeemed.text
        return dict(redeemed.json)

    def grant_of(self, details: dict[str, Any], **form: Any) -> dict[str, Any]:
        """The token response of a story in which the owner fills the form so."""
        pushed = self.bank.push([details])
        assert pushed.status_code == 201, pushed.text
        redeemed = self.bank.redeem(self.approve(self.sign_in(), pushed, **form)["code"])
        assert redeemed.status_code == 200, redeemed.text
        return dict(redeemed.json)

    def decide(self, token: dict[str, Any], holder: Peer | None = None, **changes: Any) -> dict[str, Any]:
        """What the ERP system is told about a read under this token."""
        response = self.ask(holder or self.erp, self.question(token, holder or self.erp, **changes))
        assert response.status_code == 200, response.text
        return dict(response.json)

    def question(self, token: dict[str, Any], holder: Peer, **changes: Any) -> dict[str, Any]:
        properties = {
            "owner": OWNER,
            "holder": holder.client_id,
            "from": "2025-01-01",
            "to": "2025-06-30",
        } | changes.get("properties", {})
        context = {"purpose": "credit_assessment", "grant_id": token["grant_id"]} | changes.get("context", {})
        return {
            "subject": {"type": "party", "id": changes.get("party", self.bank.client_id)},
            "action": {"name": changes.get("action", "read")},
            "resource": {
                "type": "dataset",
                "id": changes.get("data_set", "trial_balance"),
                "properties": {name: value for name, value in properties.items() if value is not None},
            },
            "context": {name: value for name, value in context.items() if value is not None},
        }

    def ask(self, holder: Peer, question: Any, **options: Any) -> TestResponse:
        bearer = options.pop("bearer", None) or self.bearer(holder)
        headers = {"Authorization": f"Bearer {bearer}"} | options.pop("headers", {})
        return self.app.test_client().post("/access/v1/evaluation", json=question, headers=headers, **options)

    def bearer(self, holder: Peer) -> str:
        answer = holder.post("/oauth/token", {"grant_type": "client_credentials"})
        assert answer.status_code == 200, answer.text
        return str(answer.json["access_token"])

    def revoke(self, browser: FlaskClient, grant_id: str) -> TestResponse:
        page = browser.get(f"/grants/{grant_id}")
        return browser.post(f"/grants/{grant_id}/revoke", data={"csrf_token": csrf(page)})


@functools.cache
def signing_keys() -> list[keys.SigningKey]:
    """A key of each algorithm, made once: RSA's take long, and every test makes a world."""
    return [keys.generate(algorithm) for algorithm in keys.Algorithm]


def csrf(page: TestResponse) -> str:
    """The token of a page's form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text[:500]
    return found.group(1)


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
