"""The page on which a person tells a client who they are, and what they agreed to before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, flash, render_template, request, session, url_for
from marshmallow import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants.store import find_request
from consent_service.portal import access, shown
from consent_service.portal.schemas import LoginAnswer
from consent_service.registry import backchannel, browser_logins, logins, parties
from consent_service.registry.browser_logins import Place
from consent_service.registry.login_rules import NAME, OFFLINE, ORGANISATIONS, Step
from consent_service.registry.logins import CONSENT_LIFE, LoginStatus
from consent_service.registry.model import Client
from consent_service.web.current import current, now
from consent_service.web.headers import allow_form_to
from consent_service.web.session import BEGUN
from consent_service.web.texts import gettext


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/logins/<request_id>")(login_page)
    blueprint.post("/logins/<request_id>/answer")(login_answer)
    blueprint.post("/account/consents/<client_id>/forget")(forget)


def login_page(request_id: str) -> str | Response:
    """Who asks, what they learn, and which organisations to show."""
    if nobody_yet(request_id):
        return _sign_in_first(request_id)
    place = _begun(request_id)
    return not_ready(request_id) or _page(place, {})


def login_answer(request_id: str) -> Response | tuple[str, int]:
    """Approve, with the organisations that are ticked, or decline."""
    if nobody_yet(request_id):
        return _sign_in_first(request_id)
    place = _begun(request_id)
    if elsewhere := not_ready(request_id):
        return elsewhere
    form = {name: value for name, value in request.form.items() if name != "organisations"}
    try:
        filled = LoginAnswer().load({**form, "organisations": request.form.getlist("organisations")})
    except ValidationError:
        return _page(place, {"answer": gettext("Approve or decline.")}), 400
    chosen = own(filled["organisations"])
    with writing() as database:
        if filled["answer"] == "decline":
            decline(database, request_id, place.who.person_id if place.who else "")
        else:
            give(database, request_id, chosen, remember=not filled["ask_again"])
        tell(database, request_id)
    if place_of_answer(request_id):
        return access.go(url_for("oauth.authorize_return", request_id=request_id))
    flash(gettext("Your answer is sent. You can close this page."), "success")
    return access.go(url_for("portal.overview"))


def not_ready(request_id: str) -> Response | None:
    """Back to where it is decided what comes next, when that is not this page; None when it is.

    What was checked on the way here is checked again: meanwhile somebody else may have signed in.
    """
    place = _place(reading(), request_id)
    if place is None:
        return None
    ready = place.row.status == LoginStatus.OPEN
    if ready and browser_logins.next_of(reading(), place, now()).step in {Step.ASK, Step.GIVE}:
        return None
    if backchannel.find(reading(), request_id) is None:
        return access.go(url_for("oauth.authorize_continue", request_id=request_id))
    return _elsewhere_next(place, ready=ready)


def _elsewhere_next(place: Place, *, ready: bool) -> Response:
    """The same for a request that no browser brought: sign in again, or an error as a page."""
    if not ready or now() >= place.row.expires_at:
        raise ServiceError("request_closed", gettext("This was answered already."), status=409)
    if browser_logins.next_of(reading(), place, now()).step is Step.REFUSE:
        raise ServiceError("not_yours", gettext("Somebody else has to answer this."), status=403)
    return access.go(url_for("portal.sign_in", next=request.path.removesuffix("/answer")))


def nobody_yet(request_id: str) -> bool:
    """Whether this browser has to say first who it is: whether there is such a request, it learns then."""
    return access.person() is None and not place_of_answer(request_id)


def place_of_answer(request_id: str) -> bool:
    """Whether this browser brought the request, and takes the answer back."""
    return request_id in session.get(BEGUN, [])


def tell(database: Session, request_id: str) -> None:
    """Tell a client that waits for it that the answer is there, in the answer's own transaction."""
    backchannel.tell(database, current(Settings).secret_key, request_id, now())


def elsewhere(request_id: str) -> dict[str, str] | None:
    """What the page says of a request that was not started in this browser; None where it was."""
    row = backchannel.find(reading(), request_id)
    return {"binding_message": row.binding_message or ""} if row else None


def waiting() -> list[dict[str, Any]]:
    """Sign-ins that came without a browser and wait for this person, for the inbox; those with data aside."""
    who = access.person()
    owners = [right.owner for right in access.rights()]
    found = backchannel.waiting_logins(reading(), who.person_id, owners, now()) if who else []
    clients = [(row, parties.find(reading(), row.client_id)) for row, _login in found]
    return [
        {
            "href": url_for(
                "portal.request_page" if find_request(reading(), row.request_id) else "portal.login_page",
                request_id=row.request_id,
            ),
            "name": shown.client_name(client),
            "asked_at": row.created_at,
            "expires_at": row.expires_at,
        }
        for row, client in clients
        if client and (find_request(reading(), row.request_id) is None or row.owner is None)
    ]


def own(organisations: Sequence[str]) -> list[str]:
    """Those that the person may act for. It may ask a register, so no transaction is open meanwhile."""
    acts_for = {right.owner for right in access.rights()}
    return [one for one in dict.fromkeys(organisations) if one in acts_for]


def give(database: Session, request_id: str, organisations: Sequence[str], *, remember: bool) -> None:
    """Answer yes, where somebody asks who answers.

    :param organisations: what to show of those that the person acts for (:func:`own`)
    :raises ServiceError: ``request_closed``
    """
    place = _place(database, request_id)
    if place is None:
        return
    if not browser_logins.give(database, place, organisations, now(), remember=remember):
        raise ServiceError("request_closed", gettext("This was answered already."), status=409)


def decline(database: Session, request_id: str, person_id: str) -> None:
    """Answer no, where somebody asks who answers."""
    row = logins.find(database, request_id)
    if row is not None:
        logins.decline(database, row, person_id, now())


def beside(request_id: str) -> dict[str, Any] | None:
    """What a party learns of the person beside the data that it asks for; None where nothing."""
    place = _place(reading(), request_id)
    return _shown(place) if place else None


def remembered() -> list[dict[str, Any]]:
    """What the person agreed to and is not asked again, for the account page."""
    who = access.person()
    rows = logins.consents_of(reading(), who.person_id, now()) if who else []
    clients = [(row, parties.find(reading(), row.client_id)) for row in rows]
    names = {right.owner: right.owner_name for right in access.rights()}
    return [
        {
            "client_id": row.client_id,
            "name": shown.client_name(client) if client else row.client_id,
            "learns": _learns(client, frozenset(row.claims), lasting=OFFLINE in row.scopes),
            "organisations": [names[one] for one in row.organisations if one in names],
            "given_at": row.given_at,
            "until": row.until,
        }
        for row, client in clients
    ]


@access.signed_in
def forget(client_id: str) -> Response:
    """Take a consent back, in one action."""
    who = access.person()
    with writing() as database:
        logins.forget(database, who.person_id if who else "", client_id, now())
    flash(gettext("Taken back. You are asked again the next time."), "success")
    return access.go(url_for("portal.account"))


def _sign_in_first(request_id: str) -> Response:
    page = url_for("portal.login_page", request_id=request_id)
    return access.go(url_for("portal.sign_in", next=page))


def _begun(request_id: str) -> Place:
    """The login, in the browser that came with it; anybody else is told that there is none."""
    mine = place_of_answer(request_id) or _waits_for_me(request_id)
    place = _place(reading(), request_id) if mine else None
    if place is None:
        raise ServiceError("unknown_request", gettext("There is no such request."), status=404)
    return place


def _waits_for_me(request_id: str) -> bool:
    row, who = backchannel.find(reading(), request_id), access.person()
    if row is None or who is None:
        return False
    if row.person_id is not None:
        mine = row.person_id == who.person_id
    else:
        mine = row.owner in {right.owner for right in access.rights()}
    if mine:  # not before: what a stranger's visit notes would count against whoever may answer
        with writing() as database:
            logins.note_before(database, request_id, browser_logins.sign_in_id(session))
    return mine


def _place(database: Session, request_id: str) -> Place | None:
    row = logins.find(database, request_id)
    client = parties.find(database, row.client_id) if row else None
    return Place(row, client, session, current(Settings)) if row and client else None


def _page(place: Place, errors: dict[str, str]) -> str:
    allow_form_to(*shown.origins(place.client.redirect_uris))
    return render_template("login.html", ask=_shown(place), errors=errors)


def _shown(place: Place) -> dict[str, Any]:
    asked = place.row.request
    agreed = browser_logins.remembered(reading(), place)
    metadata = place.client.metadata
    request_id = place.row.login_id
    here = "oauth.authorize_continue" if place_of_answer(request_id) else "portal.login_page"
    return {
        "request_id": request_id,
        "client_name": shown.client_name(place.client),
        "party": shown.party(place.client.organisation.identifier),
        "learns": _learns(place.client, asked.learned, lasting=OFFLINE in asked.scopes),
        "choices": [access.as_organisation(right) for right in access.rights()]
        if ORGANISATIONS in asked.learned
        else None,
        "chosen": list(agreed.organisations) if agreed else [],
        "days": CONSENT_LIFE.days,
        "policy_uri": metadata.get("policy_uri"),
        "tos_uri": metadata.get("tos_uri"),
        "elsewhere": elsewhere(request_id),
        "again": url_for("portal.sign_in", next=url_for(here, request_id=request_id)),
    }


def _learns(client: Client | None, learned: frozenset[str], *, lasting: bool) -> list[str]:
    """What a client learns, in plain words."""
    public = client is not None and client.metadata.get("subject_type") == "public"
    told = [
        gettext("That it is you, under a name by which others can know you too")
        if public
        else gettext("That it is you, under a name that only they use for you")
    ]
    if NAME in learned:
        told.append(gettext("Your name"))
    if ORGANISATIONS in learned:
        told.append(gettext("Businesses that you act for, and your role: those that you choose"))
    if lasting:
        told.append(gettext("All this also later, without you being there"))
    return told
