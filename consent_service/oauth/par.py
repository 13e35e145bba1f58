"""Pushed authorization requests (RFC 9126): the only way to ask an owner."""

from __future__ import annotations

import datetime as dt
import secrets

from flask import Response, jsonify, request

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants import agreement
from consent_service.grants import service as grants
from consent_service.oauth import checks, dpop
from consent_service.oauth.server import Server, session
from consent_service.oauth.store import AuthorizationRow
from consent_service.registry.tokens import digest
from consent_service.web.current import current, now

PREFIX = "urn:ietf:params:oauth:request_uri:"
LIFE = dt.timedelta(seconds=300)  # to begin with; FAPI 2.0 section 5.3.2.2 wants under 600 s


def push(server: Server) -> Response:
    """Answer a pushed request with a request URI (RFC 9126 section 2.2), 201.

    :raises ServiceError: the first rule of :mod:`~consent_service.oauth.checks` that is not kept
    :raises Refused: ``invalid_authorization_details``: what the policies say of these terms
    """
    moment = now()
    client = server.authenticated_client()
    catalogue = agreement.agreements().catalogue(session())
    terms = checks.check(checks.Ask(checks.Endpoint.PAR, client, request.form, catalogue, moment))
    agreement.check(session(), client, terms, moment)
    jkt = request.form.get("dpop_jkt")
    proof = dpop.proof_of_request(session(), current(Settings).issuer + request.path, moment)
    if proof and jkt and proof != jkt:
        raise ServiceError("invalid_dpop_proof", "dpop_jkt is not the key of the DPoP proof")
    asked = grants.submit(session(), client, terms, moment)
    request_uri = PREFIX + secrets.token_urlsafe(32)
    session().add(
        AuthorizationRow(
            request_id=asked.request_id,
            request_uri_hash=digest(request_uri),
            client_id=client.client_id,
            redirect_uri=request.form["redirect_uri"],
            response_mode=request.form.get("response_mode", "query"),
            state=request.form.get("state"),
            scope="",
            parameters={},
            code_challenge=request.form["code_challenge"],
            jkt=jkt or proof,
            begin_before=moment + LIFE,
        )
    )
    response = jsonify(request_uri=request_uri, expires_in=int(LIFE.total_seconds()))
    response.status_code = 201
    return response
