"""The owner's page for one request: read it, narrow it, answer it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, render_template, request, session, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import service, store
from consent_service.grants.agreement import Refused
from consent_service.grants.model import DeclineReason, Request, Status
from consent_service.portal import access, businesses, changes, choosing, logins, shown, words
from consent_service.portal.schemas import AnswerSchema
from consent_service.registry import backchannel, parties
from consent_service.registry.limits import TooMany
from consent_service.registry.registers.base import RegisterUnavailable
from consent_service.web.current import now
from consent_service.web.headers import allow_form_to
from consent_service.web.session import BEGUN
from consent_service.web.texts import gettext


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/requests/<request_id>")(request_page)
    blueprint.post("/requests/<request_id>/answer")(answer)


@access.signed_in
def request_page(request_id: str) -> tuple[str, int] | Response | str:
    """Show a request to somebody who may answer it; from then on it is open."""
    asked, other = _answerable(request_id)
    if other is not None:
        return other
    who = access.person()
    with writing() as database:
        asked = service.open_request(database, request_id, who.person_id if who else "", now())
    return _page(asked, {}, choosing.values(asked.terms))


@access.signed_in
def answer(request_id: str) -> tuple[str, int] | Response | str:
    """Approve, as asked or narrower, or decline."""
    asked, other = _answerable(request_id)
    if other is not None:
        return other
    who = access.person()
    person_id = who.person_id if who else ""
    form = choosing.sent(request.form)
    try:
        filled = AnswerSchema().load(form)
    except ValidationError as error:
        errors = choosing.unreadable(error)
        return _page(asked, errors or {"answer": gettext("Approve or decline.")}, form), 400
    if filled["answer"] == "decline":
        with writing() as database:
            why = DeclineReason(filled["reason"]) if filled["reason"] else None
            service.decline(database, request_id, person_id, now(), why)
            logins.decline(database, request_id, person_id)
            logins.tell(database, request_id)
        return _back(request_id, url_for("portal.overview"))
    owner = asked.terms.owner or filled["owner"]
    terms, errors = choosing.narrowed(replace(asked.terms, owner=owner), filled)
    if owner not in {right.owner for right in access.rights()}:
        errors["owner"] = gettext("Choose the business that you answer for.")
    if errors:
        return _page(asked, errors, form), 400
    access.confirm(str(terms.owner), asked.party)
    by = access.answering(str(terms.owner))
    chosen = logins.own(request.form.getlist("organisations"))
    try:
        with writing() as database:
            grant = service.approve(database, request_id, terms, by, now())
            logins.give(database, request_id, chosen, remember=False)
            logins.tell(database, request_id)
    except Refused as refused:
        if refused.step_up:  # a fresh sign-in is all that is missing; then the person is back here
            flash(refused.description, "info")
            return access.go(
                url_for("portal.sign_in", next=url_for("portal.request_page", request_id=request_id))
            )
        return _page(asked, {"answer": refused.description}, form), 409
    access.choose(grant.owner)
    return _back(request_id, url_for("portal.grant_page", grant_id=grant.grant_id))


def _page(asked: Request, errors: dict[str, str], values: dict[str, Any]) -> str:
    client = parties.find(reading(), asked.client_id)
    allow_form_to(*shown.origins(client.redirect_uris) if client else ())
    choices = [access.as_organisation(right) for right in access.rights()]
    fixed = next((one for one in choices if one["identifier"] == asked.owner), None)
    ask = {
        "request_id": asked.request_id,
        "party": shown.party(asked.party),
        "owner_fixed": fixed,
        "owner_choices": [fixed] if fixed else choices,
        "answer_before": asked.expires_at,
        "login": logins.beside(asked.request_id),
        "changes": None,
        "elsewhere": logins.elsewhere(asked.request_id),
        "decline_reasons": words.decline_reasons(),
        **shown.terms(asked.terms),
    }
    if before := service.amended(reading(), asked, now()):
        ask |= {"changes": changes.of(before.terms, asked.terms), "changes_grant": before.grant_id}
    return render_template("request.html", ask=ask, errors=errors, values=values)


def _find(request_id: str) -> Request:
    found = store.find_request(reading(), request_id)
    if found is None:
        raise ServiceError("unknown_request", gettext("There is no such request."), status=404)
    return found


def _answerable(request_id: str) -> tuple[Request, tuple[str, int] | Response | str | None]:
    """A request, and what is shown in place of its page where it takes no answer from this person now."""
    asked = _find(request_id)
    if closed := _closed(asked):
        return asked, closed
    _may_answer(asked)
    return asked, logins.not_ready(request_id)


def _may_answer(asked: Request) -> None:
    """Somebody who represents the owner; where none is named, somebody who represents anybody."""
    row, who = backchannel.find(reading(), asked.request_id), access.person()
    if row is not None and row.person_id not in {None, who.person_id if who else ""}:
        raise ServiceError("unknown_request", gettext("There is no such request."), status=404)
    if asked.owner is not None:
        _look_up(asked.owner)
        access.right_for(asked.owner)
    elif not access.rights():
        raise ServiceError(
            "not_your_organisation",
            gettext("You are not registered as somebody who may act for a business."),
            status=403,
        )


def _look_up(owner: str) -> None:
    """Ask the owner's register about somebody of whom no register said yet that they act for it."""
    if any(right.owner == owner for right in access.rights()):
        return
    try:
        businesses.look_up(owner)
    except (RegisterUnavailable, TooMany):
        return  # then the person has no right, as before


def _closed(asked: Request) -> tuple[str, int] | None:
    """The page for a request that takes no answer any more, or None."""
    waits = asked.status in {Status.REQUESTED, Status.OPEN}
    changed = waits and asked.amends is not None and service.amended(reading(), asked, now()) is None
    if waits and not changed and now() < asked.expires_at:
        return None
    if asked.status in {Status.REQUESTED, Status.OPEN, Status.LAPSED}:
        with writing() as database:
            service.lapse(database, asked.request_id, now())
        title, text = (
            gettext("The grant has changed meanwhile") if changed else gettext("This request has run out"),
            gettext("Nothing was shared. The party can ask again."),
        )
    else:
        title = gettext("This request was answered already")
        text = gettext("Nothing more was changed. You find what you granted under Grants.")
    name = shown.party(asked.party)["name"]
    link = {"href": url_for("portal.overview"), "text": gettext("Go to the overview")}
    if asked.request_id in session.get(BEGUN, []):
        link = {
            "href": url_for("oauth.authorize_return", request_id=asked.request_id),
            "text": gettext("Go back to %(name)s", name=name),
        }
    return render_template("request_closed.html", title=title, text=text, link=link), 409


def _back(request_id: str, otherwise: str) -> Response:
    """On to the party in the browser that came from there, else stay here."""
    if request_id in session.get(BEGUN, []):
        return access.go(url_for("oauth.authorize_return", request_id=request_id))
    return access.go(otherwise)
