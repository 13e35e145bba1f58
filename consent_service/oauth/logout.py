"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): checked here, asked and done in the portal.

The person is always asked: what a client wants ends, is the person's session here.
"""

from __future__ import annotations

from flask import redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading
from consent_service.errors import ServiceError
from consent_service.oauth import id_token
from consent_service.oauth.answers import with_query
from consent_service.oauth.checks import STATE_LENGTH
from consent_service.registry import parties
from consent_service.registry.model import Client
from consent_service.web import languages, signed
from consent_service.web.current import current
from consent_service.web.session import LOGOUT

PARAMETERS = ("id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")


def begin() -> Response:
    """Check the request (section 2) and ask the person.

    1. No parameter twice.
    2. ``id_token_hint`` is an ID token of ours, however old; ``client_id`` agrees with it.
    3. ``post_logout_redirect_uri`` is exactly one that the client registered (section 3).
    4. The browser is sent there only where an ID token shows that the client once had this person
       (section 3): a client's id alone is known to everybody.
    5. Who asks is named only where an ID token shows it: anybody can write a client's id, and whether
       there is such a client is not said.
    What was checked goes on signed, by a GET: a form that another site posts brings no cookie along.

    :raises ServiceError: shown as a page; nobody is redirected anywhere
    """
    given: MultiDict[str, str] = request.form if request.method == "POST" else request.args
    asked = {name: values[0] for name, values in given.lists() if name in PARAMETERS}
    if any(len(given.getlist(name)) > 1 for name in asked):
        raise _wrong("A parameter is given more than once.")
    settings, session = current(Settings), reading()
    hint = None
    if "id_token_hint" in asked:
        hint = id_token.read_hint(session, settings, asked["id_token_hint"])
        if hint is None:
            raise _wrong("The id_token_hint is not an ID token of ours.")
    client = _client(session, asked.get("client_id"), hint["aud"] if hint else None)
    target = asked.get("post_logout_redirect_uri")
    if target is not None:
        allowed = client.metadata.get("post_logout_redirect_uris", []) if client else []
        if target not in allowed:
            raise _wrong("The post_logout_redirect_uri is not one that this client registered.")
    state = asked.get("state", "")
    if len(state) > STATE_LENGTH:
        raise _wrong("The state is too long.")
    said = {"client_id": hint["aud"], "sid": hint.get("sid")} if hint else {}
    if target is not None and hint is not None:
        said["to"] = with_query(target, {"state": state}) if state else target
    if language := languages.first(asked.get("ui_locales", "").split()):
        said["language"] = language
    token = signed.close(settings.secret_key, LOGOUT, said)
    return redirect(url_for("portal.sign_out_page", asked=token), 303)


def _client(session: Session, stated: str | None, hinted: str | None) -> Client | None:
    if stated is not None and hinted is not None and stated != hinted:
        raise _wrong("The client_id is not the id_token_hint's.")
    client_id = stated if stated is not None else hinted
    if client_id is None:
        return None
    return parties.find(session, client_id) if client_id.isprintable() else None


def _wrong(detail: str) -> ServiceError:
    return ServiceError(
        "invalid_request",
        "You are still signed in: the link that was to sign you out is not valid.",
        detail=detail,
    )
