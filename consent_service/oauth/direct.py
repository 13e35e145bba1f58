"""Authorization requests that come in the browser itself (OpenID Connect Core section 3.1.2.1).

Only for clients of the profile ``oidc``. They go through the same table as pushed ones, and are taken
in like them: from there on there is one way.
"""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import writing
from consent_service.errors import ServiceError, said
from consent_service.grants import agreement
from consent_service.oauth import checks, jarm
from consent_service.oauth.answers import Back, answer_url
from consent_service.oauth.server import REPEATABLE, printable
from consent_service.oauth.taken import take_in
from consent_service.registry import parties
from consent_service.web.current import current, now

LONGEST_PARAMETER = 8000
UNKNOWN = said("This link is not valid. Please start again where you came from.")


def ask() -> Response:
    """Take the request in, and send the browser on with the request URI that stands for it.

    Going on is a GET of our own: the cookie does not come along with a form that another site posts,
    and what that form's answer would set is never overwritten.

    1. The client is known; the table settles where answers go.
    2. From then on an error goes there, with ``state`` and ``iss``; before it is a page.

    :raises ServiceError: shown as a page
    """
    given: MultiDict[str, str] = request.form if request.method == "POST" else request.args
    parameters = {name: values[0] for name, values in given.lists()}
    repeated = tuple(
        sorted(
            printable(name) for name, values in given.lists() if len(values) > 1 and name not in REPEATABLE
        )
    )
    with writing() as session:
        client_id = parameters.get("client_id", "")
        client = parties.find(session, client_id) if client_id.isprintable() else None
        if client is None or "client_id" in repeated:
            raise ServiceError("invalid_request", UNKNOWN)
        catalogue = agreement.agreements().catalogue(session)
        settings = current(Settings)
        asked = checks.Ask(
            checks.Endpoint.AUTHORIZE,
            client,
            parameters,
            catalogue,
            now(),
            session,
            settings,
            repeated,
            resources=tuple(given.getlist("resource")),
        )
        try:
            _check_text(parameters)
            checks.check(asked)
            request_uri = take_in(asked, parameters.get("dpop_jkt"))
        except ServiceError as error:
            if asked.redirect_uri is None:
                raise ServiceError(error.code, UNKNOWN, detail=error.description) from error
            answer = {"error": error.code, "error_description": printable(error.description)}
            once = {name: value for name, value in parameters.items() if name not in repeated}
            mode = once.get("response_mode", jarm.QUERY)
            back = Back(client_id, asked.redirect_uri, once.get("state"), mode)
            return redirect(answer_url(session, settings, back, answer, now()), 303)
    return redirect(url_for("oauth.authorize", client_id=client.client_id, request_uri=request_uri), 303)


def _check_text(parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        wrong = any(ord(one) < 32 and one not in "\t\r\n" for one in name + value)
        if wrong or len(value) > LONGEST_PARAMETER:
            raise ServiceError("invalid_request", UNKNOWN)
