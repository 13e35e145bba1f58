"""Pushed authorization requests (RFC 9126): the only way to ask for data, and open to every client."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import Response, jsonify, request

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants import agreement
from consent_service.oauth import checks, dpop, request_object
from consent_service.oauth.request_object import Receiver
from consent_service.oauth.server import Server, session
from consent_service.oauth.taken import LIFE, take_in
from consent_service.web.current import current, now


def push(server: Server) -> Response:
    """Answer a pushed request with a request URI (RFC 9126 section 2.2), 201.

    :raises ServiceError: ``invalid_request_object``, or the first rule of
        :mod:`~consent_service.oauth.checks` that is not kept
    :raises Refused: ``invalid_authorization_details``: what the policies say of these terms
    """
    moment, settings = now(), current(Settings)
    client = server.authenticated_client()
    catalogue = agreement.agreements().catalogue(session())
    receiver = Receiver(session(), settings.issuer, moment)
    form, signed = request_object.parameters(request.form, client, receiver, request_object.PUSHED)
    ask = checks.Ask(
        checks.Endpoint.PAR,
        client,
        form,
        catalogue,
        moment,
        session(),
        settings,
        signed=signed,
        resources=_resources(form, signed=signed),
    )
    checks.check(ask)
    jkt = form.get("dpop_jkt")
    proof = dpop.proof_of_request(session(), settings.issuer + request.path, moment)
    if proof and jkt and proof != jkt:
        raise ServiceError("invalid_dpop_proof", "dpop_jkt is not the key of the DPoP proof")
    request_uri = take_in(ask, jkt or proof)
    response = jsonify(request_uri=request_uri, expires_in=int(LIFE.total_seconds()))
    response.status_code = 201
    return response


def _resources(form: Mapping[str, str], *, signed: bool) -> tuple[str, ...]:
    """Every ``resource`` (RFC 8707 section 2): in a form it comes again and again, in a JWT as an array.

    :raises ServiceError: ``invalid_target``
    """
    if not signed:
        return tuple(request.form.getlist("resource"))
    said = form.get("resource", "")
    if not said.startswith("["):
        return (said,) if said else ()
    try:
        return tuple(str(one) for one in json.loads(said))
    except (ValueError, RecursionError) as error:
        raise ServiceError("invalid_target", "resource is an address, or an array of addresses") from error
