"""DPoP at the authorisation server (RFC 9449): the proof that comes with a form."""

from __future__ import annotations

import datetime as dt

from flask import request
from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.registry import used
from consent_service.registry.nonces import Nonces
from consent_service.verifier.errors import DPoPError
from consent_service.web.certificate import called_at
from consent_service.web.current import current


def proof_of_request(session: Session, url: str, now: dt.datetime) -> str | None:
    """The thumbprint of the key that the present request proves to hold, or None without a proof.

    :param url: the endpoint's own address, from the issuer and not from the Host header
    :raises ServiceError: ``invalid_dpop_proof`` (RFC 9449 section 5), ``use_dpop_nonce`` (section 8)
    """
    proofs = request.headers.getlist("DPoP")
    if not proofs:
        return None
    try:
        called = called_at(current(Settings), url)
        return used.proven_key(session, proofs, request.method, called, now, nonces=current(Nonces))
    except DPoPError as error:
        raise ServiceError(error.error, str(error)) from error
