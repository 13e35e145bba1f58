"""Signed requests (RFC 9101, FAPI 2.0 Message Signing section 5.3): what is asked comes from the JWT alone.

At the pushed authorization request endpoint (RFC 9126 section 3) and at the backchannel
authentication endpoint (OpenID Connect CIBA Core section 7.1.1), each with its own :class:`Rules`.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.oauth.assertion import AHEAD, ALGORITHMS, is_time, is_typed
from consent_service.registry import remote_keys
from consent_service.registry.model import Client, Profile

TYPES = frozenset({"oauth-authz-req+jwt", "jwt"})  # RFC 9101 section 10.8; JWT says as much as nothing
OLDER = "RS256"
"""OpenID Connect Discovery section 3 wants it supported; FAPI 2.0 section 5.4.1 does not take it."""
LONGEST = 3600  # seconds from nbf to exp, and that nbf may lie back (Message Signing section 5.3.1)
ABOUT = frozenset({"iss", "aud", "exp", "iat", "nbf", "jti"})
"""Claims that say something of the JWT; all others are parameters of the request."""
BESIDE = frozenset({"request", "client_id", "client_assertion", "client_assertion_type", "client_secret"})
"""What has its place in the form (RFC 9126 section 3)."""
NESTED = frozenset({"request", "request_uri"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs from endpoint to endpoint.

    :param required: claims that must be there
    :param algorithm: the client metadata with the one algorithm that a client registered
    """

    required: frozenset[str]
    algorithm: str


PUSHED = Rules(frozenset({"aud", "exp", "nbf", "client_id"}), "request_object_signing_alg")
"""FAPI 2.0 Message Signing section 5.3.1; client_id by RFC 9101 section 5."""
BACKCHANNEL = Rules(
    frozenset({"iss", "aud", "exp", "iat", "nbf", "jti"}), "backchannel_authentication_request_signing_alg"
)
"""OpenID Connect CIBA Core section 7.1.1; the caller lets a ``jti`` come once."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who reads a signed request: our issuer, the transaction, the moment."""

    session: Session
    issuer: str
    now: dt.datetime


def parameters(
    form: Mapping[str, str], client: Client, receiver: Receiver, rules: Rules
) -> tuple[Mapping[str, str], bool]:
    """The parameters of a request, and whether they were signed.

    With a ``request`` they are the signed ones and nothing else; what stands beside it counts for
    nothing (RFC 9101 section 6.3), but for client authentication.

    :raises ServiceError: ``invalid_request_object``; ``invalid_request``: request_uri beside it
    :raises KeysWanted: the client's keys have to be fetched first
    """
    if "request" not in form:
        return form, False
    if "request_uri" in form:
        raise ServiceError("invalid_request", "request and request_uri exclude each other")
    return opened(form["request"], client, receiver, rules)[0], True


def opened(
    signed: str, client: Client, receiver: Receiver, rules: Rules
) -> tuple[dict[str, str], dict[str, Any]]:
    """The parameters in a signed request, as a form would have them, and the claims about it.

    1. A JWS, not a JWE; of the right type, or of none.
    2. Signed with PS256, ES256 or EdDSA, for the profile ``oidc`` RS256 too, by a key of the client that
       authenticated; a client that registered one algorithm uses no other.
    3. The claims that these rules want are there; ``iss`` and ``client_id`` are the client where they
       stand, and ``sub`` is not: such a JWT could pass for a client assertion (RFC 9101 section 10.8).
    4. ``aud`` is our issuer, or holds it.
    5. ``nbf`` is at most 60 minutes back, ``exp`` to come and at most 60 minutes after it.
    6. No request within the request (RFC 9101 section 4).

    :raises ServiceError: ``invalid_request_object``
    :raises KeysWanted: the client's keys have to be fetched first
    """
    claims = _verified(signed, client, receiver, rules)
    if missing := sorted(rules.required - claims.keys()):
        raise _refused(f"{missing[0]} is missing")
    _check_parties(claims, client, receiver.issuer)
    _check_times(claims, receiver.now.timestamp())
    if nested := sorted(NESTED & claims.keys()):
        raise _refused(f"{nested[0]} must not stand within a request object")
    about = {name: value for name, value in claims.items() if name in ABOUT}
    return {name: _text(name, value) for name, value in claims.items() if name not in ABOUT}, about


def _verified(signed: str, client: Client, receiver: Receiver, rules: Rules) -> dict[str, Any]:
    if signed.count(".") == 4:
        raise _refused("encrypted request objects are not supported")
    stated = client.metadata.get(rules.algorithm)
    try:
        header = jws.extract_compact(signed.encode()).headers()
        known = remote_keys.with_keys(receiver.session, client, receiver.now, header.get("kid"))
        keys = KeySet.import_key_set(known.jwks)  # type: ignore[arg-type]
        if not is_typed(header, TYPES):
            raise _refused("typ must be oauth-authz-req+jwt")
        allowed = [*ALGORITHMS, OLDER] if client.profile is Profile.OIDC else ALGORITHMS
        payload = jws.deserialize_compact(signed, keys, algorithms=[stated] if stated else allowed).payload
        claims = json.loads(payload, object_pairs_hook=_once)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _refused("it is not a JWT that a key of the client signed with an allowed algorithm") from error
    if not isinstance(claims, dict):
        raise _refused("its payload must be an object")
    return claims


def _check_parties(claims: Mapping[str, Any], client: Client, issuer: str) -> None:
    for name in ("iss", "client_id"):
        if claims.get(name, client.client_id) != client.client_id:
            raise _refused(f"{name} is not the client")
    if claims.get("sub") == client.client_id:
        raise _refused("sub must not be the client")
    audience = claims["aud"]
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise _refused("aud is not this issuer")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    begins, ends, issued = claims["nbf"], claims["exp"], claims.get("iat", claims["nbf"])
    if not (is_time(begins) and is_time(ends) and is_time(issued)):
        raise _refused("nbf, exp and iat must be times")
    if begins > now + AHEAD or issued > now + AHEAD:
        raise _refused("it is not valid yet")
    if ends <= now:
        raise _refused("it has expired")
    if now - begins > LONGEST:
        raise _refused("nbf is more than 60 minutes ago")
    if ends - begins > LONGEST:
        raise _refused("exp is more than 60 minutes after nbf")


def _text(name: str, value: object) -> str:
    """A parameter as a form would have it: JSON where it is not a text (RFC 9101 section 4)."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, dict | list | int):
        text = json.dumps(value)
    else:
        raise _refused(f"{name} must be a text, a whole number, a list or an object")
    if any(ord(character) < 32 and character not in "\t\r\n" for character in name + text):
        raise _refused("a parameter has a control character")
    if any("\ud800" <= character <= "\udfff" for character in name + text):  # JSON can write one, UTF-8 can't
        raise _refused("a parameter has a lone surrogate")
    return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given more than once")
    return members


def _refused(reason: str) -> ServiceError:
    return ServiceError("invalid_request_object", f"request: {reason}")
