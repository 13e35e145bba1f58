"""The portal's pages for an owner: overview, grants, activity, account."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from consent_service.db import reading
from consent_service.errors import ServiceError
from consent_service.grants import objections, store
from consent_service.ledger import store as ledger
from consent_service.portal import (
    access,
    activity,
    answering,
    businesses,
    changing,
    ending,
    finding,
    language,
    logins,
    offering,
    papers,
    records,
    shown,
    sign_in,
    sign_out,
    words,
)
from consent_service.portal.schemas import ActForSchema
from consent_service.registry import floods, passkeys, watch
from consent_service.web.current import now
from consent_service.web.languages import LANGUAGES
from consent_service.web.texts import format_datetime, gettext

PAGE = 25
LATEST = 5

blueprint = Blueprint("portal", __name__, template_folder="templates", static_folder="static")
blueprint.before_request(floods.from_here)
sign_in.add_routes(blueprint)
sign_out.add_routes(blueprint)
answering.add_routes(blueprint)
businesses.add_routes(blueprint)
logins.add_routes(blueprint)
activity.add_routes(blueprint)
records.add_routes(blueprint)
changing.add_routes(blueprint)
ending.add_routes(blueprint)
language.add_routes(blueprint)
papers.add_routes(blueprint)
offering.add_routes(blueprint)


@blueprint.get("/")
@access.signed_in
def overview() -> str:
    right = access.acting()
    if right is None:
        return render_template("overview.html", requests=[], sign_ins=logins.waiting(), grants=[], events=[])
    waiting = store.open_requests(reading(), right.owner, now())
    found = [shown.grant(one) for one in shown.grants_of(right.owner)]
    active = [one for one in found if one["open"]]
    events = ledger.payloads_of(reading(), right.owner, shown.DECISIONS, limit=LATEST)
    return render_template(
        "overview.html",
        standing=words.standing(watch.status_of(reading(), right.owner)),
        requests=[shown.waiting(one) for one in waiting],
        sign_ins=logins.waiting(),
        grants=active,
        events=[shown.event(row) for row in events],
    )


@blueprint.post("/act-for")
@access.signed_in
def act_for() -> Response:
    try:
        owner = ActForSchema().load(request.form.to_dict())["owner"]
    except ValidationError as error:
        raise ServiceError("invalid_request", gettext("Choose a business.")) from error
    access.choose(owner)
    return access.go(url_for("portal.overview"))


@blueprint.get("/grants")
@access.signed_in
def grants() -> str:
    """An owner's grants; the fields above them narrow the list."""
    right = access.acting()
    which = request.args.get("show", "active")
    which = which if which in {"active", "ended", "all"} else "active"
    found = [shown.grant(one) for one in shown.grants_of(right.owner)] if right else []
    parties = {one["party"]: one["party_name"] for one in found}
    wanted = finding.Wanted.of(request.args)
    return render_template(
        "grants.html",
        grants=[one for one in found if finding.in_tab(one, which) and wanted.fits(one)],
        filter=which,
        wanted=wanted,
        parties=sorted(parties.items(), key=lambda one: one[1].casefold()),
        soon=[one for one in found if one["ends_soon"]] if which == "active" and not wanted else [],
    )


@blueprint.get("/data-sets")
@access.signed_in
def by_data_set() -> str:
    """Who may read what, by the policy engine's own answer at this moment."""
    right = access.acting()
    found = shown.readers_of(right.owner) if right else []
    return render_template("by_data_set.html", data_sets=found, filter="data")


@blueprint.get("/grants/<grant_id>")
@access.signed_in
def grant_page(grant_id: str) -> str:
    grant = access.own_grant(grant_id)
    access.choose(grant.owner)
    rows = ledger.payloads_of(reading(), grant.owner, shown.DECISIONS, grant_id=grant_id, limit=PAGE)
    history = shown.history(grant)
    given = history[-1] if history else {"by": "", "time": grant.created_at}
    page: dict[str, Any] = {
        **shown.grant(grant),
        **shown.terms(grant.terms),
        "version": grant.version,
        "party": shown.party(grant.party),
        "given_by": given["by"],
        "given_at": given["time"],
        "history": history,
        "objections": objections.of_grant(reading(), grant.owner, grant_id),
    }
    others = [
        one
        for one in shown.grants_of(grant.owner)
        if one.party == grant.party and one.grant_id != grant_id and shown.grant(one)["revocable"]
    ]
    return render_template(
        "grant.html", grant=page, events=[shown.event(row) for row in rows], others=len(others)
    )


@blueprint.get("/account")
@access.signed_in
def account() -> str:
    person = access.person()
    how = access.signed_in_at()
    ways = {"eid": gettext("with your eID"), "passkey": gettext("with a passkey")}
    sign_in_text = (
        gettext("You signed in %(how)s on %(time)s.", how=ways[how[0]], time=format_datetime(how[1]))
        if how
        else ""
    )
    return render_template(
        "account.html",
        passkeys=passkeys.list_of(reading(), person.person_id) if person else [],
        sign_in_text=sign_in_text,
        consents=logins.remembered(),
    )


@blueprint.app_context_processor
def globals_of_every_page() -> dict[str, Any]:
    everywhere = {"lang": words.language(), "languages": LANGUAGES, "this_page": language.this_page}
    if request.blueprint != "portal" or g.get("failed"):
        return {"person": None, "organisations": [], "owner": None, **everywhere}
    right = access.acting() if access.person() else None
    return {
        **everywhere,
        "person": access.person(),
        "organisations": [access.as_organisation(one) for one in access.rights()],
        "owner": access.as_organisation(right) if right else None,
    }
