"""What a login tells a client of its person, beside the subject (OpenID Connect Core section 5.1)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from consent_service.registry import people
from consent_service.registry.identifiers import AUTHORITY
from consent_service.registry.login_rules import NAME, ORGANISATIONS
from consent_service.registry.logins import LoginRow


def claims_of(session: Session, login: LoginRow, wanted: Collection[str], now: dt.datetime) -> dict[str, Any]:
    """The claims of a login among those that are wanted.

    Organisations are those that the person chose to show and may still act for at this moment.
    """
    person_id = str(login.person_id)
    told: dict[str, Any] = {}
    person = people.find(session, person_id)
    if NAME in wanted and person is not None:
        told[NAME] = person.name
    if ORGANISATIONS in wanted:
        told[ORGANISATIONS] = [
            {"authority": AUTHORITY, "ID": one.owner, "name": one.owner_name, "role": one.role.value}
            for one in people.representations(session, person_id)
            if one.owner in login.organisations and one.holds(now)
        ]
    return told
