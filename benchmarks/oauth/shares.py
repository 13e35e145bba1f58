"""Where our time goes: ``python -m benchmarks.oauth.shares``; the application alone, in one thread.

The processor's time is sampled, and each sample counts for the part that runs: the innermost
frame of a file that a part names. What the HTTP server takes is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import io
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import structlog
from flask import Flask

from benchmarks import population
from benchmarks.oauth import ours
from benchmarks.oauth.flow import Answer, Browser
from benchmarks.oauth.sides import BANK, ERP, FORM, Side, encode
from consent_service.app import create_app
from consent_service.config import Settings
from consent_service.db import db, writing
from consent_service.grants import store
from consent_service.oauth import tokens
from consent_service.oauth.sender import Sender
from consent_service.registry import parties
from consent_service.web import logs
from consent_service.web.current import current, now

EACH, ROUNDS = 0.0005, 2000  # seconds of the processor's time between two samples; requests
PARTS = {
    "signatures (cryptography, joserfc)": ("cryptography/", "joserfc/", "keys/jws", "keys/es256"),
    "database (SQLAlchemy, SQLite)": (
        "sqlalchemy/",
        "flask_sqlalchemy/",
        "consent_service/db.py",
        "consent_service/prepared.py",
        "consent_service/stored.py",
        "sqlite3/",
    ),
    "logs (structlog)": ("structlog/", "web/logs"),
    "Flask, Werkzeug": (
        "flask/",
        "werkzeug/",
        "flask_wtf/",
        "flask_babel/",
        "web/headers",
        "jinja2/",
        "babel/",
    ),
    "Authlib": ("authlib/",),
    "ours: grants and policy": (
        "consent_service/grants/",
        "consent_service/policy/",
        "consent_service/ledger/",
    ),
    "ours: oauth": ("consent_service/oauth/",),
    "ours: registry": ("consent_service/registry/",),
    "ours: the rest": ("consent_service/",),
}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--only", default="")
    options.add_argument(
        "--frames", action="store_true", help="which functions, innermost of ours or a library's"
    )
    chosen = options.parse_args()
    logs.configure()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(io.StringIO()))
    with ours.made() as (side, settings, _environ):
        app = create_app(settings)
        for what, ask in questions(side, app, chosen.rounds).items():
            if chosen.only in what:
                measured(what, ask, chosen.rounds, frames=chosen.frames)
        with app.app_context():
            db.engine.dispose()


def questions(side: Side, app: Flask, rounds: int) -> dict[str, Callable[[], None]]:
    """One request of each kind, each time a new one."""
    count = rounds + 20
    token = under_a_grant(app)
    browser = Direct(side, side.keys[BANK], side.owners[0], dict(side.browsers[0]), app=app)
    form = {"grant_type": "client_credentials", "scope": "introspection"}
    asking = json.loads(post(app, "/oauth/token", side.form(ERP, form)))["access_token"]

    def turn(path: str, bodies: Iterator[bytes], **headers: str) -> Callable[[], None]:
        def ask() -> None:
            post(app, path, next(bodies), **headers)

        return ask

    return {
        "introspection, by token": turn(
            "/oauth/introspect",
            itertools.repeat(encode({"token": token})),
            authorization=f"Bearer {asking}",
        ),
        "introspection, private_key_jwt": turn(
            "/oauth/introspect", iter(side.forms(ERP, {"token": token}, count))
        ),
        "client credentials, private_key_jwt": turn(
            "/oauth/token", iter(side.forms(ERP, {"grant_type": "client_credentials"}, count))
        ),
        "PAR, authorize, approve, token": lambda: asyncio.run(browser.once()),
    }


@dataclass
class Direct(Browser):
    """A browser that needs no network."""

    app: Flask | None = None

    async def exchange(self, method: str, path: str, fields: dict[str, str], body: bytes) -> Answer:
        assert self.app is not None
        return request(self.app, method, path, fields, body)


def post(app: Flask, path: str, body: bytes, **headers: str) -> bytes:
    answer = request(app, "POST", path, {**FORM, **headers}, body)
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.body[:300]!r}")
    return answer.body


def request(app: Flask, method: str, path: str, fields: dict[str, str], body: bytes) -> Answer:
    """One request straight into the application, as a server would make it."""
    said: list[Any] = []
    content_type = {"CONTENT_TYPE": fields.pop("Content-Type")} if "Content-Type" in fields else {}
    path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **content_type,
        **{f"HTTP_{name.upper()}": value for name, value in fields.items()},
    }

    def start(*status_and_headers: Any) -> None:
        said.extend(status_and_headers)

    answer = app.wsgi_app(environ, start)
    content = b"".join(answer)
    if close := getattr(answer, "close", None):
        close()
    return Answer(int(said[0][:3]), [(name.lower(), value) for name, value in said[1]], content)


def measured(what: str, ask: Callable[[], None], rounds: int, *, frames: bool) -> None:
    """Print how the processor's time is shared."""
    found: collections.Counter[str] = collections.Counter()
    inner: collections.Counter[str] = collections.Counter()

    def sample(_signal: int, frame: FrameType | None) -> None:
        found[part_of(frame)] += 1
        if frames and frame is not None:
            inner[
                f"{frame.f_code.co_filename.rpartition('site-packages/')[2]}:{frame.f_code.co_qualname}"
            ] += 1

    for _ in range(10):
        ask()
    signal.signal(signal.SIGPROF, sample)
    begun, walled = time.process_time(), time.perf_counter()
    signal.setitimer(signal.ITIMER_PROF, EACH, EACH)
    for _ in range(rounds):
        ask()
    signal.setitimer(signal.ITIMER_PROF, 0)
    took, wall = time.process_time() - begun, time.perf_counter() - walled
    total = sum(found.values())
    each = took / rounds * 1e6
    print(f"\n{what}: {each:,.0f} µs of processor, {wall / rounds * 1e6:,.0f} µs in all, {total} samples\n")
    print("| part | share | µs |\n|---|---|---|")
    for name, count in found.most_common():
        print(f"| {name} | {count / total:.0%} | {count / total * each:,.0f} |")
    for name, count in inner.most_common(45):
        print(f"   {count / total:6.1%} {name}")


def part_of(frame: FrameType | None) -> str:
    while frame is not None:
        file = frame.f_code.co_filename
        for name, places in PARTS.items():
            if any(place in file for place in places):
                return name
        frame = frame.f_back
    return "the rest"


def under_a_grant(app: Flask) -> str:
    """An access token, bound to a key, as a flow would give it."""
    with app.app_context(), writing() as session:
        client, moment = parties.find(session, BANK), now()
        grant = store.find(session, population.grant_id(0))
        assert client is not None
        assert grant is not None
        subject = tokens.of_grant(client, grant, Sender("k" * 43), None)
        return str(tokens.access_token(session, current(Settings), subject, moment)["access_token"])


if __name__ == "__main__":
    main()
