"""Signed answers to authorization requests (JWT Secured Authorization Response Mode, JARM).

Only in the query: ``response_type`` is ``code`` alone, and neither fragments nor forms are needed for it.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from consent_service import keys
from consent_service.config import Settings
from consent_service.keys import Algorithm
from consent_service.registry import parties

QUERY = "query"
SIGNED = ("query.jwt", "jwt")
"""``jwt`` is the default of the response type, which is ``query.jwt`` for code (section 2.3.4)."""
MODES = (QUERY, *SIGNED)
LIFE = dt.timedelta(minutes=5)  # section 2.1 recommends at most ten
ALGORITHMS = (Algorithm.ES256, Algorithm.PS256)


def signed(
    session: Session, settings: Settings, client_id: str, answer: dict[str, str], now: dt.datetime
) -> str:
    """The answer as a JWT with ``iss``, ``aud`` and ``exp``; nothing stands beside it (section 2.1).

    It is signed with the client's ``authorization_signed_response_alg``. JARM's own default, RS256, is
    none that FAPI 2.0 takes (section 5.4.1): ours is ES256.
    """
    client = parties.find(session, client_id)
    stated = client.metadata.get("authorization_signed_response_alg") if client else None
    issued = int(now.timestamp())
    claims = {
        "iss": settings.issuer,
        "aud": client_id,
        "iat": issued,
        "exp": issued + int(LIFE.total_seconds()),
        **answer,
    }
    signer = keys.signer(session, settings.secret_key)
    return signer.sign(claims, typ="JWT", alg=Algorithm(stated or keys.ALGORITHM))
