"""Pushed authorization requests (RFC 9126): the only way to ask for data, and open to every client."""

from __future__ import annotations

from flask import Response, jsonify, request

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants import agreement
from consent_service.oauth import checks, dpop
from consent_service.oauth.server import Server, session
from consent_service.oauth.taken import LIFE, take_in
from consent_service.web.current import current, now


def push(server: Server) -> Response:
    """Answer a pushed request with a request URI (RFC 9126 section 2.2), 201.

    :raises ServiceError: the first rule of :mod:`~consent_service.oauth.checks` that is not kept
    :raises Refused: ``invalid_authorization_details``: what the policies say of these terms
    """
    moment, settings = now(), current(Settings)
    client = server.authenticated_client()
    catalogue = agreement.agreements().catalogue(session())
    ask = checks.Ask(
        checks.Endpoint.PAR,
        client,
        request.form,
        catalogue,
        moment,
        session(),
        settings,
        resources=tuple(request.form.getlist("resource")),
    )
    checks.check(ask)
    jkt = request.form.get("dpop_jkt")
    proof = dpop.proof_of_request(session(), settings.issuer + request.path, moment)
    if proof and jkt and proof != jkt:
        raise ServiceError("invalid_dpop_proof", "dpop_jkt is not the key of the DPoP proof")
    request_uri = take_in(ask, jkt or proof)
    response = jsonify(request_uri=request_uri, expires_in=int(LIFE.total_seconds()))
    response.status_code = 201
    return response
