"""To whom a token is bound: the key or the certificate that the present request proves to hold.

FAPI 2.0 section 5.3.2.1 lets no access token be a bearer's: it is bound by DPoP (RFC 9449) or by
mutual TLS (RFC 8705).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.oauth import dpop
from consent_service.registry.model import Client
from consent_service.registry.tokens import Token


@dataclass(frozen=True, slots=True)
class Sender:
    """A DPoP key's thumbprint, a certificate's, or neither: then a token is a bearer's."""

    jkt: str | None = None
    x5t: str | None = None

    def __bool__(self) -> bool:
        return bool(self.jkt or self.x5t)


NOBODY = Sender()


def proven(session: Session, url: str, now: dt.datetime) -> Sender:
    """Who the present request proves to be, beside its client authentication.

    :param url: the endpoint's own address, from the issuer and not from the Host header
    :raises ServiceError: ``invalid_dpop_proof`` (RFC 9449 section 5)
    """
    return Sender(jkt=dpop.proof_of_request(session, url, now))


def required(session: Session, _client: Client, url: str, now: dt.datetime) -> Sender:
    """The same where a token that opens data is asked for: without a proof there is none.

    :raises ServiceError: ``invalid_dpop_proof``
    """
    found = proven(session, url, now)
    if not found:
        raise ServiceError("invalid_dpop_proof", "a DPoP proof is required")
    return found


def must_be(found: Sender, token: Token) -> None:
    """Whether the sender is the one that a token is bound to.

    :raises ServiceError: ``invalid_dpop_proof``
    """
    if found != Sender(token.jkt, token.x5t):
        raise ServiceError("invalid_dpop_proof", "a DPoP proof by the token's own key is required")
