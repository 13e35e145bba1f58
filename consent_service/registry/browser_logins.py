"""A login in a browser: who is signed in there, what comes next, and the answer.

The authorisation endpoint and the portal's page ask the same questions, and get the same answers here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.registry import acquaintances, logins, sessions
from consent_service.registry.login_rules import Next, Remembered, SignedIn, acr_of, next_step
from consent_service.registry.logins import Answer, LoginRow
from consent_service.registry.model import Client
from consent_service.registry.subjects import subject_of
from consent_service.web.session import PERSON, SESSION_ID, SIGNED_IN

NOBODY = "nobody"
"""What stands for the sign-in of a browser in which nobody was signed in."""


@dataclass(frozen=True, slots=True)
class Place:
    """A login, the client that asks, and the browser that it came with (what its session holds)."""

    row: LoginRow
    client: Client
    browser: Mapping[str, Any]
    settings: Settings

    @property
    def who(self) -> SignedIn | None:
        """Who is signed in, in the client's words."""
        how, person_id = self.browser.get(SIGNED_IN), self.browser.get(PERSON)
        if not how or not person_id:
            return None
        at = dt.datetime.fromisoformat(how["at"])
        return SignedIn(
            person_id=person_id,
            at=at,
            acr=acr_of(how["how"], self.settings.issuer),
            amr=tuple(how["amr"]),
            subject=subject_of(self.client, person_id, self.settings.secret_key),
            # Not by the noted one alone: who opens the link in two browsers has it noted in the first.
            fresh=how["id"] != self.row.signed_in_before and at >= self.row.created_at,
        )


def sign_in_id(browser: Mapping[str, Any]) -> str:
    """Which sign-in a browser is in, or that it is in none."""
    how = browser.get(SIGNED_IN)
    return str(how["id"]) if how else NOBODY


def remembered(session: Session, place: Place) -> Remembered | None:
    """What the person who is signed in need not be asked again by this client."""
    who = place.who
    return logins.remembered(session, who.person_id, place.client.client_id) if who else None


def next_of(session: Session, place: Place, now: dt.datetime) -> Next:
    """What comes next for a login in this browser."""
    return next_step(place.row.request, place.who, remembered(session, place), now)


def give(
    session: Session, place: Place, organisations: Sequence[str], now: dt.datetime, *, remember: bool
) -> bool:
    """Answer yes for who is signed in; False when it was answered already.

    1. The client is noted as one that this session signed in to, under a name of its own.
    2. The client is noted as one that knows the person.
    3. The answer is written down.
    """
    who = place.who
    if who is None:
        return False
    client_id, session_id = place.client.client_id, str(place.browser.get(SESSION_ID))
    sid = sessions.note(session, session_id, client_id, who.person_id, who.subject, now)
    acquaintances.note(session, who.person_id, client_id, who.subject, now)
    answer = Answer(who, tuple(organisations), sid, remember)
    return logins.give(session, place.row, answer, now)
