"""The backchannel authentication endpoint (OpenID Connect CIBA Core section 7), poll and ping."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Mapping

from flask import Response, jsonify, request

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants import agreement
from consent_service.grants import service as grants
from consent_service.oauth import backchannel_checks, checks, request_object
from consent_service.oauth.server import Server, session
from consent_service.registry import backchannel, logins
from consent_service.registry.backchannel import INTERVAL, BackchannelRow
from consent_service.registry.model import Client
from consent_service.registry.tokens import digest
from consent_service.registry.used import use_once
from consent_service.web.current import current, now


def ask(server: Server) -> Response:
    """Take a request in; it waits in the inbox of whoever may answer.

    1. The client authenticates.
    2. A signed request says all, and comes once (section 7.1.1).
    3. The table of :mod:`~consent_service.oauth.checks`.
    4. The request, its answer's place and its ``auth_req_id`` are stored together.

    :raises ServiceError: an error of section 13
    :raises Refused: ``invalid_authorization_details``: what the policies say of these terms
    """
    moment, settings = now(), current(Settings)
    client = server.authenticated_client()
    parameters, signed = _parameters(client, settings, moment)
    catalogue = agreement.agreements().catalogue(session())
    asked = checks.Ask(
        checks.Endpoint.BACKCHANNEL, client, parameters, catalogue, moment, session(), settings, signed=signed
    )
    checks.check(asked)
    seconds = backchannel_checks.life(parameters)
    auth_req_id = _take_in(asked, dt.timedelta(seconds=seconds))
    return jsonify(auth_req_id=auth_req_id, expires_in=seconds, interval=INTERVAL)


def _parameters(client: Client, settings: Settings, moment: dt.datetime) -> tuple[Mapping[str, str], bool]:
    """The parameters, and whether they were signed; then nothing stands beside them (section 7.1.1).

    Section 13 has no code of its own for a request object that is wrong: it is an invalid request.
    """
    if "request" not in request.form:
        return request.form, False
    if beside := sorted(set(request.form) - request_object.BESIDE):
        raise ServiceError("invalid_request", f"{beside[0]} belongs in the signed request")
    receiver = request_object.Receiver(session(), settings.issuer, moment)
    try:
        parameters, about = request_object.opened(
            request.form["request"], client, receiver, request_object.BACKCHANNEL
        )
    except ServiceError as error:
        raise ServiceError("invalid_request", error.description) from error
    jti = about["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= 256:
        raise ServiceError("invalid_request", "request: jti must be a text of at most 256 characters")
    until = dt.datetime.fromtimestamp(int(about["exp"]) + 1, dt.UTC)
    if not use_once(session(), f"request {client.client_id}", jti, until):
        raise ServiceError("invalid_request", "request: its jti was used before")
    return parameters, True


def _take_in(asked: checks.Ask, life: dt.timedelta) -> str:
    request_id, auth_req_id = str(uuid.uuid4()), secrets.token_urlsafe(32)
    client, parameters, hinted = asked.client, asked.parameters, asked.hinted
    if asked.terms is not None:
        agreement.check(asked.session, client, asked.terms, asked.now)
        grants.submit(
            asked.session,
            client,
            asked.terms,
            asked.now,
            request_id,
            action=asked.action,
            amends=asked.amends,
            life=life,
        )
    if asked.login is not None:
        logins.ask(asked.session, request_id, client.client_id, asked.login, asked.now, life)
    ping = client.metadata["backchannel_token_delivery_mode"] == "ping"
    token = parameters.get("client_notification_token", "")
    asked.session.add(
        BackchannelRow(
            request_id=request_id,
            auth_req_id_hash=digest(auth_req_id),
            client_id=client.client_id,
            owner=hinted.owner,
            person_id=hinted.person_id,
            binding_message=parameters.get("binding_message"),
            created_at=asked.now,
            expires_at=asked.now + life,
            interval=INTERVAL,
            next_poll_at=asked.now,
            ping_url=client.metadata["backchannel_client_notification_endpoint"] if ping else None,
            sealed_ping=backchannel.seal_ping(asked.settings.secret_key, auth_req_id, token)
            if ping
            else None,
        )
    )
    return auth_req_id
