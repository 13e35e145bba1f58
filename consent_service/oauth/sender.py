"""To whom a token is bound: the key or the certificate that the present request proves to hold.

FAPI 2.0 section 5.3.2.1 lets no access token be a bearer's: it is bound by DPoP (RFC 9449) or by
mutual TLS (RFC 8705).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.oauth import dpop
from consent_service.registry.model import CERTIFICATE_METHODS, SECRET_METHODS, Client, Profile
from consent_service.registry.tokens import Token
from consent_service.web import certificate
from consent_service.web.current import current


@dataclass(frozen=True, slots=True)
class Sender:
    """A DPoP key's thumbprint, a certificate's, or both; with neither a token is a bearer's."""

    jkt: str | None = None
    x5t: str | None = None

    def __bool__(self) -> bool:
        return bool(self.jkt or self.x5t)

    @property
    def confirmation(self) -> dict[str, str]:
        """The ``cnf`` member (RFC 9449 section 6.1, RFC 8705 section 3.1); what is in it is all asked for."""
        named = {"jkt": self.jkt, "x5t#S256": self.x5t}
        return {name: value for name, value in named.items() if value}


NOBODY = Sender()


def proven(session: Session, client: Client, url: str, now: dt.datetime) -> Sender:
    """Who the present request proves to be, beside its client authentication.

    A certificate counts for clients whose tokens are to be bound to one (RFC 8705 section 3.4), and
    without one they get none. Anybody else's may be a browser's, or a company's own network's.

    :param url: the endpoint's own address, from the issuer and not from the Host header
    :raises ServiceError: ``invalid_dpop_proof`` (RFC 9449 section 5), ``invalid_request``
    """
    jkt = dpop.proof_of_request(session, url, now)
    if not client.certificate_bound:
        return Sender(jkt)
    x5t = certificate.presented_thumbprint(current(Settings))
    if x5t is None:
        raise ServiceError("invalid_request", "this client's tokens are bound to a certificate: show it")
    return Sender(jkt, x5t)


def required(session: Session, client: Client, url: str, now: dt.datetime) -> Sender:
    """The same where a token that opens data is asked for: without a proof there is none.

    A client of the profile ``oidc`` gets bearer tokens, which open userinfo alone, unless it was
    registered for bound ones or shows a key.

    :raises ServiceError: ``invalid_dpop_proof``, ``invalid_request``
    """
    found = proven(session, client, url, now)
    missing = not found and client.profile is Profile.FAPI2
    if missing or (client.dpop_bound and not found.jkt):
        raise ServiceError("invalid_dpop_proof", "a DPoP proof is required")
    return found


def must_be(found: Sender, token: Token, client: Client) -> None:
    """Whether the sender is the one that a refresh token is bound to.

    1. To a DPoP key: some key is proven, to which the new access token is bound. It need not be the
       same one: a client that proves a key of its own, or a certificate, at each call is bound to its
       refresh tokens by that (RFC 9449 section 5), and can change its DPoP key. One that sends a secret
       shows the same key.
    2. To a certificate: a client that authenticates by certificates may have renewed its own, and has
       just shown that the new one is its, too (RFC 8705 section 7.1). Anybody else shows the same.

    :raises ServiceError: ``invalid_dpop_proof``, ``invalid_grant``
    """
    if token.jkt and not found.jkt:
        raise ServiceError("invalid_dpop_proof", "a DPoP proof is required")
    if client.auth_method in SECRET_METHODS and found.jkt != token.jkt:
        raise ServiceError("invalid_dpop_proof", "a DPoP proof by the token's own key is required")
    renewed = client.auth_method in CERTIFICATE_METHODS and found.x5t and token.x5t
    if found.x5t != token.x5t and not renewed:
        raise ServiceError("invalid_grant", "the token is bound to another certificate")
