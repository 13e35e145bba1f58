"""Choosing the language of the pages, at the foot of each of them."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, request, session
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.portal import access
from consent_service.portal.schemas import LanguageChoice
from consent_service.registry import people
from consent_service.web.session import LANGUAGE
from consent_service.web.texts import gettext


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.post("/language")(choose)


def choose() -> Response:
    """Speak this language at once, and at each later sign-in of the person; then the same page again."""
    try:
        filled = LanguageChoice().load(request.form.to_dict())
    except ValidationError as error:
        raise ServiceError("invalid_request", gettext("Choose a language.")) from error
    session[LANGUAGE] = filled["language"]
    if who := access.person():
        with writing() as database:
            people.speak(database, who.person_id, filled["language"])
    return access.go(access.local_path(filled["next"]))


def this_page() -> str | None:
    """Where to come back to; None where a form's answer stands here, which would be lost."""
    if request.method != "GET":
        return None
    if "next" in request.args:
        return f"{request.path}?{urlencode({'next': access.local_path(request.args['next'])})}"
    return request.full_path.rstrip("?")
