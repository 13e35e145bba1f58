"""The owner takes access back: one grant, all of one party, or everything at once."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.grants import owning, service
from consent_service.portal import access, shown
from consent_service.web.current import now
from consent_service.web.texts import gettext, ngettext


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.post("/grants/<grant_id>/revoke")(revoke)
    blueprint.get("/stop")(stop_page)
    blueprint.post("/stop")(stop)


@access.signed_in
def revoke(grant_id: str) -> Response:
    """Take a grant back, in one action; true at the very next data request."""
    grant, person = access.own_grant(grant_id), access.person()
    with writing() as database:
        service.revoke(database, grant.owner, grant_id, person.person_id if person else "", now())
    name = shown.party(grant.party)["name"]
    flash(gettext("Taken back. %(name)s gets nothing more from now on.", name=name), "success")
    return access.go(url_for("portal.grant_page", grant_id=grant_id))


@access.signed_in
def stop_page() -> str:
    """What would end, before it is ended: all grants, or those of ``party``."""
    right, party = access.acting(), request.args.get("party", "")
    given = shown.grants_of(right.owner) if right else []
    found = [shown.grant(one) for one in given if party in {"", one.party}]
    return render_template(
        "stop.html",
        grants=[one for one in found if one["revocable"]],
        by_law=[one for one in found if one["by_law"] and one["open"]],
        party=shown.party(party) if party and found else None,
    )


@access.signed_in
def stop() -> Response:
    """Take all of it back in one transaction."""
    right, person, party = access.acting(), access.person(), request.form.get("party", "")
    if right is None or right.owner != request.form.get("owner"):  # another tab has changed the business
        raise ServiceError(
            "not_your_organisation",
            gettext("You act for another business now. Look at this page again."),
            status=409,
        )
    who = person.person_id if person else ""
    with writing() as database:
        ended = owning.revoke_all(database, right.owner, who, now(), lambda grant: party in {"", grant.party})
    text = ngettext("Taken back: one grant.", "Taken back: %(num)d grants.", len(ended))
    flash(text if ended else gettext("There was nothing to take back."), "success")
    return access.go(url_for("portal.grants", show="ended" if ended else "active"))
