"""Software statements (RFC 7591 section 2.3): what somebody whom the operator trusts says of a client.

Whom, stands in a JSON file, ``CONSENT_SOFTWARE_ISSUERS``: ``{"https://directory.example": {"roles":
["party"], "jwks": {"keys": [...]}}}``, or ``jwks_uri`` for keys that are fetched. A statement names
the organisation (``org``, ``org_name``), the ``role``, and any client metadata.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consent_service.config import check_origin
from consent_service.errors import ConfigurationError, ServiceError
from consent_service.registry import client_keys, identifiers
from consent_service.registry.metadata import SIGNING
from consent_service.registry.model import ClientRole, Profile

ABOUT = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "org", "org_name", "role", "profile"})
"""Claims that say something of the statement and of whose client it is; the others are client metadata."""
AHEAD = 10  # seconds that an issuer's clock may be ahead
FAR = 2**40


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose statements count, for clients of which roles, and with which keys."""

    name: str
    roles: frozenset[ClientRole]
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str = ""


@dataclass(frozen=True, slots=True)
class Issuers:
    """All whose statements count, by name; nobody, where the operator named nobody."""

    named: Mapping[str, Issuer] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None) -> Issuers:
        """Read the operator's file.

        :raises ConfigurationError: what is wrong with it
        """
        if path is None:
            return cls()
        try:
            document = json.loads(path.read_text())
            return cls({name: _issuer(name, one) for name, one in document.items()})
        except (OSError, ValueError, TypeError, AttributeError, KeyError, ServiceError) as error:
            raise ConfigurationError(
                f"CONSENT_SOFTWARE_ISSUERS: {path} must hold issuers, each an https address with roles "
                "and with jwks or jwks_uri"
            ) from error


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement says, once its signature is good."""

    issuer: str
    organisation: str
    organisation_name: str
    role: ClientRole
    profile: Profile
    metadata: Mapping[str, Any]
    text: str


class KeysOf(Protocol):
    """Finds the keys that an address serves."""

    def __call__(self, uri: str, kid: object) -> dict[str, Any]: ...


def verified(text: str, issuers: Issuers, keys_of: KeysOf, audience: str, now: dt.datetime) -> Statement:
    """What a software statement says.

    1. Its issuer is one that the operator trusts.
    2. It is signed with ES256, PS256 or EdDSA by a key of that issuer.
    3. It holds now: ``exp`` is there and to come, ``iat`` and ``nbf`` are not; if it has an ``aud``,
       that is this service.
    4. The issuer may vouch for clients of its ``role``.
    5. ``org`` and ``profile`` are what they can be.

    :raises ServiceError: ``invalid_software_statement``; ``unapproved_software_statement`` for steps 1
        and 4 (RFC 7591 section 3.2.2)
    :raises KeysWanted: the issuer's keys have to be fetched first
    """
    try:
        parts = jws.extract_compact(text.encode())
        issuer = issuers.named.get(json.loads(parts.payload).get("iss"))
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _invalid("it is not a signed JWT") from error
    if issuer is None:
        raise _unapproved("its issuer is not known here")
    jwks = issuer.jwks or keys_of(issuer.jwks_uri, parts.headers().get("kid"))
    try:
        keys = KeySet.import_key_set(jwks)  # type: ignore[arg-type]
        claims = jwt.decode(text, keys, algorithms=list(SIGNING)).claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _invalid("no key of its issuer signed it with an allowed algorithm") from error
    _check_holds(claims, audience, now.timestamp())
    try:
        role, profile = ClientRole(str(claims.get("role"))), Profile(claims.get("profile", Profile.FAPI2))
        organisation = identifiers.parse(str(claims.get("org", "")))
    except (ValueError, ServiceError) as error:
        raise _invalid("role, profile or org is none that is known") from error
    if role not in issuer.roles:
        raise _unapproved(f"its issuer may not vouch for a {role}'s client")
    metadata = {name: value for name, value in claims.items() if name not in ABOUT}
    name = str(claims.get("org_name", "")).strip()
    return Statement(issuer.name, organisation, name, role, profile, metadata, text)


def said_by(text: str) -> Mapping[str, Any]:
    """The client metadata in a statement that was verified when it was stored."""
    claims = json.loads(jws.extract_compact(text.encode()).payload)
    return {name: value for name, value in claims.items() if name not in ABOUT}


def _check_holds(claims: Mapping[str, Any], audience: str, now: float) -> None:
    ends, issued, begins = claims.get("exp"), claims.get("iat", 0), claims.get("nbf", 0)
    for moment in (ends, issued, begins):
        if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 <= moment < FAR:
            raise _invalid("exp is missing, or a time is none")
    if float(ends or 0) <= now or max(issued, begins) > now + AHEAD:
        raise _invalid("it does not hold now")
    stated = claims.get("aud", audience)
    if audience not in (stated if isinstance(stated, list) else [stated]):
        raise _invalid("it is for somebody else")


def _issuer(name: str, document: Mapping[str, Any]) -> Issuer:
    roles = frozenset(ClientRole(role) for role in document["roles"])
    jwks, uri = document.get("jwks"), document.get("jwks_uri", "")
    if check_origin(name) or not roles or bool(jwks) == bool(uri) or (uri and check_origin(uri)):
        raise ValueError(name)
    return Issuer(name, roles, client_keys.public_jwks(jwks) if jwks else None, uri)


def _invalid(reason: str) -> ServiceError:
    return ServiceError("invalid_software_statement", f"software_statement: {reason}")


def _unapproved(reason: str) -> ServiceError:
    return ServiceError("unapproved_software_statement", f"software_statement: {reason}")
