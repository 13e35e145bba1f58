"""The owner changes a grant: other terms, longer, resting, going on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import objections, owning
from consent_service.grants.agreement import Refused, agreements
from consent_service.grants.bounds import bounds_of
from consent_service.grants.model import Grant, Status, Terms
from consent_service.portal import access, choosing, shown
from consent_service.portal.schemas import ChangeSchema, ShownVersion
from consent_service.web.current import now
from consent_service.web.texts import format_date, gettext


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/grants/<grant_id>/change")(change_page)
    blueprint.post("/grants/<grant_id>/change")(change)
    blueprint.post("/grants/<grant_id>/renew")(renew)
    blueprint.post("/grants/<grant_id>/suspend")(suspend)
    blueprint.post("/grants/<grant_id>/resume")(resume)
    blueprint.post("/grants/<grant_id>/object")(object_to)


@access.signed_in
def change_page(grant_id: str) -> str | Response:
    """The grant as a form: what is ticked now is what the party may read now."""
    grant = _changeable(grant_id)
    return _page(grant, {}, choosing.values(grant.terms))


@access.signed_in
def change(grant_id: str) -> tuple[str, int] | Response:
    """Give the grant the terms of the form; true at the very next data request."""
    grant = _changeable(grant_id)
    form = choosing.sent(request.form)
    try:
        filled = ChangeSchema().load(form)
    except ValidationError as error:
        errors = choosing.unreadable(error)
        return _page(grant, errors or {"answer": gettext("This form can't be read.")}, form), 400
    terms, errors = choosing.narrowed(_most(grant), filled, grant.terms)
    if errors:
        return _page(grant, errors, form), 400
    try:
        _amend(grant, filled["version"], terms)
    except Refused as refused:
        if refused.step_up:
            return _sign_in_again(refused, "portal.change_page", grant_id)
        return _page(grant, {"answer": refused.description}, form), 409
    flash(gettext("Changed. It counts from the next data request on, and the party is told."), "success")
    return _to(grant_id)


@access.signed_in
def renew(grant_id: str) -> Response:
    """Let the grant go on as long again as it was given for, as far as its purpose allows."""
    grant = _changeable(grant_id)
    shown_version = _shown_version()
    terms = owning.renewal(grant, now(), agreements(), reading())
    if terms is None:
        raise ServiceError("not_renewable", gettext("This grant can't be made longer."), status=409)
    try:
        _amend(grant, shown_version, terms)
    except Refused as refused:
        if refused.step_up:
            return _sign_in_again(refused, "portal.grant_page", grant_id)
        flash(refused.description, "error")
        return _to(grant_id)
    day = format_date(terms.access.valid_until)
    flash(gettext("Renewed. May be read until %(day)s.", day=day), "success")
    return _to(grant_id)


@access.signed_in
def suspend(grant_id: str) -> Response:
    """Let the grant rest."""
    _move(owning.suspend, grant_id)
    flash(gettext("Paused. Nothing is read under this grant until you let it go on."), "success")
    return _to(grant_id)


@access.signed_in
def resume(grant_id: str) -> Response:
    """Let the grant go on."""
    _move(owning.resume, grant_id)
    flash(gettext("The grant goes on."), "success")
    return _to(grant_id)


@access.signed_in
def object_to(grant_id: str) -> Response:
    """Object to access by law."""
    grant, person = access.own_grant(grant_id), access.person()
    who = person.person_id if person else ""
    with writing() as database:
        objections.raise_objection(database, grant.owner, grant_id, request.form.get("text", ""), who, now())
    flash(gettext("Recorded and passed on. Access goes on until the authority answers."), "success")
    return _to(grant_id)


def _move(how: Callable[..., Grant], grant_id: str) -> None:
    grant, person = access.own_grant(grant_id), access.person()
    with writing() as database:
        how(database, grant.owner, grant_id, person.person_id if person else "", now())


def _amend(grant: Grant, version: int, terms: Terms) -> None:
    access.confirm(grant.owner, grant.party)
    by = access.answering(grant.owner)
    with writing() as database:
        owning.amend(database, grant.grant_id, version, terms, by, now())


def _changeable(grant_id: str) -> Grant:
    """An active grant that the owner gave.

    :raises ServiceError: ``unknown_grant``, ``grant_ended``
    """
    grant = access.own_grant(grant_id)
    if grant.by_law or grant.status is not Status.ACTIVE or now() >= grant.terms.access.valid_until:
        raise ServiceError("grant_ended", gettext("Only a grant that is active can be changed."), status=409)
    return grant


def _most(grant: Grant) -> Terms:
    """What the party asked for, until the last day that the purpose allows from today."""
    bounds = bounds_of(grant.terms, now(), agreements().catalogue(reading()))
    most = owning.most(reading(), grant)
    last = bounds.access_before - dt.timedelta(seconds=1) if bounds else grant.terms.access.valid_until
    return owning.until(most, max(last, grant.terms.access.valid_until))


def _page(grant: Grant, errors: dict[str, str], values: dict[str, Any]) -> str:
    page = {
        **shown.grant(grant),
        **shown.terms(_most(grant)),
        "party": shown.party(grant.party),
        "version": grant.version,
    }
    return render_template("change.html", grant=page, errors=errors, values=values)


def _shown_version() -> int:
    try:
        return int(ShownVersion().load(request.form.to_dict())["version"])
    except ValidationError as error:
        raise ServiceError("invalid_request", gettext("This form can't be read.")) from error


def _sign_in_again(refused: Refused, endpoint: str, grant_id: str) -> Response:
    flash(refused.description, "info")
    return access.go(url_for("portal.sign_in", next=url_for(endpoint, grant_id=grant_id)))


def _to(grant_id: str) -> Response:
    return access.go(url_for("portal.grant_page", grant_id=grant_id))
