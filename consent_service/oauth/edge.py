"""Two usual requests, answered before the framework: introspection, and a machine's token for an API of ours.

Flask takes as much of the processor for a request as everything that is needed to answer one of
these (docs/benchmarks.md has the figures). So they are looked at here first, as what they are, a
few headers and a form. Whatever is not plain, and everything that is not answered with 200, goes on to
Flask as if it had not been looked at: nothing was written then, no assertion was used up, no failure
counted. Both ways ask the same functions.

Who comes at the same moment shares one transaction and one flush (:class:`~consent_service.db.Group`).
A client, and whose token a caller shows, are remembered by the registry's epoch, which each transaction
reads; the token that is asked about and its grant are read every time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import orjson
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.clock import Clock
from consent_service.config import Settings
from consent_service.db import Group, Look, writing_to
from consent_service.errors import ServiceError
from consent_service.ledger import store as ledger
from consent_service.oauth import assertion, client_auth, client_credentials_grant, introspect, plain, tokens
from consent_service.oauth.client import CREDENTIALS, OAuthClient
from consent_service.oauth.plain import Environ, NotPlain
from consent_service.registry import limits
from consent_service.registry import tokens as issued
from consent_service.registry.callers import BEARER
from consent_service.registry.floods import Floods
from consent_service.registry.model import AuthMethod, Client
from consent_service.registry.remembered import Remembered, Seen
from consent_service.web import headers, logs
from consent_service.web.current import shelf

TOKEN, INTROSPECT = "/oauth/token", tokens.INTROSPECTION_PATH
SIGNED = frozenset({"client_assertion_type", "client_assertion", "client_id"})
"""What a client that signs an assertion may send beside what its request is about."""
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proof:
    """A client that signed an assertion, all of it checked but for its first use."""

    client: Client
    claims: dict[str, Any]
    until: dt.datetime
    address: str
    """As it is counted."""
    seen: Seen


class Edge:
    """The application, with this edge before it."""

    def __init__(self, app: Flask, engine: Engine, group: Group, *, https: bool) -> None:
        self.behind: Application = app.wsgi_app
        self._shelf, self._engine, self._group = shelf(app), engine, group
        self._largest: int = app.config["MAX_CONTENT_LENGTH"]
        self._headers = [*headers.always(https=https).items(), ("Pragma", "no-cache")]

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in {TOKEN, INTROSPECT} and environ["REQUEST_METHOD"] == "POST":
            name = headers.request_id(environ.get("HTTP_X_REQUEST_ID", ""))
            began = logs.begin(name)
            try:
                answer = self._token(environ) if path == TOKEN else self._introspection(environ)
            except (NotPlain, ServiceError, SQLAlchemyError):
                pass
            else:
                content = orjson.dumps(answer)
                said = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
                said += [("Vary", "Accept")] if path == INTROSPECT else []
                start("200 OK", [*said, *self._headers, (headers.REQUEST_ID, name)])
                logs.end("POST", path, 200, began)
                return [content]
        return self.behind(environ, start)

    def _token(self, environ: Environ) -> Answer:
        """A token by client credentials (RFC 6749 section 4.4), for an API of ours and bound to no key.

        1. The client signed the form's assertion (:meth:`_proven`), and may use this grant type.
        2. What it asks for is an API of its role's.
        3. Neither its address nor the client floods us.
        4. In one transaction: the assertion is used up, and the token remembered.
        """
        form = plain.form(environ, self._largest, SIGNED | {"grant_type", "scope", "resource"})
        if form.get("grant_type") != CREDENTIALS:
            raise NotPlain
        settings, moment = self._settings(), self._now()
        proof = self._proven(environ, form, moment)
        client = proof.client
        bound = client.dpop_bound or client.certificate_bound
        if bound or not OAuthClient(client).check_grant_type(CREDENTIALS):
            raise NotPlain
        resources = [form["resource"]] if "resource" in form else []
        scope, audience = client_credentials_grant.asked_for(
            client, settings, form.get("scope", "").split(), resources
        )
        subject = tokens.Subject(client, client.client_id, (audience,), scope=scope)
        floods: Floods = self._shelf[Floods]
        floods.of_address(proof.address, moment, lambda: writing_to(self._engine))

        def work(session: Session) -> Answer | None:
            try:
                floods.of_client(client.client_id, moment, lambda: nullcontext(session))
            except limits.TooMany:
                return None
            if not _first_use(session, proof, moment):
                return None
            return tokens.access_token(session, settings, subject, moment)

        return self._together(work)

    def _introspection(self, environ: Environ) -> Answer:
        """What may be said of a token (RFC 7662), in plain JSON.

        1. Who asks signed an assertion, or shows an access token for this (section 2.1).
        2. The token is its own, or meant for it (section 4).
        3. The token and its grant are read: as they are in this transaction.
        """
        signs = "HTTP_AUTHORIZATION" not in environ
        fields = {"token", "token_type_hint"} | (SIGNED if signs else frozenset())
        form = plain.form(environ, self._largest, frozenset(fields))
        if "token" not in form or introspect.SIGNED in environ.get("HTTP_ACCEPT", "").lower():
            raise NotPlain
        moment = self._now()
        if not signs:
            return self._asked_by_token(environ, form["token"], moment)
        proof = self._proven(environ, form, moment)

        def work(session: Session) -> Answer | None:
            said = self._said(session, form["token"], proof.client, proof.seen, moment)
            return said if said and _first_use(session, proof, moment) else None

        return self._together(work)

    def _asked_by_token(self, environ: Environ, token: str, moment: dt.datetime) -> Answer:
        scheme, _, shown = environ["HTTP_AUTHORIZATION"].partition(" ")
        seen = self._remembered().latest
        known = seen.callers.get(issued.digest(shown))
        if known is None or scheme != BEARER or known.jkt is not None or known.x5t is not None:
            raise NotPlain
        if moment >= known.until:
            raise NotPlain
        introspect.check_caller(known, self._settings().issuer)
        with self._engine.connect() as connection:
            look = Look(connection)
            if ledger.epoch(look) != seen.epoch:
                raise NotPlain
            return _given(self._said(look, token, known.client, seen, moment))

    def _said(
        self, session: Session, text: str, asks: Client, seen: Seen, moment: dt.datetime
    ) -> Answer | None:
        token = issued.find(session, text)
        if token is None or not introspect.may_ask(token, asks):
            return {"active": False}
        if token.grant_id is None and token.authorization_id is not None:
            return None  # a sign-in's: kept by the object mapper

        def find(_session: Session, client_id: str) -> Client:
            found = seen.clients.get(client_id)
            if found is None:
                raise NotPlain
            return found

        try:
            return introspect.said_of(session, self._settings(), token, find, moment)
        except NotPlain:
            return None

    def _proven(self, environ: Environ, form: dict[str, str], moment: dt.datetime) -> Proof:
        """The client that signed the assertion: the steps of :mod:`client_auth` and :mod:`assertion`.

        1. Nothing else is shown that could say who asks.
        2. The client is remembered, with keys of its own, and registered for private_key_jwt.
        3. The assertion is signed by its key, for us and for now.
        4. The caller owes, in the transaction that it answers in: :func:`_first_use`.

        :raises NotPlain: any of this is not so, or can't be seen from here
        """
        if "HTTP_AUTHORIZATION" in environ or form.get("client_assertion_type") != ASSERTION_TYPE:
            raise NotPlain
        seen = self._remembered().latest
        found = assertion.usual(
            form.get("client_assertion", ""),
            lambda name, _kid: seen.clients.get(name) if isinstance(name, str) else None,
        )
        if found is None:
            raise NotPlain
        client, claims = found
        own_keys = "jwks_uri" not in client.metadata
        if client.auth_method is not AuthMethod.PRIVATE_KEY_JWT or not own_keys:
            raise NotPlain
        until = assertion.holds(claims, client, self._settings().issuer, environ["PATH_INFO"], moment)
        if until is None or not client_auth.may_come(client, form):
            raise NotPlain
        return Proof(client, claims, until, limits.network(environ.get("REMOTE_ADDR")), seen)

    def _together(self, work: Callable[[Session], Answer | None]) -> Answer:
        """Answer in one transaction with whoever else is there.

        :raises NotPlain: there is no answer, for whatever reason; nothing was written
        """
        try:
            answer = self._group.run(work)
        except Exception as error:
            raise NotPlain from error  # the framework says what is wrong
        return _given(answer)

    def _settings(self) -> Settings:
        found: Settings = self._shelf[Settings]
        return found

    def _remembered(self) -> Remembered:
        found: Remembered = self._shelf[Remembered]
        return found

    def _now(self) -> dt.datetime:
        clock: Clock = self._shelf["clock"]
        return clock.now()


def _first_use(session: Session, proof: Proof, now: dt.datetime) -> bool:
    """What is left of a proof, in the transaction that answers.

    1. The registry is as it was when the client was remembered.
    2. Neither the address nor the client from there failed too often.
    3. The assertion is used up: last, so that nothing is written where the answer is no.
    """
    if ledger.epoch(session) != proof.seen.epoch:
        return False
    names = [proof.address, f"{proof.client.client_id} {proof.address}"]
    try:
        limits.check(session, names, [client_auth.AN_ADDRESS, client_auth.A_CLIENT], now)
    except limits.TooMany:
        return False
    return assertion.use(session, proof.client, proof.claims, proof.until)


def _given(answer: Answer | None) -> Answer:
    if answer is None:
        raise NotPlain
    return answer
