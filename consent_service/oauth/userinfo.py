"""Userinfo (OpenID Connect Core section 5.3): what the person lets a client learn, as JSON or signed."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any, cast

from flask import Response, jsonify, make_response, request

from consent_service import keys
from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.oauth.server import error_response
from consent_service.oauth.tokens import USERINFO_PATH
from consent_service.registry import callers, floods, logins, people, tokens
from consent_service.registry.callers import BEARER, Known, Presented, Unauthenticated
from consent_service.registry.claims import claims_of
from consent_service.registry.limits import TooMany
from consent_service.registry.login_rules import LEARNED, OPENERS, OPENID, ORGANISATIONS
from consent_service.registry.logins import LoginRow, LoginStatus
from consent_service.registry.nonces import Nonces
from consent_service.registry.registers.base import Register, RegisterUnavailable
from consent_service.registry.subjects import subject_of
from consent_service.web.certificate import called_at, presented_thumbprint
from consent_service.web.current import current, named, now

REALM = "userinfo"
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def answer() -> Response:
    """The claims or an error, under the name that the client has for this exchange (FAPI 1.0 section 6.2.1).

    FAPI-CIBA has it so: ``x-fapi-interaction-id`` comes back, and where the client sent no UUID we make one.
    """
    response, said = _answer_to_token(), request.headers.get("x-fapi-interaction-id", "")
    response.headers["x-fapi-interaction-id"] = said if UUID.fullmatch(said) else str(uuid.uuid4())
    return response


def _answer_to_token() -> Response:
    """The claims, or an error of RFC 6750 section 3 in the header.

    1. One access token, in the header or in a form (RFC 6750 section 2); a second one is refused.
    2. It lives, its client is active, and whoever shows it proves its key where it has one.
    3. It is for userinfo, and has ``openid``, or in OAuth alone another scope that opens it.
    4. The login that it came from was given and not taken back.
    """
    settings, moment = current(Settings), now()
    try:
        shown = _shown(settings)
        known = callers.identify(reading(), shown, moment)
        floods.by_bearer(known.client.client_id)
        if known.jkt is not None:
            with writing() as session:
                callers.prove(session, known, shown, moment, current(Nonces).welcome())
        else:
            callers.prove(None, known, shown, moment)
        _check(known, settings)
        login = _login(shown.token)
        if login is None:
            raise Unauthenticated("invalid_token", shown.scheme)
    except TooMany as error:
        return error_response(error)
    except Unauthenticated as error:
        return _refused(401, error.challenge(REALM))
    except ServiceError as error:
        challenge = f'{BEARER} realm="{REALM}", error="{error.code}"'
        scope = f', scope="{OPENID}"' if error.status == 403 else ""
        return _refused(error.status, challenge + scope)
    return _answer(settings, known, login, moment)


def _shown(settings: Settings) -> Presented:
    url = called_at(settings, settings.issuer + USERINFO_PATH)
    proofs, x5t = request.headers.getlist("DPoP"), presented_thumbprint(settings)
    headers = request.headers.getlist("Authorization")
    form = request.form.getlist("access_token") if request.method == "POST" else []
    if len(headers) + len(form) > 1:
        raise ServiceError("invalid_request", "one access token, shown in one way")
    if form:
        return Presented(BEARER, form[0], proofs, request.method, url, x5t)
    return callers.presented(headers, proofs, request.method, url, x5t)


def _check(known: Known, settings: Settings) -> None:
    if not OPENERS & set(known.scopes) or settings.issuer + USERINFO_PATH not in known.audience:
        raise ServiceError("insufficient_scope", "the token is not for userinfo", status=403)


def _login(token: str) -> LoginRow | None:
    found = tokens.find(reading(), token)
    login = logins.find(reading(), found.authorization_id or "") if found else None
    return login if login is not None and login.status == LoginStatus.GIVEN else None


def _answer(settings: Settings, known: Known, login: LoginRow, moment: dt.datetime) -> Response:
    client, asked, person_id = known.client, login.request, str(login.person_id)
    scopes = known.scopes & set(login.scopes)  # a refresh may have asked for fewer
    here = {LEARNED[scope] for scope in scopes if scope in LEARNED} | set(asked.userinfo)
    if ORGANISATIONS in here & set(login.claims):
        _refresh(settings, person_id, moment)
    claims: dict[str, Any] = {"sub": subject_of(client, person_id, settings.secret_key)}
    again = logins.find(reading(), login.login_id)
    claims |= claims_of(reading(), again, here & set(again.claims), moment) if again else {}
    signed = client.metadata.get("userinfo_signed_response_alg")
    if signed is None:
        response = jsonify(claims)
    else:  # section 5.3.2: iss and aud are members then
        whole = {**claims, "iss": settings.issuer, "aud": client.client_id, "iat": int(moment.timestamp())}
        signer = keys.signer(reading(), settings.secret_key)
        response = make_response(signer.sign(whole, typ="JWT", alg=keys.Algorithm(signed)))
        response.mimetype = "application/jwt"
    response.headers["Cache-Control"] = "no-store"
    return response


def _refresh(settings: Settings, person_id: str, moment: dt.datetime) -> None:
    """Ask the register again when it is time; where it does not answer, what is old is not told."""
    try:
        people.refresh(person_id, cast("Register", named("register")), settings.secret_key, moment)
    except RegisterUnavailable:
        return


def _refused(status: int, challenge: str) -> Response:
    response = make_response("", status)
    response.headers["WWW-Authenticate"] = challenge
    response.headers["Cache-Control"] = "no-store"
    return response
