"""The owner offers a grant first: chooses a party and why, then what, and hands over a link."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import offers, owning
from consent_service.grants.agreement import Refused
from consent_service.grants.bounds import bounds_of
from consent_service.grants.catalogue import Purpose
from consent_service.grants.model import CONSENT, Access, Mode, Period, Terms
from consent_service.portal import access, choosing, shown, words
from consent_service.portal.schemas import ChoiceSchema, OfferTo
from consent_service.registry import parties, parts
from consent_service.registry.model import Client, ClientRole
from consent_service.web.current import current, now
from consent_service.web.texts import gettext

YEAR = dt.timedelta(days=365)
LONGEST_COPY = 90
"""Days for which a party keeps its copy of what an owner offers, where the purpose allows so many."""


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/offers")(offers_page)
    blueprint.get("/offers/new")(offer_page)
    blueprint.post("/offers/new")(offer)
    blueprint.post("/offers/<offer_id>/withdraw")(withdraw)
    blueprint.get("/offers/<code>")(link_page)


@access.signed_in
def offers_page() -> str:
    """What was offered and not taken yet."""
    right = access.acting()
    found = offers.waiting(reading(), right.owner, now()) if right else []
    return render_template("offers.html", offers=[_shown(one) for one in found], filter="offers")


@access.signed_in
def offer_page() -> str | Response:
    """First who and why; then, as the purpose allows, what and for how long."""
    chosen = _chosen(request.args.to_dict())
    if chosen is None:
        return _first({})
    most = _most(chosen[1])
    return _second(chosen, most, {}, choosing.values(most) | {"datatypes": []})


@access.signed_in
def offer() -> tuple[str, int] | str | Response:
    """Make the offer; its link is shown once."""
    chosen = _chosen(request.form.to_dict())
    if chosen is None:
        return _first({"party": gettext("Choose who and why.")}), 400
    most, form = _most(chosen[1]), choosing.sent(request.form)
    try:
        filled = ChoiceSchema().load(form)
    except ValidationError as error:
        return _second(chosen, most, choosing.unreadable(error), form), 400
    terms, errors = choosing.narrowed(most, filled)
    if not terms.locations:
        errors["answer"] = gettext(
            "No system that keeps your data is known here yet, so nothing can be read."
        )
    if errors:
        return _second(chosen, most, errors, form), 400
    access.confirm(str(terms.owner), chosen[0].organisation.identifier)
    by = access.answering(str(terms.owner))
    try:
        with writing() as database:
            made, code = offers.make(database, chosen[0], terms, by, now())
    except Refused as refused:
        if refused.step_up:
            flash(refused.description, "info")
            here = url_for("portal.offer_page", party=made_for(chosen), purpose=chosen[1].id)
            return access.go(url_for("portal.sign_in", next=here))
        return _second(chosen, most, {"answer": refused.description}, form), 409
    link = f"{current(Settings).issuer}{url_for('portal.link_page', code=code)}"
    return render_template("offered.html", offer=_shown(made), link=link)


@access.signed_in
def withdraw(offer_id: str) -> Response:
    """Take an offer back."""
    right, person = access.acting(), access.person()
    if right is None or person is None:
        raise ServiceError("unknown_offer", gettext("There is no such offer."), status=404)
    with writing() as database:
        offers.withdraw(database, right.owner, offer_id, person.person_id, now())
    flash(gettext("The offer is taken back. The link opens nothing any more."), "success")
    return access.go(url_for("portal.offers_page"))


def link_page(code: str) -> str:
    """What whoever got the link sees, without signing in: what is offered, and how their system takes it."""
    found = offers.find(reading(), code, now())
    if found is None:
        raise ServiceError(
            "unknown_offer", gettext("There is no such offer, or it can't be taken any more."), status=404
        )
    take = f"{current(Settings).issuer}{url_for('oauth.take_offer', named=code)}"
    return render_template("offer_link.html", offer=_shown(found), take=take)


def made_for(chosen: tuple[Client, Purpose]) -> str:
    """The organisation that is offered something, by its identifier."""
    return chosen[0].organisation.identifier


def _chosen(fields: dict[str, str]) -> tuple[Client, Purpose] | None:
    try:
        wanted = OfferTo().load(fields)
    except ValidationError:
        return None
    party = offers.takers(reading()).get(wanted["party"])
    purpose = words.catalogue().purpose(wanted["purpose"])
    return (party, purpose) if party and purpose and CONSENT in purpose.legal_bases else None


def _most(purpose: Purpose) -> Terms:
    """The most that the purpose allows from today, and two years of data."""
    right, moment = access.acting(), now()
    if right is None:
        raise ServiceError("not_your_organisation", gettext("You act for no business."), status=403)
    often = purpose.limits.most_often
    until = moment + YEAR
    mode = Mode.RECURRING if often else Mode.STANDING
    today = moment.date()
    terms = Terms(
        owner=right.owner,
        purpose=purpose.id,
        datatypes=tuple(one for one in words.catalogue().data_sets if one in purpose.limits.data_sets),
        actions=("read",),
        locations=_places(right.owner),
        period=Period(dt.date(today.year - 1, 1, 1), dt.date(today.year, 12, 31)),
        access=Access(mode, until, often),
        retention=f"P{LONGEST_COPY}D",
        onward_sharing=(),
        legal_basis=CONSENT,
    )
    bounds = bounds_of(terms, moment, words.catalogue())
    if bounds is None:
        return terms
    until = min(until, bounds.access_before - dt.timedelta(seconds=1)).replace(microsecond=0)
    last = min(terms.period.end, bounds.period_before - dt.timedelta(days=1))
    return replace(
        owning.until(terms, until),
        period=Period(terms.period.start, last),
        retention=f"P{min(LONGEST_COPY, bounds.retention_days)}D",
    )


def _places(owner: str) -> tuple[str, ...]:
    """Where the owner's data can be read: every place of the holders that may ask about this owner."""
    holders = [one for one in parties.clients(reading(), ClientRole.HOLDER) if one.active]
    return tuple(
        place
        for one in holders
        if parts.may_ask_about(reading(), one.client_id, owner)
        for place in one.resources
    )


def _first(errors: dict[str, str]) -> str:
    catalogue, language = words.catalogue(), words.language()
    purposes = [one for one in catalogue.purposes.values() if CONSENT in one.legal_bases]
    return render_template(
        "offer_to.html",
        parties=[
            (one.organisation.identifier, one.organisation.name) for one in offers.takers(reading()).values()
        ],
        purposes=[(one.id, one.name(language), one.description(language)) for one in purposes],
        errors=errors,
    )


def _second(
    chosen: tuple[Client, Purpose], most: Terms, errors: dict[str, str], values: dict[str, Any]
) -> str:
    ask = {"party": shown.party(made_for(chosen)), **shown.terms(most)}
    return render_template("offer.html", ask=ask, purpose_id=chosen[1].id, errors=errors, values=values)


def _shown(of: offers.Offer) -> dict[str, Any]:
    return {
        "offer_id": of.offer_id,
        "owner_name": of.owner_name,
        "owner": of.owner,
        "party": shown.party(of.party),
        "made_at": of.made_at,
        "expires_at": of.expires_at,
        **shown.terms(of.terms),
    }
