"""Client authentication (RFC 6749 section 2.3): one way, the one that the client is registered with.

A request shows at most one kind of credential; what kind it is, is read off the request, and a
client that is registered with another is refused. Whatever is wrong, the answer is the same
sentence, so that nobody learns which clients exist.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from authlib.oauth2.rfc6749 import InvalidClientError
from flask import request

from consent_service.oauth import assertion, certificate_auth, client_secret
from consent_service.oauth.attempt import Attempt
from consent_service.oauth.client import OAuthClient
from consent_service.registry import limits
from consent_service.registry.limits import Limit
from consent_service.registry.model import AuthMethod, Client

A_CLIENT = Limit(20, dt.timedelta(minutes=1))
AN_ADDRESS = Limit(100, dt.timedelta(minutes=1))
"""Failed attempts. Whoever knows a client's name can't lock it out: they fail from another address."""
Method = Callable[[Attempt], Client | None]
SHOWN: tuple[tuple[Callable[[Attempt], bool], Mapping[AuthMethod, Method]], ...] = (
    (
        lambda attempt: "client_assertion" in attempt.form or "client_assertion_type" in attempt.form,
        {AuthMethod.PRIVATE_KEY_JWT: assertion.authenticate},
    ),
    (
        lambda _attempt: "Authorization" in request.headers,
        {AuthMethod.CLIENT_SECRET_BASIC: client_secret.basic},
    ),
    (
        lambda attempt: "client_secret" in attempt.form,
        {AuthMethod.CLIENT_SECRET_POST: client_secret.post},
    ),
    (
        certificate_auth.is_shown,
        {
            AuthMethod.TLS_CLIENT_AUTH: certificate_auth.by_authority,
            AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH: certificate_auth.self_signed,
        },
    ),
)
"""What a request can show, and which methods that can be."""


def authenticate(attempt: Attempt) -> OAuthClient:
    """The client of a request; failures are counted for each address, and for each client from there.

    :raises InvalidClientError: one sentence for every reason
    :raises TooMany: 429, too many failed before
    """
    here = limits.network(attempt.address)
    limits.check(attempt.session, [here], [AN_ADDRESS], attempt.now)
    try:
        return _proven(attempt, here)
    except InvalidClientError:
        limits.count(attempt.session, here, AN_ADDRESS, attempt.now)
        for name in attempt.claimed:
            limits.count(attempt.session, f"{name} {here}", A_CLIENT, attempt.now)
        raise


def _proven(attempt: Attempt, here: str) -> OAuthClient:
    """The client that a request proves to be.

    1. One kind of credential is shown, and no second one (RFC 6749 section 2.3).
    2. It proves a client that is registered with this method.
    3. A ``client_id`` beside it agrees.
    4. The client and its organisation are active, and did not fail too often from here.
    """
    shown = [methods for is_there, methods in SHOWN if is_there(attempt)]
    if len(shown) != 1:
        raise refused()
    for method, check in shown[0].items():
        client = check(attempt)
        if client is None or client.auth_method is not method:
            continue
        if not may_come(client, attempt.form):
            break
        limits.check(attempt.session, [f"{client.client_id} {here}"], [A_CLIENT], attempt.now)
        return OAuthClient(client)
    raise refused()


def may_come(client: Client, form: Mapping[str, str]) -> bool:
    """Step 3 and the first half of step 4."""
    return form.get("client_id", client.client_id) == client.client_id and client.active


def refused() -> InvalidClientError:
    """401, with a challenge where the Authorization header was used (RFC 6749 section 5.2)."""
    return InvalidClientError(description="Client authentication failed.", status_code=401)
