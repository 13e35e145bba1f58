"""private_key_jwt: client authentication with a signed assertion (RFC 7523, FAPI 2.0 section 5.3.2.1).

Authlib's own check takes RS256, a list as audience and assertions without ``iat``; this one does not.
"""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet
from sqlalchemy.orm import Session

from consent_service.keys import es256
from consent_service.oauth.attempt import Attempt
from consent_service.registry import used
from consent_service.registry.model import Client, Profile

# joserfc warns of the name EdDSA since RFC 9864 renamed it; FAPI 2.0 and its clients still say EdDSA.
warnings.filterwarnings("ignore", message=".*EdDSA.*", category=SecurityWarning)

ALGORITHMS = ["PS256", "ES256", "EdDSA"]  # FAPI 2.0 section 5.4.1
AHEAD = 10  # seconds that a client's clock may be ahead
LONGEST = 3600  # seconds from iat to exp; bounds how long a jti is remembered
JTI_LENGTH = 256
TYPES = frozenset({"jwt", "client-authentication+jwt"})  # RFC 7519 section 5.1; RFC 7523 as it is revised
TOKEN, BACKCHANNEL = "/oauth/token", "/oauth/backchannel"
Proven = tuple[Client, dict[str, Any]]
"""The client that signed an assertion, and the claims in it."""
Finding = Callable[[object, object], Client | None]
"""Finds the client of a name, with the keys that count now; told the id of the key that is looked for."""
FAR = 2**40  # a NumericDate beyond any calendar


def authenticate(attempt: Attempt) -> Client | None:
    """The client that signed the request's assertion; None where it proves nobody.

    1. An assertion of the right type, and no JWT that says it is something else (RFC 8725 section 3.11).
    2. Signed with PS256, ES256 or EdDSA by a key of the client that ``sub`` names; a client that
       registered one algorithm uses no other.
    3. ``iss`` and ``sub`` are the client, ``aud`` is our issuer as one string. Of a client of the profile
       ``oidc`` the token endpoint is taken too: OpenID Connect Core section 9 asks for that one. Of one
       that asks without a browser CIBA Core section 7.1 has us take the token endpoint and the
       backchannel authentication endpoint too, at these two.
    4. ``exp``, ``iat`` and ``nbf`` hold; no longer than an hour from iat to exp.
    5. ``jti`` was not used by this client before.
    """
    if attempt.form.get("client_assertion_type") != ASSERTION_TYPE:
        return None
    shown = attempt.form.get("client_assertion", "")
    found = usual(shown, attempt.client) or _any(shown, attempt.client)
    if found is None:
        return None
    client, claims = found
    until = holds(claims, client, attempt.issuer, attempt.path, attempt.now)
    if until is None or not use(attempt.session, client, claims, until):
        return None
    return client


def usual(shown: str, client_of: Finding) -> Proven | None:
    """Steps 1 and 2 for the usual assertion; None says nothing about any other."""
    parts = es256.read(shown)
    if parts is None:
        return None
    header, claims = parts
    if not isinstance(claims, dict) or not is_typed(header, TYPES):
        return None
    client = client_of(claims.get("sub"), header.get("kid"))
    if client is None or client.metadata.get("token_endpoint_auth_signing_alg", "ES256") != "ES256":
        return None
    return (client, claims) if es256.verifies(shown, header, client.jwks) else None


def _any(shown: str, client_of: Finding) -> Proven | None:
    """Steps 1 and 2."""
    try:
        parts = jws.extract_compact(shown.encode())
        if not is_typed(parts.headers(), TYPES):
            return None
        client = client_of(json.loads(parts.payload).get("sub"), parts.headers().get("kid"))
        if client is None:
            return None
        keys = KeySet.import_key_set(client.jwks)  # type: ignore[arg-type]
        stated = client.metadata.get("token_endpoint_auth_signing_alg")
        return client, jwt.decode(shown, keys, algorithms=[stated] if stated else ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def audiences(client: Client, issuer: str, path: str) -> frozenset[str]:
    """What an assertion of this client, shown at this endpoint, may be meant for."""
    older: set[str] = {f"{issuer}{TOKEN}"} if client.profile is Profile.OIDC else set()
    if "backchannel_token_delivery_mode" in client.metadata and path in {TOKEN, BACKCHANNEL}:
        older |= {f"{issuer}{TOKEN}", f"{issuer}{BACKCHANNEL}"}
    return frozenset({issuer, *older})


def holds(
    claims: dict[str, Any], client: Client, issuer: str, path: str, moment: dt.datetime
) -> dt.datetime | None:
    """Steps 3 and 4: whether the claims are for us and for now; if so, until when the ``jti`` counts.

    The caller owes step 5, :func:`use`.

    :param path: of the endpoint that the assertion is shown at
    """
    client_id, audience = client.client_id, claims.get("aud")
    now, jti = moment.timestamp(), claims.get("jti")
    issued, expires = claims.get("iat"), claims.get("exp")
    not_before = claims.get("nbf", issued)
    if not (is_time(issued) and is_time(expires) and is_time(not_before)):
        return None
    if (
        claims.get("iss") != client_id
        or claims.get("sub") != client_id
        or not isinstance(audience, str)
        or audience not in audiences(client, issuer, path)
    ):
        return None
    if issued > now + AHEAD or not_before > now + AHEAD or expires <= now or expires - issued > LONGEST:
        return None
    if not isinstance(jti, str) or not 0 < len(jti) <= JTI_LENGTH:
        return None
    return dt.datetime.fromtimestamp(int(expires) + 1, dt.UTC)


def use(session: Session, client: Client, claims: dict[str, Any], until: dt.datetime) -> bool:
    """Step 5: use the assertion up; False when it was used before."""
    return used.use_once(session, f"client {client.client_id}", claims["jti"], until)


def is_typed(header: Mapping[str, Any], types: frozenset[str]) -> bool:
    """Whether a JWT states one of these types, or none (RFC 7515 section 4.1.9)."""
    typ = header.get("typ", next(iter(types)))
    return isinstance(typ, str) and typ.lower().removeprefix("application/") in types


def is_time(value: object) -> TypeGuard[float]:
    """Whether this is a NumericDate (RFC 7519 section 2) within any calendar."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < FAR
