"""The browser's way through: in with a request URI, to the owner's page, back with a code.

The page itself belongs to the portal. What ties the three steps together is the browser's
session: only the browser that came in here goes back from here.
"""

from __future__ import annotations

import datetime as dt
import secrets
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import redirect, request, url_for
from flask import session as browser
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import service as grants
from consent_service.grants import store as grant_store
from consent_service.grants.model import Status
from consent_service.oauth import store
from consent_service.oauth.store import AuthorizationRow
from consent_service.web.current import current, now
from consent_service.web.session import BEGUN

CODE_LIFE = dt.timedelta(seconds=60)  # FAPI 2.0 section 5.3.2.2
MOST_BEGUN = 20  # that one browser may have under way

ERRORS = {
    Status.DECLINED: "The owner declined the request.",
    Status.LAPSED: "The owner did not answer in time.",
}


def begin() -> Response:
    """Take a browser in (RFC 9126 section 4) and show it the owner's page.

    Reading the page does not use the request URI up; answering does.

    :raises ServiceError: ``invalid_request``: shown as a page, since nothing yet says where to send it
    """
    row = store.by_request_uri(reading(), request.args.get("request_uri", ""))
    if row is None or row.client_id != request.args.get("client_id"):
        raise ServiceError(
            "invalid_request", "This link is not valid. Please start again where you came from."
        )
    if row.returned_at is not None or now() >= row.begin_before:
        raise ServiceError(
            "invalid_request",
            "This link has been used or is too old. Please start again where you came from.",
        )
    begun = [one for one in browser.get(BEGUN, []) if one != row.request_id]
    browser[BEGUN] = [*begun, row.request_id][-MOST_BEGUN:]
    return redirect(url_for("portal.request_page", request_id=row.request_id), 303)


def finish(request_id: str) -> Response:
    """Send the browser back with a code or an error, and ``iss`` (RFC 9207).

    1. This browser began this authorization.
    2. The request has its answer, or its time ran out.
    3. A yes is brought back by the person who gave it.
    4. The browser goes back once; the code lives 60 s.

    :raises ServiceError: ``invalid_request``
    """
    moment = now()
    if request_id not in browser.get(BEGUN, []):
        raise ServiceError("invalid_request", "This answer belongs to another browser.")
    with writing() as session:
        grants.lapse(session, request_id, moment)
        row = session.get(AuthorizationRow, request_id)
        asked = grant_store.find_request(session, request_id)
        if row is None or asked is None or asked.status in {Status.REQUESTED, Status.OPEN}:
            raise ServiceError("invalid_request", "This request has not been answered yet.")
        code = None
        answer: dict[str, str] = {}
        if asked.status is Status.ACTIVE:
            if asked.answered_by != browser.get("person_id"):
                raise ServiceError("invalid_request", "Somebody else answered this request.")
            code = secrets.token_urlsafe(32)
            answer["code"] = code
        else:
            answer |= {"error": "access_denied", "error_description": ERRORS[asked.status]}
        if not store.put_code(session, request_id, code, moment + CODE_LIFE, moment):
            raise ServiceError("invalid_request", "This answer has been brought back already.")
        target, state = row.redirect_uri, row.state
    browser[BEGUN] = [one for one in browser[BEGUN] if one != request_id]
    if state is not None:
        answer["state"] = state
    answer["iss"] = current(Settings).issuer
    return redirect(_with_query(target, answer), 303)


def _with_query(uri: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(uri)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    return urlunsplit(parts._replace(query=query))
