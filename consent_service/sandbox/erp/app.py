"""The ERP system's API: verify the token, ask for the decision, answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, render_template, request

from consent_service.sandbox.erp.model import Bookkeeping
from consent_service.sandbox.erp.statements import StatementError, financial_statement, trial_balance
from consent_service.verifier.decision import Decision
from consent_service.verifier.guard import Call, Guard, Unauthorized, Wanted
from consent_service.verifier.resource import metadata, metadata_url

COUNTRIES = {"NO": "0192", "SE": "0007", "DK": "0184", "FI": "0212", "IS": "0196"}
DATA_SETS: dict[str, Callable[[Bookkeeping, dt.date, dt.date], dict[str, Any]]] = {
    "trial_balance": trial_balance,
    "financial_statement": financial_statement,
}


@dataclass(frozen=True, slots=True)
class Company:
    """The one company whose books this system keeps, in the short form of ISO 6523."""

    owner: str
    name: str

    @classmethod
    def of(cls, books: Bookkeeping) -> Company:
        """Raises ValueError for a country that is not one of the five."""
        icd = COUNTRIES.get(books.company.country)
        if icd is None:
            raise ValueError(
                f"the file's country {books.company.country!r} is none of {', '.join(COUNTRIES)}"
            )
        number = "".join(character for character in books.company.registration_number if character.isalnum())
        return cls(f"{icd}:{number}", books.company.name)


def create_app(books: Bookkeeping, guard: Guard, resource: str, issuer: str) -> Flask:
    """The system over HTTP.

    :param resource: the address of its API, which is the audience of tokens for it
    :param issuer: whose tokens it takes
    """
    app = Flask(__name__)
    company = Company.of(books)

    @app.get("/")
    def home() -> str:
        return render_template(
            "erp.html", company=company, books=books, data_sets=list(DATA_SETS), resource=resource
        )

    @app.get(urlsplit(metadata_url(resource)).path)
    def described() -> Response:
        """Where to get tokens for this API (RFC 9728)."""
        return jsonify(metadata(resource, issuer, f"{company.name}: bookkeeping", certificates=False))

    @app.get("/api/<owner>/<data_set>")
    def data(owner: str, data_set: str) -> Response:
        """A data set of the company for a period; nothing is looked up before the decision."""
        wanted = Wanted(owner, data_set, request.args.get("from", ""), request.args.get("to", ""))
        path = f"{resource}/{owner}/{data_set}"
        call = Call(
            "GET",
            path,
            request.headers.getlist("Authorization"),
            request.headers.getlist("DPoP"),
            request.headers.get("X-Request-ID", ""),
        )
        try:
            decision = guard.check(call, wanted, dt.datetime.now(dt.UTC))
        except Unauthorized as error:
            return _problem(401, "The access token is not accepted", [str(error)], challenge=error.challenge)
        if not decision.answered:
            return _problem(503, "No decision could be had", list(decision.reasons))
        if not decision:
            return _problem(403, "The consent service refuses this", list(decision.reasons), decision)
        if owner != company.owner or data_set not in DATA_SETS:
            return _problem(404, "This system does not hold that", [])
        start, end = dt.date.fromisoformat(wanted.period_from), dt.date.fromisoformat(wanted.period_to)
        try:
            data = decision.masked(DATA_SETS[data_set](books, start, end))
            return jsonify(data=data, decision=_shown(decision))
        except StatementError as error:
            return _problem(422, "No statement can be made of this", [str(error)], decision)

    @app.after_request
    def _add_headers(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; frame-ancestors 'none'"
        )
        return response

    return app


def _shown(decision: Decision) -> dict[str, Any]:
    return {
        "grant_id": decision.grant_id,
        "entry_id": decision.entry_id,
        "obligations": [dict(one) for one in decision.obligations],
    }


def _problem(
    status: int, title: str, reasons: list[str], decision: Decision | None = None, challenge: str = ""
) -> Response:
    """RFC 9457, with the decision's reasons and where it stands in the ledger."""
    body: dict[str, Any] = {"type": "about:blank", "status": status, "title": title, "reasons": reasons}
    if decision is not None:
        body["decision"] = _shown(decision)
    response = jsonify(body)
    response.status_code = status
    response.mimetype = "application/problem+json"
    if challenge:
        response.headers["WWW-Authenticate"] = challenge
    return response
