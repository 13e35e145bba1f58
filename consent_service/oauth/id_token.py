"""ID tokens (OpenID Connect Core section 2): made, and read again as a hint."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from sqlalchemy.orm import Session

from consent_service import keys
from consent_service.config import Settings
from consent_service.registry.claims import claims_of
from consent_service.registry.logins import LoginRow
from consent_service.registry.model import Client
from consent_service.registry.sessions import algorithm_of
from consent_service.registry.subjects import subject_of

LIFE = dt.timedelta(hours=1)
LONGEST_HINT = 10_000
KID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def make(
    session: Session,
    settings: Settings,
    client: Client,
    login: LoginRow,
    access_token: str,
    now: dt.datetime,
    *,
    refreshed: bool = False,
) -> str:
    """An ID token for a login that was given.

    ``auth_time``, ``acr`` and ``amr`` are those of the sign-in, also when it is refreshed; then there is
    no nonce (section 12.2). Claims about the person stand at userinfo, unless asked for here by name.
    """
    asked, issued = login.request, int(now.timestamp())
    person_id = str(login.person_id)
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": subject_of(client, person_id, settings.secret_key),
        "aud": client.client_id,
        "iat": issued,
        "exp": issued + int(LIFE.total_seconds()),
        "acr": login.acr,
        "at_hash": half_hash(access_token),
    }
    if login.auth_time is not None:
        claims["auth_time"] = int(login.auth_time.timestamp())
    if login.amr:
        claims["amr"] = list(login.amr)
    if login.sid is not None:
        claims["sid"] = login.sid
    if asked.nonce is not None and not refreshed:
        claims["nonce"] = asked.nonce
    here = set(asked.id_token) & set(login.claims)
    claims |= claims_of(session, login, here, now)
    signer = keys.signer(session, settings.secret_key)
    return signer.sign(claims, typ="JWT", alg=algorithm_of(client))


def half_hash(text: str) -> str:
    """``at_hash`` (section 3.1.3.6): every algorithm that we sign with has SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


def read_hint(session: Session, settings: Settings, hint: str) -> dict[str, Any] | None:
    """The claims of an ID token that we issued, also when it is past its end; None for any other.

    1. Signed with the key of ours that it names, by that key's own algorithm.
    2. ``iss`` is us; it has a subject and one client as its audience, as every ID token of ours.
    3. It is no other kind of token: access tokens and logout tokens say so in ``typ``.
    """
    if len(hint) > LONGEST_HINT or not hint.isascii():
        return None
    try:
        header = jws.extract_compact(hint.encode()).headers()
        kid = str(header.get("kid", ""))
        jwk = keys.find(session, kid) if KID.fullmatch(kid) else None
        if jwk is None or header.get("typ") != "JWT":
            return None
        claims = jwt.decode(hint, import_key(jwk), algorithms=[jwk["alg"]]).claims
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    named = isinstance(claims.get("sub"), str) and isinstance(claims.get("aud"), str)
    return claims if named and claims.get("iss") == settings.issuer and "at_hash" in claims else None
