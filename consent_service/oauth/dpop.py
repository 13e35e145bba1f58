"""DPoP at the authorisation server (RFC 9449): the verifier's check, with a memory that all workers share."""

from __future__ import annotations

import datetime as dt

from flask import request
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.oauth import store
from consent_service.verifier.dpop import check_proof
from consent_service.verifier.errors import DPoPError

ISSUER = "dpop"


class SharedReplay:
    """The proofs seen so far, in the database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def use(self, jkt: str, jti: str, until: dt.datetime) -> bool:
        return store.use_once(self._session, f"{ISSUER} {jkt}", jti, until)


def proof_of_request(session: Session, url: str, now: dt.datetime) -> str | None:
    """The thumbprint of the key that the present request proves to hold, or None without a proof.

    :param url: the endpoint's own address, from the issuer and not from the Host header
    :raises ServiceError: ``invalid_dpop_proof`` (RFC 9449 section 5)
    """
    proofs = request.headers.getlist("DPoP")
    if not proofs:
        return None
    try:
        return check_proof(proofs, method=request.method, url=url, now=now, replay=SharedReplay(session))
    except DPoPError as error:
        raise ServiceError("invalid_dpop_proof", str(error)) from error
