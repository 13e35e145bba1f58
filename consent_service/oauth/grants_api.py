"""The grants API (Grant Management for OAuth 2.0, section 6): a party looks at its grant, or hands it back.

It tells of one grant at a time, to the client that holds it. Whether another's or none, the answer
is the same, since a grant's id is no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from consent_service.clock import rfc3339
from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import management, offers, receipts, store
from consent_service.grants.model import Grant, terms_to_json
from consent_service.oauth import tokens
from consent_service.oauth.server import error_response
from consent_service.registry import callers, floods
from consent_service.registry.callers import Presented, Unauthenticated
from consent_service.registry.limits import TooMany
from consent_service.registry.model import Client, ClientRole
from consent_service.registry.nonces import Nonces
from consent_service.web.certificate import called_at, presented_thumbprint
from consent_service.web.current import current, now

PARTIES = frozenset({ClientRole.PARTY})


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the authorisation server's blueprint."""
    for rule, method, endpoint, call in (
        ("/oauth/grants/<named>", "GET", "query_grant", query),
        ("/oauth/grants/<named>", "DELETE", "revoke_grant", revoke),
        ("/oauth/grants/<named>/receipt", "GET", "grant_receipt", receipt),
        ("/oauth/offers/<named>", "GET", "offer", offer),
        ("/oauth/offers/<named>", "POST", "take_offer", take),
    ):
        blueprint.add_url_rule(rule, endpoint, partial(answered, call), methods=[method])


def query(grant_id: str) -> Response:
    """The grant as it stands now (section 6.4)."""
    with writing() as session:
        client = _caller(session, tokens.GRANT_QUERY)
        if grant := management.held(session, client, grant_id, now()):
            return _answer(200, _document(session, grant))
    return _unknown()


def receipt(grant_id: str) -> Response:
    """The party's copy of the grant's receipt (ISO/IEC TS 27560), as JSON-LD."""
    with writing() as session:
        client = _caller(session, tokens.GRANT_QUERY)
        if grant := management.held(session, client, grant_id, now()):
            response = _answer(200, receipts.of(session, grant, current(Settings).issuer))
            response.mimetype = receipts.MIMETYPE
            return response
    return _unknown()


def offer(code: str) -> Response:
    """What an owner offers this party under the link's code; looking at it takes nothing."""
    with writing() as session:
        client = _caller(session, tokens.GRANT_QUERY)
        found = offers.find(session, code, now())
        if found is not None and found.party == client.organisation.identifier:
            document = {
                "owner": found.terms.owner,
                "offered_at": rfc3339(found.made_at),
                "expires_at": rfc3339(found.expires_at),
                "authorization_details": [terms_to_json(found.terms)],
            }
            return _answer(200, document)
    return _unknown()


def take(code: str) -> Response:
    """Take the offer, 201: the grant is this client's, and client credentials that name it open it."""
    with writing() as session:
        client = _caller(session, tokens.GRANT_QUERY)
        grant = offers.take(session, client, code, now())
        return _answer(201, _document(session, grant))


def revoke(grant_id: str) -> Response:
    """Hand the grant back (section 6.5), 204: from then on no token of it opens or renews anything."""
    with writing() as session:
        client = _caller(session, tokens.GRANT_REVOKE)
        found = management.terminate(session, client, grant_id, now())
    return _answer(204) if found else _unknown()


def answered(call: Callable[[str], Response], named: str) -> Response:
    """Run one call; errors are those of RFC 6750 section 3.1."""
    try:
        floods.by_bearer(callers.identify(reading(), _shown(), now()).client.client_id)
        return call(named)
    except TooMany as error:
        return error_response(error)
    except Unauthenticated as error:
        response = _answer(401, {"error": error.error or "invalid_token"})
        response.headers["WWW-Authenticate"] = error.challenge("grants")
        return response
    except ServiceError as error:
        return _answer(error.status, {"error": error.code, "error_description": error.description})


def _caller(session: Session, scope: str) -> Client:
    """The party that calls, by its token, its key and its scope.

    :raises Unauthenticated: 401
    :raises ServiceError: ``insufficient_scope``, 403
    """
    shown = _shown()
    known = callers.identify(session, shown, now())
    callers.prove(session, known, shown, now(), current(Nonces).welcome())
    known.check(scope=scope, audience=current(Settings).issuer + tokens.GRANTS_PATH, roles=PARTIES)
    return known.client


def _shown() -> Presented:
    settings = current(Settings)
    return callers.presented(
        request.headers.getlist("Authorization"),
        request.headers.getlist("DPoP"),
        request.method,
        called_at(settings, settings.issuer + request.path),
        presented_thumbprint(settings),
    )


def _document(session: Session, grant: Grant) -> dict[str, Any]:
    """``scopes`` and ``claims`` are the standard's, and empty: all that is granted is in the details."""
    first = store.version(session, grant.owner, grant.grant_id, 1)
    return {
        "grant_id": grant.grant_id,
        "status": grant.status.value,
        "version": grant.version,
        "created_at": rfc3339((first or grant).created_at),
        "last_updated_at": rfc3339(grant.created_at),
        "scopes": [],
        "claims": [],
        "authorization_details": tokens.details_of(grant),
    }


def _unknown() -> Response:
    return _answer(404, {"error": "unknown_grant", "error_description": "There is no such grant."})


def _answer(status: int, document: dict[str, Any] | None = None) -> Response:
    response = jsonify(document) if document is not None else Response(status=status)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
