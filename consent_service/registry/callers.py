"""Which client calls an API of ours: its bearer token, looked up by hash (RFC 6750)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.registry import parties, tokens
from consent_service.registry.model import Client, ClientRole


class Unauthenticated(Exception):
    """401; ``error`` is RFC 6750's code, empty where nothing was presented."""

    def __init__(self, error: str = "") -> None:
        super().__init__(error)
        self.error = error

    def challenge(self, realm: str) -> str:
        """The ``WWW-Authenticate`` header (RFC 6750 section 3)."""
        return f'Bearer realm="{realm}"' + (f', error="{self.error}"' if self.error else "")


def bearer(authorization: Sequence[str]) -> str:
    """The one bearer token in the headers (RFC 6750 section 2.1).

    :param authorization: every ``Authorization`` header of the request
    :raises Unauthenticated: 401
    """
    scheme, _, value = (authorization[0] if len(authorization) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not value:
        raise Unauthenticated
    return value.strip()


def authenticate(
    session: Session,
    presented: str,
    now: dt.datetime,
    *,
    scope: str,
    audience: str,
    roles: frozenset[ClientRole],
) -> tuple[Client, dt.datetime]:
    """The client whose token this is, and when the token ends.

    1. Issued by us, alive, for this audience, with its scope, and not bound to a key that
       the request does not prove.
    2. The client is active and of a role that may call.

    :param presented: the token (:func:`bearer`)
    :raises Unauthenticated: 401
    :raises ServiceError: ``insufficient_scope``, 403
    """
    token = tokens.find(session, presented)
    if token is None or token.kind != "access_token" or not token.live(now) or token.jkt:
        raise Unauthenticated("invalid_token")
    client = parties.find(session, token.client_id)
    if client is None or not client.active:
        raise Unauthenticated("invalid_token")
    if scope not in token.scope.split() or audience not in token.audience or client.role not in roles:
        raise ServiceError("insufficient_scope", f"This token is not for {scope}.", status=403)
    return client, token.expires_at
