"""Structured logs: one JSON line an event, with the request id, and nothing secret or personal.

What may be logged is a list, not what may not: a key that is not on it is dropped. The
request line is logged as its route's pattern, because real paths and queries carry ids.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g, request

LOGGED = frozenset(
    {"event", "level", "timestamp", "request_id", "method", "route", "status", "milliseconds"}
    | {
        "error",
        "client_id",
        "problem",
        "entry_id",
        "kid",
        "policy_digest",
        "exception",
        "port",
        "workers",
        "peer",
        "job",
    }
)


_requests = structlog.get_logger()


def keep_listed(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every member that is not on the list."""
    return {name: value for name, value in event.items() if name in LOGGED}


def _json(event: object, **_options: object) -> bytes:
    return orjson.dumps(event, default=str)


def configure() -> None:
    """Send structured logs to standard error, warnings of libraries included."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(levelname)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_listed,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def begin(request_id: str) -> float:
    """Name this request in every line that it logs from here on; returns when it began."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return time.perf_counter()


def end(method: str, route: str, status: int, began: float | None) -> None:
    """Log a request whose answer is ready."""
    _requests.info(
        "request",
        method=method,
        route=route,
        status=status,
        milliseconds=round((time.perf_counter() - began) * 1000) if began else None,
    )


def init_app(app: Flask) -> None:
    """Log each request of ``app`` when its answer is ready."""

    @app.before_request
    def _start() -> None:
        g.started = begin(g.request_id)

    @app.after_request
    def _end(response: Response) -> Response:
        rule = request.url_rule
        method, route = (request.method, rule.rule) if rule else ("-", "-")
        end(method, route, response.status_code, g.get("started"))
        return response
