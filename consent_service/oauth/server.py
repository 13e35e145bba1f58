"""Authlib's authorization server, told how we find clients, authenticate them and make tokens.

Every call runs in one write transaction. What was noted as used stays noted when the
answer is an error: a jti or a code does not become fresh again by failing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidClientError, OAuth2Error, OAuth2Request
from flask import Response, g, jsonify, request
from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants.agreement import Refused
from consent_service.oauth import client_auth
from consent_service.oauth.attempt import Attempt
from consent_service.oauth.client import METHODS, REGISTERED, OAuthClient
from consent_service.outgoing import Outgoing
from consent_service.registry import floods, parties, remote_keys
from consent_service.registry.limits import TooMany
from consent_service.registry.model import Client
from consent_service.registry.remembered import Remembered
from consent_service.registry.remote_keys import KeysWanted
from consent_service.web.current import current, now

FORM = "application/x-www-form-urlencoded"
REPEATABLE = frozenset({"resource"})  # RFC 8707 section 2
UNCOUNTED = "oauth.introspect"
"""On the path of data requests, like decisions (:mod:`consent_service.registry.floods`)."""
LONGEST_PARAMETER = 20_000  # characters; a request object with details stays far below


class Server(AuthorizationServer):  # type: ignore[misc]
    """The spine: grants and endpoints are registered on it, one file each."""

    def __init__(self) -> None:
        super().__init__()
        self.register_client_auth_method(REGISTERED, self._authenticate)

    def query_client(self, client_id: str) -> OAuthClient | None:
        client = parties.find(session(), client_id) if client_id.isprintable() else None
        return OAuthClient(client) if client else None

    def authenticated_client(self) -> Client:
        """The client of the present request; raises InvalidClientError (RFC 6749 section 5.2)."""
        authenticated = self.authenticate_client(self.create_oauth2_request(None), METHODS)
        return authenticated.client  # type: ignore[no-any-return]

    def _authenticate(self, _query_client: Any, oauth_request: OAuth2Request) -> OAuthClient:
        attempt = Attempt(
            session(),
            request.form,
            current(Settings).issuer,
            now(),
            current(Remembered),
            request.remote_addr,
            request.path,
        )
        client = client_auth.authenticate(attempt)
        if request.endpoint != UNCOUNTED:
            floods.by_client(session(), client.client_id)
        oauth_request.client = client
        return client

    def send_signal(self, *_args: Any, **_options: Any) -> None:
        """Nobody listens: the ledger is where events go."""


def session() -> Session:
    """The write transaction of the present call."""
    return g.oauth_session  # type: ignore[no-any-return]


def form_call(answer: Callable[[], Response]) -> Response:
    """Run one form-encoded POST: check its form, open the transaction, turn errors into OAuth JSON.

    Where a client's keys have to be fetched, the transaction is rolled back, and all begins again
    once they are there: another's server is never waited for while others want to write.
    """
    try:
        check_form()
        try:
            response = _in_transaction(answer)
        except KeysWanted as wanted:
            fetch_keys(wanted)
            response = _in_transaction(answer)
    except ServiceError as error:
        response = error_response(error)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response


def _in_transaction(answer: Callable[[], Response]) -> Response:
    with writing() as database:
        g.oauth_session = database
        try:
            return answer()
        except ServiceError as error:
            return error_response(error)
        except OAuth2Error as error:
            response = error_response(
                ServiceError(error.error, error.description or "", status=error.status_code)
            )
            if isinstance(error, InvalidClientError) and "Authorization" in request.headers:
                response.headers["WWW-Authenticate"] = 'Basic realm="clients"'  # RFC 6749 section 5.2
            return response


def fetch_keys(wanted: KeysWanted) -> None:
    """Ask an address for its keys; no transaction is open meanwhile, and none of this request's goes on."""
    reading().rollback()
    remote_keys.fetch(writing, current(Outgoing), wanted.uri, now())


def check_form() -> None:
    """Refuse what no OAuth endpoint takes (RFC 6749 section 3.1 and 3.2; NUL and control characters).

    :raises ServiceError: ``invalid_request``
    """
    if request.mimetype != FORM:
        raise ServiceError("invalid_request", f"the body must be {FORM}")
    if request.args:
        raise ServiceError("invalid_request", "parameters belong in the body, not in the query")
    for name, values in request.form.lists():
        if len(values) > 1 and name not in REPEATABLE:
            raise ServiceError("invalid_request", f"{printable(name)} is given more than once")
        if sum(map(len, values)) > LONGEST_PARAMETER:
            raise ServiceError("invalid_request", f"{printable(name)} is too long")
        if any(
            ord(character) < 32 and character not in "\t\r\n"
            for value in values
            for character in name + value
        ):
            raise ServiceError("invalid_request", f"{printable(name)} has a control character")


def error_response(error: ServiceError) -> Response:
    """An OAuth error (RFC 6749 section 5.2) from one of ours."""
    description = error.description
    if isinstance(error, Refused):  # a developer is told by name which policies refuse
        description = " ".join(f"{one.policy}: {one.text}" for one in error.refusals)
    response = jsonify(error=error.code, error_description=printable(description))
    response.status_code = error.status
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def printable(text: str) -> str:
    """Text in the characters that an error_description may have (RFC 6749 section 5.2)."""
    return "".join(
        character if " " <= character <= "~" and character not in '"\\' else "'" for character in text
    )[:500]
