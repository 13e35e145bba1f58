"""Saying for which business one acts, where its register can't be searched by person."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, flash, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from consent_service.config import COUNTRIES, Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.portal import access, words
from consent_service.portal.schemas import BusinessSchema
from consent_service.registry import identifiers, limits, people
from consent_service.registry.limits import Limit
from consent_service.registry.registers.base import RegisterUnavailable
from consent_service.web.current import current, now
from consent_service.web.texts import gettext

TRIES = Limit(20, dt.timedelta(hours=1))
"""Businesses that a person may name in an hour: trying all of them would take for ever."""


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.post("/businesses")(act_for_another)
    blueprint.context_processor(lambda: {"countries": [(code, words.country(code)) for code in COUNTRIES]})


@access.signed_in
def act_for_another() -> Response:
    """Look the person up in the register of the business that they name."""
    try:
        named = BusinessSchema().load(request.form.to_dict())
        owner = identifiers.parse(f"{identifiers.icd_of(named['country'])}:{named['number'].strip()}")
    except (ValidationError, ServiceError):
        flash(gettext("That is no number of a business in this country. Check its digits."), "error")
        return access.go(url_for("portal.account"))
    try:
        found = look_up(owner)
    except RegisterUnavailable as error:
        flash(gettext(error.description), "error")
        return access.go(url_for("portal.account"))
    if not found:
        flash(
            gettext("The business register names nobody of your name who acts alone for this business."),
            "error",
        )
        return access.go(url_for("portal.account"))
    access.choose(owner)
    return access.go(url_for("portal.overview"))


def look_up(owner: str) -> bool:
    """Ask the register whether the person acts for a business that it did not name by itself.

    :raises RegisterUnavailable: it does not answer
    :raises TooMany: the person has tried too many
    """
    who = access.person()
    if who is None:
        return False
    name = f"act for another {who.person_id}"
    limits.check(reading(), [name], [TRIES], now())
    with writing() as database:
        limits.count(database, name, TRIES, now())
    people.confirm(who.person_id, owner, access.register(), current(Settings).secret_key, now())
    access.forget_rights()
    return any(right.owner == owner for right in access.rights())
