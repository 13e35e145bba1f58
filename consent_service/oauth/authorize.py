"""The browser's way through: in with a request URI, to the person's page, back with a code.

The pages themselves belong to the portal. What ties the steps together is the browser's session:
only the browser that came in here goes back from here.
"""

from __future__ import annotations

import datetime as dt
import secrets

from flask import redirect, request, url_for
from flask import session as browser
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import service as grants
from consent_service.grants import store as grant_store
from consent_service.grants.model import DECLINED_FOR, Status
from consent_service.oauth import direct, store
from consent_service.oauth.answers import Back, answer_url
from consent_service.oauth.store import AuthorizationRow
from consent_service.oauth.taken import PREFIX
from consent_service.registry import browser_logins, logins, parties
from consent_service.registry.browser_logins import Place
from consent_service.registry.login_rules import Step
from consent_service.registry.logins import LoginRow, LoginStatus
from consent_service.web.current import current, now
from consent_service.web.session import ASKED_LANGUAGE, BEGUN, PERSON

CODE_LIFE = dt.timedelta(seconds=60)  # FAPI 2.0 section 5.3.2.2
MOST_BEGUN = 20  # that one browser may have under way

ERRORS = {
    Status.LAPSED: "The owner did not answer in time, or the grant changed meanwhile.",
    LoginStatus.DECLINED: "The person declined.",
    LoginStatus.OPEN: "The person did not answer in time.",
    LoginStatus.ENDED: "The person took it back.",
}


def begin() -> Response:
    """Take a browser in, with a request URI of ours (RFC 9126 section 4) or with the request itself.

    Reading the page does not use the request URI up; answering does.

    :raises ServiceError: ``invalid_request``: shown as a page, since nothing yet says where to send it
    """
    request_uri = request.args.get("request_uri", "")
    if request.method == "POST" or not request_uri.startswith(PREFIX):
        return direct.ask()
    row = store.by_request_uri(reading(), request_uri)
    if row is None or row.client_id != request.args.get("client_id"):
        raise ServiceError("invalid_request", direct.UNKNOWN)
    if row.returned_at is not None or now() >= row.begin_before:
        raise ServiceError(
            "invalid_request",
            "This link has been used or is too old. Please start again where you came from.",
        )
    begun = [one for one in browser.get(BEGUN, []) if one != row.request_id]
    browser[BEGUN] = [*begun, row.request_id][-MOST_BEGUN:]
    browser[ASKED_LANGUAGE] = row.parameters.get("language")
    request_id = row.request_id
    if logins.find(reading(), request_id) is not None:
        with writing() as session:
            logins.note_before(session, request_id, browser_logins.sign_in_id(browser))
    return go_on(request_id)


def go_on(request_id: str) -> Response:
    """Show the person what comes next, or go back at once where nothing does.

    1. This browser began this authorization, and it was not brought back yet.
    2. A request for data alone: the owner's page.
    3. A sign-in: what its rules say, which may be an error or what was agreed to before.
    4. With both, the owner is always asked, on one page.

    :raises ServiceError: ``invalid_request``
    """
    moment, row = now(), _begun(reading(), request_id)
    login = logins.find(reading(), request_id)
    page = redirect(url_for("portal.request_page", request_id=request_id), 303)
    if login is None:
        return page
    if login.status != LoginStatus.OPEN:
        return finish(request_id)
    place = _place(reading(), login)
    coming = browser_logins.next_of(reading(), place, moment)
    if coming.step is Step.SIGN_IN:
        here = url_for("oauth.authorize_continue", request_id=request_id)
        return redirect(url_for("portal.sign_in", next=here), 303)
    if coming.step is Step.REFUSE:
        return _send_back(row, {"error": coming.error, "error_description": coming.text})
    if grant_store.find_request(reading(), request_id) is not None:
        if "none" in place.row.request.prompt:
            text = "an owner is always asked for data"
            return _send_back(row, {"error": "consent_required", "error_description": text})
        return page
    if coming.step is Step.ASK:
        return redirect(url_for("portal.login_page", request_id=request_id), 303)
    agreed = browser_logins.remembered(reading(), place)
    shown = agreed.organisations if agreed else ()
    with writing() as session:
        browser_logins.give(session, _place(session, login), shown, moment, remember=False)
    return finish(request_id)


def finish(request_id: str) -> Response:
    """Send the browser back with a code or an error, and ``iss`` (RFC 9207).

    1. This browser began this authorization.
    2. The request has its answer, or its time ran out.
    3. A yes is brought back by the person who gave it.
    4. The browser goes back once; the code lives 60 s.
    5. Where the client asked for it, the answer is a signed JWT (:mod:`~consent_service.oauth.jarm`).

    :raises ServiceError: ``invalid_request``
    """
    moment = now()
    with writing() as session:
        row = _begun(session, request_id)
        if grant_store.find_request(session, request_id) is not None:
            grants.lapse(session, request_id, moment)
        refusal = _refusal(session, request_id, moment)
        code = None if refusal else secrets.token_urlsafe(32)
        if not store.put_code(session, request_id, code, moment + CODE_LIFE, moment):
            raise ServiceError("invalid_request", "This answer has been brought back already.")
        back = Back.of(row)
    answer = {"code": code} if code else {"error": "access_denied", "error_description": refusal}
    return _leave(request_id, back, answer)


def _refusal(session: Session, request_id: str, now: dt.datetime) -> str:
    """Why there is no code: empty for a yes by the person in this browser, to all that was asked.

    :raises ServiceError: there is no answer yet, or it is somebody else's
    """
    asked, login = grant_store.find_request(session, request_id), logins.find(session, request_id)
    if asked is not None and asked.status in {Status.REQUESTED, Status.OPEN}:
        raise ServiceError("invalid_request", "This request has not been answered yet.")
    if asked is not None and asked.status is not Status.ACTIVE:
        return DECLINED_FOR[asked.declined_for] if asked.status is Status.DECLINED else ERRORS[asked.status]
    if login is not None and login.status != LoginStatus.GIVEN:
        if login.status == LoginStatus.OPEN and now < login.expires_at:
            raise ServiceError("invalid_request", "This request has not been answered yet.")
        return ERRORS[LoginStatus(login.status)]
    answered = {asked.answered_by if asked else None, login.person_id if login else None} - {None}
    if answered != {browser.get(PERSON)}:
        raise ServiceError("invalid_request", "Somebody else answered this request.")
    return ""


def _begun(session: Session, request_id: str) -> AuthorizationRow:
    """The authorization that this browser began, while its client takes part and has this address."""
    row = store.find(session, request_id) if request_id in browser.get(BEGUN, []) else None
    if row is None:
        raise ServiceError("invalid_request", "This answer belongs to another browser.")
    if row.returned_at is not None:
        raise ServiceError("invalid_request", "This answer has been brought back already.")
    client = parties.find(session, row.client_id)
    if client is None or not client.active or row.redirect_uri not in client.redirect_uris:
        raise ServiceError("invalid_request", direct.UNKNOWN)
    return row


def _place(session: Session, login: LoginRow) -> Place:
    client = parties.find(session, login.client_id)
    if client is None or not client.active:
        raise ServiceError("invalid_request", direct.UNKNOWN)
    return Place(login, client, browser, current(Settings))


def _send_back(row: AuthorizationRow, answer: dict[str, str]) -> Response:
    """Back at once with an error that needs no answer of a person."""
    request_id, back, moment = row.request_id, Back.of(row), now()
    with writing() as session:
        if not store.put_code(session, request_id, None, moment, moment):
            raise ServiceError("invalid_request", "This answer has been brought back already.")
    return _leave(request_id, back, answer)


def _leave(request_id: str, back: Back, answer: dict[str, str]) -> Response:
    browser[BEGUN] = [one for one in browser[BEGUN] if one != request_id]
    browser.pop(ASKED_LANGUAGE, None)
    return redirect(answer_url(reading(), current(Settings), back, answer, now()), 303)
