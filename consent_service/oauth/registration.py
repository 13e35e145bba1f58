"""Dynamic client registration (RFC 7591) and its management (RFC 7592), at ``/oauth/register``.

Whoever calls is authorised before anything that they name is fetched, and all is fetched before the
transaction begins. A failed call changes nothing: it uses no invitation up.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.oauth import client_metadata, references
from consent_service.oauth.server import error_response, fetch_keys
from consent_service.registry import enrolment, invitations, limits, parties, remote_keys, statements
from consent_service.registry.enrolment import Admission, Enrolled
from consent_service.registry.limits import Limit
from consent_service.registry.model import Client
from consent_service.registry.remote_keys import KeysWanted
from consent_service.registry.statements import Issuers, Statement
from consent_service.registry.tokens import digest
from consent_service.web.current import current, now

MOST_BYTES = 64 * 1024
LONGEST_STATEMENT = 20_000
TRIES = Limit(20, dt.timedelta(minutes=1))
NOT_LET_IN = frozenset({"invalid_token", "invalid_software_statement", "unapproved_software_statement"})


def register() -> Response:
    """Register a client, 201 (RFC 7591 section 3).

    1. The body is one JSON object, no member twice.
    2. An initial access token, a software statement, or both let it in.
    3. What it asks for keeps the rules, as far as they can be seen without asking anybody.
    4. The addresses that it names serve what they must.
    5. All of it is checked again, counted and recorded in one transaction.

    :raises ServiceError: ``invalid_token``, ``invalid_client_metadata``, ``invalid_redirect_uri``,
        ``invalid_software_statement``, ``unapproved_software_statement``
    """
    moment, document = now(), body()
    token, statement = bearer(), stated(document)
    invitation = invitations.find(reading(), token, moment) if token else None
    if token and invitation is None:
        raise enrolment.unauthorised()
    admission = enrolment.admit(invitation, statement)
    known = parties.organisation(reading(), admission.organisation)
    name = known.name if known else admission.organisation_name
    registration = client_metadata.read(document, admission, name)
    parties.fitting(registration)
    fetched = _look_up(admission, document, None)
    with writing() as session:
        enrolled = enrolment.enrol(session, admission, registration, moment)
        references.keep(session, fetched, moment)
    response = jsonify(client_metadata.told(enrolled, current(Settings).issuer))
    response.status_code = 201
    return response


def read(client_id: str) -> Response:
    """What a client is registered with (RFC 7592 section 2.1)."""
    return _told(enrolment.manager(reading(), client_id, bearer()))


def update(client_id: str) -> Response:
    """Put new metadata in the place of all that was there (RFC 7592 section 2.2).

    1. The registration access token is this client's, and it may take part.
    2. ``client_id`` is stated and agrees; nothing is stated that only the server writes; a secret that
       is stated is the client's.
    3. Then as in :func:`register`; what is left out has its default again.

    :raises ServiceError: as :func:`register`
    """
    moment, document = now(), body()
    found = enrolment.manager(reading(), client_id, bearer())
    if not found.client.active:
        raise ServiceError("access_denied", "this client may not take part at the moment", status=403)
    _check_update(document, found.client)
    admission = enrolment.admitted(found, stated(document))
    registration = client_metadata.read(document, admission, found.client.organisation.name)
    parties.fitting(registration)
    fetched = _look_up(admission, document, found.client)
    with writing() as session:
        found = enrolment.manager(session, client_id, bearer())
        changed = enrolment.replace(session, found, admission, registration, moment)
        references.keep(session, fetched, moment)
    return _told(changed)


def delete(client_id: str) -> Response:
    """End a client, 204 (RFC 7592 section 2.3)."""
    with writing() as session:
        found = enrolment.manager(session, client_id, bearer())
        enrolment.end(session, found.client.client_id, enrolment.ITSELF, now())
    return Response(status=204)


def json_call(answer: Callable[[], Response]) -> Response:
    """Run one call: fetch an issuer's keys where they are wanted, turn errors into OAuth JSON.

    Failed tries to get in are counted for each address.
    """
    here = f"registration {limits.network(request.remote_addr)}"
    try:
        limits.check(reading(), [here], [TRIES], now())
        try:
            response = answer()
        except KeysWanted as wanted:
            fetch_keys(wanted)
            response = answer()
    except ServiceError as error:
        response = error_response(error)
        if error.code in NOT_LET_IN:
            with writing() as session:
                limits.count(session, here, TRIES, now())
        if error.status == 401:
            response.headers["WWW-Authenticate"] = f'Bearer realm="registration", error="{error.code}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response


def body() -> dict[str, Any]:
    """The one JSON object that was sent.

    :raises ServiceError: ``invalid_client_metadata``
    """
    if request.mimetype != "application/json":
        raise _wrong("the body must be application/json")
    data = request.get_data()
    if len(data) > MOST_BYTES:
        raise ServiceError("invalid_client_metadata", "the body is too long", status=413)
    try:
        document = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _wrong("the body must be one JSON object, and no member in it twice") from error
    if not isinstance(document, dict):
        raise _wrong("the body must be one JSON object")
    return document


def bearer() -> str:
    """The one bearer token in the header (RFC 6750 section 2.1), empty where there is none."""
    headers = request.headers.getlist("Authorization")
    scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def stated(document: dict[str, Any]) -> Statement | None:
    """The software statement, verified, where one is shown.

    :raises ServiceError: ``invalid_software_statement``, ``unapproved_software_statement``
    :raises KeysWanted: its issuer's keys have to be fetched first
    """
    text, moment = document.get("software_statement"), now()
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > LONGEST_STATEMENT:
        raise ServiceError("invalid_software_statement", "software_statement must be a JWT")

    def keys_of(uri: str, kid: object) -> dict[str, Any]:
        return remote_keys.keys_at(reading(), uri, moment, kid)

    return statements.verified(text, current(Issuers), keys_of, current(Settings).issuer, moment)


def _look_up(
    admission: Admission, document: dict[str, Any], before: Client | None
) -> references.Fetched | None:
    """Ask the addresses that the client names, with no transaction open."""
    reading().rollback()
    return references.look_up(admission.over(document), before)


def _check_update(document: dict[str, Any], client: Client) -> None:
    if document.get("client_id") != client.client_id:
        raise _wrong("client_id must be the client's own")
    if written := sorted(client_metadata.OURS_TO_GIVE & document.keys()):
        raise _wrong(f"{written[0]} must not be sent")
    secret = document.get("client_secret")
    known = client.secret_hash or ""
    if secret is not None and not hmac.compare_digest(
        known, digest(secret) if isinstance(secret, str) else "-"
    ):
        raise _wrong("client_secret can't be chosen")


def _told(enrolled: Enrolled) -> Response:
    return jsonify(client_metadata.told(enrolled, current(Settings).issuer))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given more than once")
    return members


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_client_metadata", sentence)
