"""Who is looking: the signed-in person, the business they act for, and nobody else's."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, cast
from urllib.parse import quote, urlsplit

import flask_babel
import structlog
from flask import g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import register_events, store
from consent_service.grants.model import Grant
from consent_service.grants.service import Answering
from consent_service.grants.windows import SINCE_EVER
from consent_service.portal import words
from consent_service.registry import identifiers, people, sessions, watch
from consent_service.registry.login_rules import KNOWN_METHODS, SIGN_INS
from consent_service.registry.model import Representation
from consent_service.registry.people import Person
from consent_service.registry.registers.base import Register, RegisterUnavailable
from consent_service.web.current import current, named, now
from consent_service.web.session import (
    ASKED_LANGUAGE,
    BEGUN,
    LANGUAGE,
    PERSON,
    SESSION_ID,
    SIGNED_IN,
    ServerSession,
)
from consent_service.web.texts import gettext

P = ParamSpec("P")
OWNER = "owner"
LONGEST_PATH = 2000  # characters: it is kept in the session, and goes into a header


def register() -> Register:
    """The business register that the application was made with."""
    return cast("Register", named("register"))


def sign_in(person_id: str, how: str, amr: Sequence[str] = ()) -> None:
    """Begin a signed-in session under a new key.

    Who signs in again goes on with the same session; where it is somebody else, the session of the
    one before ends, and the clients that it was known to are told.

    :param how: ``eid`` or ``passkey``
    :param amr: what the eID says of how it signed the person in (RFC 8176)
    """
    browser = cast("ServerSession", session)
    if browser.get(PERSON) != person_id:
        if PERSON in browser:
            _leave_the_language(browser)
        _end()
        browser[SESSION_ID] = str(uuid.uuid4())
    browser.renew()
    browser[PERSON] = person_id
    methods = [*SIGN_INS[how][1], *(one for one in amr if one in KNOWN_METHODS)]
    browser[SIGNED_IN] = {"how": how, "at": now().isoformat(), "amr": methods, "id": str(uuid.uuid4())}
    browser.pop(OWNER, None)
    _speak(browser, person_id)


def sign_out() -> None:
    """End the session, and tell the clients that it was known to.

    The requests that this browser brought along stay its own, whoever signs in next.
    """
    _end()
    browser = cast("ServerSession", session)
    browser.renew()
    _leave_the_language(browser)
    kept = {name: browser[name] for name in (BEGUN, ASKED_LANGUAGE) if browser.get(name)}
    browser.clear()
    browser.update(kept)


def _speak(browser: ServerSession, person_id: str) -> None:
    """Go on in the person's language; what they chose before they signed in counts from now on."""
    who = people.find(reading(), person_id)
    if LANGUAGE in browser:
        with writing() as database:
            people.speak(database, person_id, browser[LANGUAGE])
    elif who and who.language:
        browser[LANGUAGE] = who.language
    flask_babel.refresh()


def _leave_the_language(browser: ServerSession) -> None:
    """The pages go on in the language of the one who leaves; whoever comes next has not chosen it."""
    if LANGUAGE in browser:
        browser[ASKED_LANGUAGE] = browser.pop(LANGUAGE)


def _end() -> None:
    person_id = session.get(PERSON)
    if person_id is not None:
        with writing() as database:
            sessions.end(database, current(Settings), session.get(SESSION_ID), person_id, now())


def person() -> Person | None:
    """The person who is signed in, or None."""
    if "person" not in g:
        person_id = session.get(PERSON)
        g.person = people.find(reading(), person_id) if person_id else None
    return cast("Person | None", g.person)


def rights() -> list[Representation]:
    """What the person may act for at this moment; the register is asked again when it is time."""
    who = person()
    if who is None:
        return []
    if "rights" not in g:
        moment = now()
        try:
            people.refresh(who.person_id, register(), current(Settings).secret_key, moment)
        except RegisterUnavailable as error:
            structlog.get_logger().warning("register unavailable", problem=error.code)
        g.rights = [one for one in people.representations(reading(), who.person_id) if one.holds(moment)]
    return cast("list[Representation]", g.rights)


def right_for(owner: str | None) -> Representation:
    """The person's right to act for this owner.

    :raises ServiceError: ``not_your_organisation``
    """
    for right in rights():
        if right.owner == owner:
            return right
    raise ServiceError("not_your_organisation", gettext("You can't act for this business."), status=403)


def own_grant(grant_id: str) -> Grant:
    """A grant of a business that the person may act for.

    :raises ServiceError: ``unknown_grant``: there is none, or it is somebody else's
    """
    for right in rights():
        if grant := store.current(reading(), right.owner, grant_id):
            return grant
    raise ServiceError("unknown_grant", gettext("There is no such grant."), status=404)


def answering(owner: str) -> Answering:
    """The person as somebody who answers for this owner, by the right that they have now.

    :raises ServiceError: ``not_your_organisation``
    """
    who, how = person(), signed_in_at()
    return Answering(
        who.person_id if who else "", right_for(owner), how[1] if how else SINCE_EVER, words.language()
    )


def confirm(owner: str, party: str) -> None:
    """Ask the registers at this moment, before the person agrees to something for this owner.

    1. Whether the person acts for the owner still; who has left the board is out from here on.
    2. Whether owner and party are bankrupt or gone: what follows from that is done first.

    Where a register does not answer, what it said within the hour goes on counting, as everywhere.
    """
    who, moment = person(), now()
    if who is None:
        return
    try:
        people.confirm(who.person_id, owner, register(), current(Settings).secret_key, moment)
    except RegisterUnavailable:
        structlog.get_logger().warning("not confirmed", owner=owner)
    for identifier in (owner, party):
        try:
            seen = register().signatories(identifier, moment)
        except RegisterUnavailable:
            continue
        if seen.extract is not None:
            status = watch.status_of(reading(), identifier)
            if seen.extract.status is not status:
                register_events.told(writing, identifier, seen.extract.status, seen.source, moment)
    forget_rights()


def forget_rights() -> None:
    """Look at the person's rights anew; they have changed."""
    g.pop("rights", None)


def acting() -> Representation | None:
    """The business that the person acts for now: the one chosen last, else the first."""
    chosen = session.get(OWNER)
    return next((right for right in rights() if right.owner == chosen), next(iter(rights()), None))


def choose(owner: str) -> None:
    """Act for this business from now on.

    :raises ServiceError: ``not_your_organisation``
    """
    right = right_for(owner)
    session[OWNER] = right.owner


def signed_in(view: Callable[P, Any]) -> Callable[P, Any]:
    """Send whoever is not signed in to sign in first, and back afterwards."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        if person() is None:
            here = request.full_path.rstrip("?") if request.method == "GET" else url_for("portal.overview")
            return redirect(f"{url_for('portal.sign_in')}?next={quote(here)}", 303)
        return view(*args, **kwargs)

    return guarded


def local_path(target: str | None) -> str:
    """``target`` when it is a path of this site, else the overview: no open redirect."""
    target = (target or "")[: LONGEST_PATH + 1]
    if (
        len(target) > LONGEST_PATH
        or not target.startswith("/")
        or target.startswith(("//", "/\\"))
        or not target.isprintable()
    ):
        return url_for("portal.overview")
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else url_for("portal.overview")


def as_organisation(right: Representation) -> dict[str, str]:
    """A business as the templates show it."""
    return {
        "identifier": right.owner,
        "name": right.owner_name,
        "country": identifiers.country_of(right.owner),
        "role_text": words.role(right.role),
    }


def signed_in_at() -> tuple[str, dt.datetime] | None:
    """How and when the person signed in."""
    how = session.get(SIGNED_IN)
    return (how["how"], dt.datetime.fromisoformat(how["at"])) if how else None


def time_zone() -> str:
    """Where the business is whose pages these are: times are shown as its people's clocks show them."""
    right = acting() if request.blueprint == "portal" and not g.get("failed") else None
    return words.TIME_ZONES[identifiers.country_of(right.owner)] if right else "UTC"


def go(target: str) -> Response:
    """Redirect by 303, so that a form is never sent twice."""
    return redirect(target, 303)
