"""Signing in: once with the eID, from then on with a passkey."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import Any

from flask import Blueprint, jsonify, render_template, request, session, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import store as grants
from consent_service.portal import access, shown, words
from consent_service.portal.schemas import PasskeyName
from consent_service.registry import logins, parties, passkeys, people
from consent_service.registry.eid import Attempt, EidBroker
from consent_service.registry.passkeys import RelyingParty
from consent_service.web.current import current, now
from consent_service.web.headers import allow_form_to
from consent_service.web.texts import gettext

ATTEMPT, NEXT, CHALLENGE = "eid_attempt", "next", "passkey_challenge"
FRESH = dt.timedelta(minutes=15)
REQUESTS, CONTINUING = "/requests/", "/oauth/authorize/"


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/sign-in")(sign_in)
    blueprint.post("/sign-in/eid")(sign_in_eid)
    blueprint.get("/sign-in/eid/callback")(eid_callback)
    blueprint.post("/sign-in/passkey/options")(passkey_request_options)
    blueprint.post("/sign-in/passkey")(passkey_sign_in)
    blueprint.get("/passkey")(passkey_offer)
    blueprint.post("/passkey/options")(passkey_creation_options)
    blueprint.post("/passkey")(passkey_create)


def sign_in() -> str:
    target = access.local_path(request.args.get("next"))
    return _page(target)


def sign_in_eid() -> Response:
    attempt = current(EidBroker).begin()
    session[ATTEMPT] = asdict(attempt)
    session[NEXT] = access.local_path(request.form.get("next"))
    return access.go(attempt.url)


def eid_callback() -> Response | tuple[str, int]:
    """The browser comes back from the eID; what it left with is used once."""
    left_with = session.pop(ATTEMPT, None)
    target = access.local_path(session.pop(NEXT, None))
    if left_with is None:
        return _page(
            target, gettext("That sign-in was already used or took too long. Please try again.")
        ), 400
    moment = now()
    try:
        identity = current(EidBroker).finish(Attempt(**left_with), request.url, moment)
        person = people.introduce(identity, access.register(), current(Settings).secret_key, moment)
    except ServiceError as error:
        return _page(target, gettext(error.description)), error.status
    access.sign_in(person.person_id, "eid", identity.amr)
    if target.startswith(CONTINUING) or passkeys.list_of(reading(), person.person_id):
        return access.go(target)  # a sign-in on the way to somebody else is no moment for an offer
    session[NEXT] = target
    return access.go(url_for("portal.passkey_offer"))


def passkey_request_options() -> Response:
    options, challenge = passkeys.request_options(_relying_party())
    session[CHALLENGE] = challenge.hex()
    return _json(options)


def passkey_sign_in() -> tuple[Response, int] | Response:
    challenge = bytes.fromhex(session.pop(CHALLENGE, ""))
    target = access.local_path(request.args.get("next"))
    with writing() as database:
        person_id = passkeys.sign_in(database, _relying_party(), _credential(), challenge, now())
    access.sign_in(person_id, "passkey")
    return jsonify(next=target)


@access.signed_in
def passkey_offer() -> str:
    return render_template("passkey_offer.html", next=access.local_path(session.get(NEXT)))


@access.signed_in
def passkey_creation_options() -> Response:
    person = access.person()
    assert person is not None  # noqa: S101  (the decorator saw to it)
    _signed_in_just_now()
    options, challenge = passkeys.creation_options(reading(), _relying_party(), person)
    session[CHALLENGE] = challenge.hex()
    return _json(options)


@access.signed_in
def passkey_create() -> tuple[str, int]:
    person = access.person()
    assert person is not None  # noqa: S101  (the decorator saw to it)
    _signed_in_just_now()
    challenge = bytes.fromhex(session.pop(CHALLENGE, ""))
    credential = _credential()
    try:
        name = PasskeyName().load({"name": credential.pop("name", "")})["name"].strip()
    except ValidationError as error:
        raise ServiceError(
            "invalid_request", gettext("A passkey's name has at most 60 characters.")
        ) from error
    with writing() as database:
        passkeys.create(
            database,
            _relying_party(),
            person,
            credential,
            challenge,
            name=name or gettext("Passkey"),
            now=now(),
        )
    return "", 204


def _signed_in_just_now() -> None:
    """A new passkey outlives the session: who finds or steals one that is open must not make it theirs.

    :raises ServiceError: ``sign_in_again``
    """
    how = access.signed_in_at()
    if how is None or now() - how[1] > FRESH:
        text = gettext("You signed in a while ago. Sign out and in again, then add the passkey.")
        raise ServiceError("sign_in_again", text, status=403)


def _page(target: str, error: str | None = None) -> str:
    allow_form_to(current(EidBroker).origin)  # the eID form ends there
    return render_template("sign_in.html", next=target, error=error, asking=_asking(target))


def _asking(target: str) -> dict[str, str] | None:
    """Who waits for an answer behind the sign-in, when that is why the person is here."""
    named = target.partition("?")[0]
    if named.startswith(CONTINUING):
        login = logins.find(reading(), named.removeprefix(CONTINUING).partition("/")[0])
        client = parties.find(reading(), login.client_id) if login else None
        return {"client_name": shown.client_name(client)} if client else None
    if not named.startswith(REQUESTS):
        return None
    found = grants.find_request(reading(), named.removeprefix(REQUESTS))
    if found is None:
        return None
    purpose = words.purpose(words.catalogue(), found.terms.purpose)
    return {"party_name": shown.party(found.party)["name"], "purpose_name": purpose}


def _relying_party() -> RelyingParty:
    settings = current(Settings)
    return RelyingParty(settings.host, settings.issuer)


def _credential() -> dict[str, Any]:
    try:
        document = request.get_json(silent=True)
    except RecursionError:  # nested deeper than anybody's browser would
        document = None
    if not isinstance(document, dict):
        raise ServiceError("invalid_passkey", gettext("The browser sent no passkey."))
    return document


def _json(document: str) -> Response:
    return jsonify(json.loads(document))
