"""Whether a grant lives: the one question behind every token, asked each time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import store
from consent_service.grants.model import Grant, Status
from consent_service.registry import parties
from consent_service.registry.model import Client

Find = Callable[[Session, str], Client | None]
"""Finds a client by its id: in the tables, or as it is remembered in the present epoch."""


def active_grant(
    session: Session,
    owner: str | None,
    grant_id: str | None,
    now: dt.datetime,
    find: Find = parties.find,
) -> Grant:
    """The grant, when it is active at this moment, and its party may take part.

    :raises ServiceError: ``invalid_grant`` (RFC 6749 section 5.2), with the state it is in
    """
    grant = store.current(session, owner, grant_id) if owner and grant_id else None
    if grant is None:
        raise ServiceError("invalid_grant", "there is no such grant")
    if grant.status is not Status.ACTIVE:
        raise ServiceError("invalid_grant", f"the grant is {grant.status}")
    if now >= grant.terms.access.valid_until:
        raise ServiceError("invalid_grant", "the grant has expired")
    party = find(session, grant.client_id)
    if party is None or not party.active:
        raise ServiceError("invalid_grant", "the party may not take part at the moment")
    return grant
