"""The usual question, answered before the framework: a known holder's, well formed, without a proof of a key.

Flask takes as much of the processor for a request as everything that a decision needs, durable
(docs/benchmarks.md has the figures). So a question is looked at here first, as what it is, a few
headers and some JSON. Whatever is not plain goes on to Flask and :mod:`consent_service.policy.api`,
as if it had not been looked at: a holder that is not remembered, a token that is bound to a key or
a certificate, a body that is not as it should be, every error. Nothing was decided then, and nothing
is said here that :mod:`api` would say otherwise; both decide by the same function.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from flask import Flask

from consent_service.clock import Clock
from consent_service.config import Settings
from consent_service.db import Group
from consent_service.errors import ServiceError
from consent_service.policy import answers, service
from consent_service.policy.api import HOLDERS, SCOPE
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.rulebook import Rulebook
from consent_service.policy.schemas import SEMANTICS, decode, load_evaluation, split_evaluations
from consent_service.policy.service import Holder
from consent_service.registry import tokens
from consent_service.registry.callers import BEARER
from consent_service.web import headers, logs
from consent_service.web.current import shelf

ONE, SEVERAL = "/access/v1/evaluation", "/access/v1/evaluations"
JSON = "application/json"
UNUSUAL = frozenset({"HTTP_DPOP", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING", "HTTP_CLIENT_CERT"})
Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]


class NotPlain(Exception):
    """A request that the framework has to look at."""


class Edge:
    """The application, with this edge before it.

    :param group: who decides at the same moment shares one transaction of it
    """

    def __init__(self, app: Flask, group: Group, *, https: bool) -> None:
        self.behind: Application = app.wsgi_app
        self._shelf, self._group = shelf(app), group
        self._largest = app.config["MAX_CONTENT_LENGTH"]
        self._headers = list(headers.always(https=https).items())

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in {ONE, SEVERAL} and environ["REQUEST_METHOD"] == "POST":
            try:
                return self._answered(path, environ, start)
            except (NotPlain, ServiceError):
                pass
        return self.behind(environ, start)

    def _answered(self, path: str, environ: Environ, start: Start) -> list[bytes]:
        """The answer to a plain question (AuthZEN Authorization API 1.0 sections 6 and 7).

        1. Who asks is remembered, in this epoch, with a bearer token that is for decisions and not over.
        2. The body is read once, and put back for whoever has to read it again; all of it is well formed.
        3. What was asked is decided at once; in an epoch that is over nothing is.

        :raises NotPlain, ServiceError: nothing was decided
        """
        book: Rulebook = self._shelf[Rulebook]
        clock: Clock = self._shelf["clock"]
        holder = self._holder(environ, book, clock.now())
        questions, stop_at = self._questions(path, environ)
        name = headers.request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        began = logs.begin(name)
        try:
            made = service.evaluate_all(questions, holder, book, clock.now, stop_at, self._group.run)
        except Exception as error:
            raise NotPlain from error  # nothing was recorded, and the framework says what is wrong
        texts = book.latest.rules.policies.texts
        said = answers.saying(texts, environ.get("HTTP_ACCEPT_LANGUAGE", ""), clock.now())
        content = orjson.dumps(said(made[0]) if path == ONE else {"evaluations": list(map(said, made))})
        of_content = [("Content-Type", JSON), ("Content-Length", str(len(content)))]
        start("200 OK", [*of_content, *self._headers, (headers.REQUEST_ID, name)])
        logs.end("POST", path, 200, began)
        return [content]

    def _holder(self, environ: Environ, book: Rulebook, now: dt.datetime) -> Holder:
        settings: Settings = self._shelf[Settings]
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        seen = book.latest
        known = seen.callers.get(tokens.digest(token))
        if known is None or seen.epoch < 0 or scheme != BEARER or not UNUSUAL.isdisjoint(environ):
            raise NotPlain
        if now >= known.until or known.jkt is not None or known.x5t is not None:
            raise NotPlain
        known.check(scope=SCOPE, audience=f"{settings.issuer}/access/v1", roles=HOLDERS)
        return Holder(known.client, seen.epoch)

    def _body(self, environ: Environ) -> bytes:
        length = environ.get("CONTENT_LENGTH", "")
        if environ.get("CONTENT_TYPE") != JSON or not (length.isascii() and length.isdecimal()):
            raise NotPlain
        if int(length) > self._largest:
            raise NotPlain
        body: bytes = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
        return body

    def _questions(self, path: str, environ: Environ) -> tuple[list[EvaluationRequest], bool | None]:
        document = decode(self._body(environ))
        if path == ONE:
            return [load_evaluation(document)], None
        asked, semantic = split_evaluations(document)
        if not asked:
            raise NotPlain
        return [load_evaluation(one) for one in asked], SEMANTICS[semantic]
