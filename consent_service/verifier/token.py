"""Verifying an access token (RFC 9068) at the data holder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from consent_service.verifier.errors import Refused
from consent_service.verifier.service import Service

ALGORITHMS = ["ES256", "PS256", "EdDSA"]
LEEWAY = 10  # seconds
LONGEST = 16_384  # characters
DETAILS_TYPE = "business_data"
"""The type of ``authorization_details`` that is understood here."""
BINDINGS = {"jkt", "x5t#S256"}  # RFC 9449 section 6.1, RFC 8705 section 3.1


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified token says; ``details`` is the granted object (RFC 9396).

    ``client_id`` is the party's. ``actor`` is the data holder that asks in its place (RFC 8693), None
    where the party asks itself.
    """

    client_id: str
    owner: str
    grant_id: str
    jti: str
    jkt: str | None
    x5t: str | None
    details: Mapping[str, Any]
    status: tuple[str, int] | None = None
    """Which status list tells of it, and at which index (draft-ietf-oauth-status-list section 6.2)."""
    actor: str | None = None


def verify_token(text: str, service: Service, resource: str, now: dt.datetime) -> AccessToken:
    """Verify an access token for this resource (RFC 9068 section 4).

    1. It is a JWT of typ at+jwt, signed with an algorithm that we take, by a published key.
    2. ``iss`` is the service, ``aud`` has this resource.
    3. ``exp`` and ``iat`` hold, ten seconds of clock difference allowed.
    4. It is bound to a key (``cnf.jkt``), a certificate (``cnf.x5t#S256``) or both, and to nothing that
       we don't know; it carries one granted object with its grant_id.
    5. Where somebody acts for the party, it is the client that asked for the token, and nobody else.

    The caller still owes the DPoP proof and the decision: a valid token is not a permit.

    :raises Refused: the first step that fails
    :raises ServiceFailed: the service's keys can't be had
    """
    if len(text) > LONGEST:
        raise Refused("the token is too long")
    try:
        header = jwt.get_unverified_header(text)
        if str(header.get("typ", "")).lower() not in {"at+jwt", "application/at+jwt"}:
            raise Refused("the token is not an access token")
        if header.get("alg") not in ALGORITHMS:
            raise Refused("the token is signed with an algorithm that is not accepted")
        claims = jwt.decode(
            text,
            service.key(header.get("kid")),
            algorithms=ALGORITHMS,
            audience=resource,
            issuer=service.issuer,
            # The moment is an argument, so times are checked below.
            options={
                "require": ["iss", "aud", "exp", "iat", "jti", "sub", "client_id"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidAudienceError as error:
        raise Refused("the token is meant for another data holder") from error
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Refused("the token is not valid") from error
    return _read(claims, now)


def _read(claims: dict[str, Any], now: dt.datetime) -> AccessToken:
    moment = now.timestamp()
    times = [claims["exp"], claims["iat"], claims.get("nbf", claims["iat"])]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
        raise Refused("the token's times can't be read")
    if moment >= times[0] + LEEWAY:
        raise Refused("the token has expired")
    if max(times[1:]) > moment + LEEWAY:
        raise Refused("the token is not valid yet")
    details, confirmation = claims.get("authorization_details"), claims.get("cnf")
    if not isinstance(confirmation, dict) or not confirmation or set(confirmation) - BINDINGS:
        raise Refused("the token is bound to nothing that can be checked")
    if not all(isinstance(one, str) and one for one in confirmation.values()):
        raise Refused("the token is bound to nothing that can be checked")
    if not isinstance(details, list) or len(details) != 1 or not isinstance(details[0], dict):
        raise Refused("the token carries no grant")
    if details[0].get("type") != DETAILS_TYPE:
        raise Refused("the token's grant is of another type than business data")
    names = (claims["client_id"], claims["sub"], claims.get("grant_id"), claims["jti"])
    if not all(isinstance(name, str) for name in names):
        raise Refused("the token carries no grant")
    client_id, owner, grant_id, jti = names
    jkt, x5t = confirmation.get("jkt"), confirmation.get("x5t#S256")
    party, actor = _acting(claims, client_id)
    place = _status(claims.get("status"))
    return AccessToken(party, owner, str(grant_id), jti, jkt, x5t, details[0], place, actor)


def _status(status: object) -> tuple[str, int] | None:
    """Where the token's status is, when a status list tells it; other mechanisms are not ours."""
    if status is None or (isinstance(status, dict) and "status_list" not in status):
        return None
    place = status["status_list"] if isinstance(status, dict) else None
    if not isinstance(place, dict):
        raise Refused("the token's status can't be read")
    uri, index = place.get("uri"), place.get("idx")
    if not isinstance(uri, str) or not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise Refused("the token's status can't be read")
    return uri, index


def _acting(claims: dict[str, Any], client_id: str) -> tuple[str, str | None]:
    """The party, and the client that asked for the token and acts for it (RFC 8693 section 4.1): one hop."""
    if "act" not in claims and "party" not in claims:
        return client_id, None
    act, party = claims.get("act"), claims.get("party")
    if act != {"sub": client_id} or not isinstance(party, str):
        raise Refused("the token does not say who acts for whom")
    return party, client_id
