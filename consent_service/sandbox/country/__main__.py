"""Run the sandbox's eID and registers: ``python -m consent_service.sandbox.country``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flask import Flask, Response

from consent_service.sandbox import serving
from consent_service.sandbox.country import denmark, desk, eid, finland, iceland, norway, register, sweden
from consent_service.sandbox.country.seed import Country, load

ON = frozenset({"1", "true", "yes", "on"})
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(country: Country, issuer: str, relying: eid.Relying) -> Flask:
    """All on one application: the programme's register, the five national ones, the desk, and the eID."""
    app = Flask(__name__, static_folder=None)
    for one in (register, norway, sweden, denmark, finland, iceland, desk):
        app.register_blueprint(one.blueprint(country))
    app.register_blueprint(eid.blueprint(eid.Provider(issuer, country, relying)))

    @app.after_request
    def _add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return app


def main() -> int:
    """Refuse to start outside the sandbox: whoever can choose a person here can be anybody."""
    arguments = argparse.ArgumentParser(prog="consent_service.sandbox.country")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--seed", type=Path, required=True)
    arguments.add_argument("--redirect-uri", action="append", required=True)
    given = arguments.parse_args()
    if os.environ.get("CONSENT_SANDBOX", "").lower() not in ON:
        return _refuse("the test eID starts in the sandbox only: set CONSENT_SANDBOX=1")
    secret = os.environ.get("SANDBOX_EID_CLIENT_SECRET", "")
    if not secret:
        return _refuse("SANDBOX_EID_CLIENT_SECRET is not set")
    client_id = os.environ.get("SANDBOX_EID_CLIENT_ID", "consent-service")
    try:
        country = load(given.seed)
    except ValueError as error:
        return _refuse(str(error))
    relying = eid.Relying(client_id, secret, frozenset(given.redirect_uri))
    app = create_app(country, f"http://localhost:{given.port}/eid", relying)
    serving.serve(app, "sandbox eID and register", given.port)
    return 0


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
