"""Security headers on every answer, and the one header that follows a request through the logs."""

from __future__ import annotations

import re
import uuid
from functools import lru_cache

from flask import Flask, Response, abort, g, request

REQUEST_ID = "X-Request-ID"
SANE_ID = re.compile(r"[ -~]{1,1024}")
"""The standard lets it be any text (AuthZEN Authorization API 1.0); a header holds this much of any."""

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), "
    "camera=(), microphone=(), geolocation=()",
}
YEAR = 31_536_000  # seconds


def allow_form_to(*origins: str) -> None:
    """Let this page's form end at these origins.

    Browsers apply ``form-action`` to redirects too, and the answer to a request ends at
    the party's redirect URI.
    """
    g.form_targets = origins


@lru_cache(maxsize=256)
def _policy(form_targets: tuple[str, ...]) -> str:
    targets = " ".join(("'self'", *filter(None, form_targets)))
    return "; ".join(f"{name} {value}" for name, value in (POLICY | {"form-action": targets}).items())


def request_id(given: str) -> str:
    """What this request is called: by the name that it brought, or a new one."""
    return given if SANE_ID.fullmatch(given) else str(uuid.uuid4())


def always(*, https: bool) -> dict[str, str]:
    """The headers of every answer that no page, no form and no reader of the log is about."""
    strict = {"Strict-Transport-Security": f"max-age={YEAR}; includeSubDomains"} if https else {}
    return {"Content-Security-Policy": _policy(()), **HEADERS, **strict, "Cache-Control": "no-store"}


def init_app(app: Flask, *, https: bool) -> None:
    """Put the headers on every answer of ``app``; HSTS only where the issuer is https."""

    @app.before_request
    def _take_request_id() -> None:
        g.request_id = request_id(request.headers.get(REQUEST_ID, ""))
        if "\x00" in request.path:  # names nothing here, and PostgreSQL refuses to look for it
            abort(404)

    @app.after_request
    def _add(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _policy(tuple(g.get("form_targets", ())))
        for name, value in HEADERS.items():
            if name not in response.headers:  # the public log may be read from any page
                response.headers[name] = value
        if https:
            response.headers["Strict-Transport-Security"] = f"max-age={YEAR}; includeSubDomains"
        if request.endpoint and not request.endpoint.endswith("static"):
            response.headers.setdefault("Cache-Control", "no-store")
        response.headers[REQUEST_ID] = g.get("request_id", "")
        return response
