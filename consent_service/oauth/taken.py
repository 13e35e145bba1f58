"""Taking in an authorization request that was checked: one ask, one id.

The authorization, the request for data and the sign-in that come in together carry the same id.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from typing import Any

from consent_service.grants import agreement
from consent_service.grants import service as grants
from consent_service.oauth.checks import Ask
from consent_service.oauth.store import AuthorizationRow
from consent_service.registry import logins
from consent_service.registry.tokens import digest
from consent_service.web import languages

PREFIX = "urn:ietf:params:oauth:request_uri:"
LIFE = dt.timedelta(seconds=300)  # to begin with; FAPI 2.0 section 5.3.2.2 wants under 600 s


def take_in(ask: Ask, jkt: str | None = None) -> str:
    """Store what a checked request asks for; returns the request URI that stands for it.

    :param jkt: the key that the code will be bound to (RFC 9449 section 10)
    :raises Refused: ``invalid_authorization_details``: what the policies say of these terms
    """
    request_id, given = str(uuid.uuid4()), ask.parameters
    if ask.terms is not None:
        agreement.check(ask.session, ask.client, ask.terms, ask.now)
        grants.submit(
            ask.session, ask.client, ask.terms, ask.now, request_id, action=ask.action, amends=ask.amends
        )
    if ask.login is not None:
        logins.ask(ask.session, request_id, ask.client.client_id, ask.login, ask.now)
    request_uri = PREFIX + secrets.token_urlsafe(32)
    ask.session.add(
        AuthorizationRow(
            request_id=request_id,
            request_uri_hash=digest(request_uri),
            client_id=ask.client.client_id,
            redirect_uri=given["redirect_uri"],
            response_mode=given.get("response_mode", "query"),
            state=given.get("state"),
            scope=" ".join(ask.scopes),
            parameters=_kept(ask),
            code_challenge=given.get("code_challenge"),
            jkt=jkt,
            begin_before=ask.now + LIFE,
        )
    )
    return request_uri


def _kept(ask: Ask) -> dict[str, Any]:
    """What else counts later: the resources, and the language of the pages."""
    kept: dict[str, Any] = {"resource": list(ask.resources)} if ask.resources else {}
    language = languages.first(ask.parameters.get("ui_locales", "").split())
    return kept | ({"language": language} if language else {})
