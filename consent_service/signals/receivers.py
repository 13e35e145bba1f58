"""Which receiver calls: a client with an access token for this API (CAEP interop section 2.7)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from flask import request

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.registry import callers, floods
from consent_service.registry.nonces import Nonces
from consent_service.signals.metadata import MANAGE, PATH, READ
from consent_service.web.certificate import called_at, presented_thumbprint
from consent_service.web.current import current, now


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who calls, and whether its token lets it change things."""

    client_id: str
    manages: bool


def receiver(*, manages: bool) -> Receiver:
    """The receiver that calls.

    1. A token of ours that lives, in the header and nowhere else (RFC 6750 section 2.1), of an
       active client, with the proof of its key where it has one.
    2. Its audience is this API.
    3. Its scope is enough: ``ssf.manage`` for everything, ``ssf.read`` for what only looks.

    :raises Unauthenticated: 401
    :raises ServiceError: ``insufficient_scope``, 403 (RFC 6750 section 3.1)
    """
    settings, moment = current(Settings), now()
    issuer = settings.issuer
    shown = callers.presented(
        request.headers.getlist("Authorization"),
        request.headers.getlist("DPoP"),
        request.method,
        called_at(settings, issuer + request.path),
        presented_thumbprint(settings),
    )
    known = callers.identify(reading(), shown, moment)
    floods.by_bearer(known.client.client_id)
    with writing() if known.jkt else nullcontext() as session:
        callers.prove(session, known, shown, moment, current(Nonces).welcome())
    enough = {MANAGE} if manages else {MANAGE, READ}
    if issuer + PATH not in known.audience or not known.scopes & enough:
        wanted = MANAGE if manages else READ
        raise ServiceError("insufficient_scope", f"this token is not for {wanted}", status=403)
    return Receiver(known.client.client_id, MANAGE in known.scopes)
