"""The bank over HTTP: a page that leads a newcomer through the story; the same steps as JSON for scripts."""

from __future__ import annotations

import datetime as dt
import secrets
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from flask import Flask, Response, g, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from consent_service.verifier.client import Asked, PartyClient, Tokens
from consent_service.verifier.errors import OAuthRefused, Refused, ServiceFailed

COOKIE = "bank_session"
MOST_SESSIONS = 1000
READ = ("trial_balance", "financial_statement")
ACCESS_DAYS = 90


@dataclass(frozen=True, slots=True)
class Offer:
    """What the bank asks for: whose data, which period, from where, as which bank."""

    bank: str
    owner: str
    owner_name: str
    period_from: str
    period_to: str
    resource: str
    person: str = "Ingrid Hauge"

    def details(self, now: dt.datetime) -> dict[str, Any]:
        """The ``business_data`` object (RFC 9396) of a credit check."""
        until = (now + dt.timedelta(days=ACCESS_DAYS)).replace(microsecond=0)
        return {
            "type": "business_data",
            "owner": {"authority": "iso6523-actorid-upis", "ID": self.owner},
            "purpose": "credit_assessment",
            "datatypes": list(READ),
            "actions": ["read"],
            "locations": [self.resource],
            "period": {"from": self.period_from, "to": self.period_to},
            "access": {
                "mode": "recurring",
                "frequency": {"unit": "day", "value": 4},
                "valid_until": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "retention": "P90D",
            "onward_sharing": [],
            "legal_basis": "consent",
            "message": {"en": "Your loan application 4711"},
        }


@dataclass(slots=True)
class Customer:
    """One browser's way through the story."""

    asked: Asked | None = None
    tokens: Tokens | None = None
    problem: str = ""
    results: list[dict[str, Any]] = field(default_factory=list)
    was_refused: bool = False
    was_read: bool = False


class Customers:
    """The browsers that are under way, in memory; the oldest go first."""

    def __init__(self) -> None:
        self._known: dict[str, Customer] = {}
        self._lock = threading.Lock()

    def find(self, key: str) -> Customer | None:
        with self._lock:
            return self._known.get(key)

    def add(self) -> tuple[str, Customer]:
        key, customer = secrets.token_urlsafe(24), Customer()
        with self._lock:
            while len(self._known) >= MOST_SESSIONS:
                self._known.pop(next(iter(self._known)))
            self._known[key] = customer
        return key, customer


def create_app(client: PartyClient, offer: Offer, issuer: str, own_url: str) -> Flask:
    """The bank's application; ``own_url`` is where browsers reach it."""
    app = Flask(__name__)
    # 1 234 567.89 with spaces that don't break
    app.jinja_env.filters["amount"] = lambda text: f"{Decimal(text):,.2f}".replace(",", "\u00a0")
    customers = Customers()

    @app.before_request
    def _find_customer() -> None:
        found = customers.find(request.cookies.get(COOKIE, ""))
        if found is None:
            g.key, g.customer = customers.add()
        else:
            g.key, g.customer = None, found

    @app.get("/")
    def home() -> str:
        customer: Customer = g.customer
        return render_template(
            "bank.html", offer=offer, customer=customer, issuer=issuer, step=_step(customer), sets=READ
        )

    @app.post("/apply")
    def apply() -> BaseResponse | tuple[Response, int]:
        """Push the request and send the browser to the owner's page."""
        customer: Customer = g.customer
        customer.results, customer.tokens, customer.problem = [], None, ""
        customer.was_read = customer.was_refused = False
        now = dt.datetime.now(dt.UTC)
        try:
            customer.asked = client.ask(offer.details(now), f"{own_url}/callback", now)
        except (OAuthRefused, ServiceFailed) as error:
            return _failed(customer, str(error))
        if _wants_json():
            return jsonify(redirect=customer.asked.url), 200
        return redirect(customer.asked.url, 303)

    @app.get("/callback")
    def callback() -> BaseResponse | tuple[Response, int]:
        """The browser is back, with a code or with a no."""
        customer: Customer = g.customer
        asked, customer.asked = customer.asked, None
        if asked is None:
            return _failed(customer, "No answer was expected here.")
        try:
            customer.tokens = client.redeem(asked, request.args.to_dict(), dt.datetime.now(dt.UTC))
        except OAuthRefused as error:
            declined = error.error == "access_denied"
            return _failed(customer, "The owner declined." if declined else str(error))
        except (Refused, ServiceFailed) as error:
            return _failed(customer, str(error))
        if _wants_json():
            return jsonify(grant_id=customer.tokens.grant_id, granted=dict(customer.tokens.details)), 200
        return redirect(url_for("home"), 303)

    @app.post("/read")
    def read() -> BaseResponse | tuple[Response, int]:
        """Read every granted data set for the granted period, and show what comes back."""
        customer: Customer = g.customer
        if customer.tokens is None:
            return _failed(customer, "Nothing has been granted yet.")
        customer.results = [
            _read_one(client, offer, customer.tokens, name) for name in customer.tokens.details["datatypes"]
        ]
        customer.was_read = customer.was_read or any(one["status"] == 200 for one in customer.results)
        customer.was_refused = all(one["status"] != 200 for one in customer.results)
        if _wants_json():
            return jsonify(results=customer.results), 200
        return redirect(url_for("home"), 303)

    @app.post("/check")
    def check() -> BaseResponse | tuple[Response, int]:
        """What the service says of the bank's tokens: introspection, and an attempt to refresh."""
        customer: Customer = g.customer
        if customer.tokens is None:
            return _failed(customer, "Nothing has been granted yet.")
        now = dt.datetime.now(dt.UTC)
        introspection = client.introspect(customer.tokens.access_token, now)
        refreshed = "there is none"
        if customer.tokens.refresh_token:
            try:
                customer.tokens = client.refresh(customer.tokens.refresh_token, now)
                refreshed = "ok"
            except OAuthRefused as error:
                refreshed = f"{error.error}: {error.description}"
        return jsonify(introspection=introspection, refresh=refreshed), 200

    @app.after_request
    def _add_headers(response: Response) -> Response:
        if g.get("key"):
            response.set_cookie(COOKIE, g.key, httponly=True, samesite="Lax")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self'; form-action 'self' {issuer}; frame-ancestors 'none'"
        )
        return response

    return app


def _read_one(client: PartyClient, offer: Offer, tokens: Tokens, data_set: str) -> dict[str, Any]:
    period = tokens.details["period"]
    url = f"{offer.resource}/{offer.owner}/{data_set}?from={period['from']}&to={period['to']}"
    try:
        response = client.read(url, tokens.access_token, dt.datetime.now(dt.UTC))
        return {"data_set": data_set, "status": response.status_code, "body": response.json()}
    except (ServiceFailed, ValueError, OSError) as error:
        return {"data_set": data_set, "status": 0, "body": {"title": str(error), "reasons": []}}


def _step(customer: Customer) -> int:
    """How far the story has come: 1 apply, 2 answer, 3 read, 4 revoke and read again, 5 done."""
    if customer.was_read and customer.was_refused:
        return 5
    if customer.was_read:
        return 4
    if customer.tokens:
        return 3
    return 2 if customer.asked else 1


def _wants_json() -> bool:
    return request.accept_mimetypes.best == "application/json"


def _failed(customer: Customer, problem: str) -> BaseResponse | tuple[Response, int]:
    customer.problem = problem
    if _wants_json():
        return jsonify(problem=problem), 400
    return redirect(url_for("home"), 303)
