"""Signing out: by the person's own button, or because a client asked for it."""

from __future__ import annotations

from typing import Any

import flask_babel
from flask import Blueprint, flash, render_template, request, session, url_for
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading
from consent_service.errors import ServiceError
from consent_service.portal import access, shown
from consent_service.registry import parties, sessions
from consent_service.web import signed
from consent_service.web.current import current
from consent_service.web.headers import allow_form_to
from consent_service.web.session import ASKED_LANGUAGE, LOGOUT, SESSION_ID
from consent_service.web.texts import gettext

WAITS = 3600  # seconds that the question stays open


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/sign-out")(sign_out_page)
    blueprint.post("/sign-out")(sign_out)


def sign_out_page() -> str | Response:
    """Ask, and say what signing out does not end; who is signed out already is sent on."""
    text = request.args.get("asked", "")
    asked = _asked(text)
    if asked.get("language"):
        session[ASKED_LANGUAGE] = asked["language"]
        flask_babel.refresh()
    client = parties.find(reading(), asked["client_id"]) if asked.get("client_id") else None
    if access.person() is None:
        return access.go(asked["to"]) if asked.get("to") else _signed_out()
    if asked.get("to"):
        allow_form_to(*shown.origins([asked["to"]]))
    sid = asked.get("sid")
    return render_template(
        "sign_out.html",
        asked=text,
        client_name=shown.client_name(client) if client else None,
        other=sid is not None and not sessions.is_of(reading(), session.get(SESSION_ID), sid),
    )


def sign_out() -> Response:
    """End the session; back to the client where its request said so, else to the page for signing in."""
    asked = _asked(request.form.get("asked", ""))
    access.sign_out()
    return access.go(asked["to"]) if asked.get("to") else _signed_out()


def _signed_out() -> Response:
    flash(gettext("You are signed out. What you granted stays as it is."), "info")
    return access.go(url_for("portal.sign_in"))


def _asked(text: str) -> dict[str, Any]:
    """What a client asked for, as it was checked; empty where nobody asked.

    :raises ServiceError: it was not us who wrote it, or it is too old
    """
    if not text:
        return {}
    said = signed.read(current(Settings).secret_key, LOGOUT, text, seconds=WAITS)
    if said is None:
        raise ServiceError(
            "invalid_request", gettext("This link is too old. You can sign out at the top of any page.")
        )
    return said
