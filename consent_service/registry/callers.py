"""Which client calls an API of ours: its token, looked up by hash, and its key where it has one.

A bearer token (RFC 6750) is enough for a client that was not registered for more; a token that is
bound to a key (RFC 9449) counts only with a proof of that key, made for this very request, and one
that is bound to a certificate (RFC 8705) only on a connection that showed it.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.registry import parties, tokens, used
from consent_service.registry.model import Client, ClientRole
from consent_service.verifier.dpop import ALGORITHMS, Nonces
from consent_service.verifier.errors import DPoPError

BEARER, DPOP = "Bearer", "DPoP"


class Unauthenticated(Exception):
    """401; ``error`` is the code of RFC 6750 or RFC 9449, empty where nothing was presented."""

    def __init__(self, error: str = "", scheme: str = BEARER) -> None:
        super().__init__(error)
        self.error, self.scheme = error, scheme

    def challenge(self, realm: str) -> str:
        """The ``WWW-Authenticate`` header (RFC 6750 section 3, RFC 9449 section 7.1)."""
        said = f'{self.scheme} realm="{realm}"'
        if self.scheme == DPOP:
            said += f', algs="{" ".join(ALGORITHMS)}"'
        return said + (f', error="{self.error}"' if self.error else "")


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows: a token, by one of two schemes, and the proofs that come with it.

    :param x5t: the thumbprint of the connection's certificate (``web/certificate.py``), if it showed one
    """

    scheme: str
    token: str
    proofs: Sequence[str]
    method: str
    url: str
    x5t: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """Whose token it is, until when, and to which key and certificate it is bound."""

    client: Client
    until: dt.datetime
    jkt: str | None
    x5t: str | None
    scopes: frozenset[str]
    audience: tuple[str, ...]

    def check(self, *, scope: str, audience: str, roles: frozenset[ClientRole]) -> None:
        """Whether the token, once proven, is for this API.

        :raises ServiceError: ``insufficient_scope``, 403
        """
        if scope not in self.scopes or audience not in self.audience or self.client.role not in roles:
            raise ServiceError("insufficient_scope", f"This token is not for {scope}.", status=403)


def presented(
    authorization: Sequence[str], proofs: Sequence[str], method: str, url: str, x5t: str | None
) -> Presented:
    """The one token in the headers (RFC 6750 section 2.1, RFC 9449 section 7.1).

    :param authorization: every ``Authorization`` header of the request
    :param url: the endpoint's own address, from the issuer and not from the Host header
    :raises Unauthenticated: 401
    """
    scheme, _, value = (authorization[0] if len(authorization) == 1 else "").partition(" ")
    named = {BEARER.lower(): BEARER, DPOP.lower(): DPOP}.get(scheme.lower())
    if named is None or not value.strip():
        raise Unauthenticated
    return Presented(named, value.strip(), proofs, method, url, x5t)


def identify(session: Session, shown: Presented, now: dt.datetime) -> Known:
    """Whose token this is: issued by us, alive, of an active client, and bound if it must be.

    The caller still owes :func:`prove`, and :meth:`Known.check` after it.

    :raises Unauthenticated: 401
    """
    found = tokens.find(session, shown.token)
    if found is None or found.kind != "access_token" or not found.live(now):
        raise Unauthenticated("invalid_token", shown.scheme)
    client = parties.find(session, found.client_id)
    if client is None or not client.active:
        raise Unauthenticated("invalid_token", shown.scheme)
    if (client.dpop_bound and found.jkt is None) or (client.certificate_bound and found.x5t is None):
        raise Unauthenticated("invalid_token", shown.scheme)
    return Known(
        client, found.expires_at, found.jkt, found.x5t, frozenset(found.scope.split()), found.audience
    )


def prove(
    session: Session | None,
    known: Known,
    shown: Presented,
    now: dt.datetime,
    nonces: Nonces | None = None,
) -> None:
    """Hold what is shown against the certificate and the key to which the token is bound.

    1. The connection's certificate is the token's (RFC 8705 section 3).
    2. The proof is by the token's key (RFC 9449 section 7.1).

    :param session: a transaction that writes; None where the token is bound to no key
    :param nonces: those that the API hands out, if it does
    :raises Unauthenticated: 401: a bound token shown as a bearer's, a proof that does not fit
    """
    if known.x5t is not None and not hmac.compare_digest((shown.x5t or "").encode(), known.x5t.encode()):
        raise Unauthenticated("invalid_token", shown.scheme)
    if known.jkt is None:
        if shown.scheme != BEARER:
            raise Unauthenticated("invalid_token", shown.scheme)
        return
    if shown.scheme != DPOP or session is None:
        raise Unauthenticated("invalid_token", shown.scheme)
    try:
        key = used.proven_key(session, shown.proofs, shown.method, shown.url, now, shown.token, nonces)
    except DPoPError as error:
        raise Unauthenticated(error.error, DPOP) from error
    if key != known.jkt:
        raise Unauthenticated("invalid_dpop_proof", DPOP)
