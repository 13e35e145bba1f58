"""client_secret_basic and client_secret_post (RFC 6749 section 2.3.1), for the profile ``oidc`` alone.

A secret has 256 random bits, so its SHA-256 is all that is kept, and nothing slows a guess down
but the limit on attempts.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from flask import request

from consent_service.oauth.attempt import Attempt
from consent_service.registry.model import Client
from consent_service.registry.tokens import digest

NOBODY = digest("")
"""What a client without a secret is compared with; no secret has this hash."""


def basic(attempt: Attempt) -> Client | None:
    """The client whose id and secret stand in the Authorization header, each form-encoded."""
    headers = request.headers.getlist("Authorization")
    scheme, _, value = headers[0].partition(" ")
    if len(headers) != 1 or scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    return _proven(attempt, unquote_plus(name), unquote_plus(secret)) if colon else None


def post(attempt: Attempt) -> Client | None:
    """The client whose id and secret stand in the form."""
    return _proven(attempt, attempt.form.get("client_id", ""), attempt.form["client_secret"])


def _proven(attempt: Attempt, client_id: str, secret: str) -> Client | None:
    client = attempt.client(client_id)
    known = (client.secret_hash if client else None) or NOBODY
    same = hmac.compare_digest(known, digest(secret))
    return client if same and secret else None
