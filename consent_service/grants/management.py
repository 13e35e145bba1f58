"""What a party does with a grant that it holds: change it with the owner's word, look at it, hand it back.

Grant Management for OAuth 2.0. A grant's id is no secret, so whose it is is always looked at, and
whoever it is not for learns nothing but that.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import service, store
from consent_service.grants.merging import NoUnion, merged
from consent_service.grants.model import Action, Grant, InvalidTransition, Status, Terms
from consent_service.ledger import append as ledger
from consent_service.registry.model import Client


def held(session: Session, client: Client, grant_id: str, now: dt.datetime) -> Grant | None:
    """This client's grant with this id as it stands now; None where there is none, or it is another's."""
    found = store.find(session, grant_id) if grant_id.isprintable() else None
    if found is None or found.client_id != client.client_id:
        return None
    return service.as_settled(session, found, now)


def target(session: Session, client: Client, grant_id: str, now: dt.datetime) -> Grant:
    """The grant that a request may name to have it changed.

    It is this client's, active, and given by an owner: a law's access is not the owner's to widen.

    :raises ServiceError: ``invalid_grant_id`` (section 5.3), one sentence for every reason
    """
    found = held(session, client, grant_id, now)
    if found is None or found.by_law or found.status is not Status.ACTIVE:
        raise ServiceError("invalid_grant_id", "grant_id names no active grant that this client may change")
    return found


def wanted(grant: Grant, asked: Terms, action: Action) -> Terms:
    """What the owner is asked for: with ``merge`` the union, with ``replace`` what was asked alone.

    :raises ServiceError: ``invalid_authorization_details``: another owner's, or no union can be said
    """
    if asked.owner not in {None, grant.owner}:
        raise ServiceError("invalid_authorization_details", "owner must be the owner of the grant")
    asked = replace(asked, owner=grant.owner)
    if action is not Action.MERGE:
        return asked
    try:
        return merged(grant.terms, asked)
    except NoUnion as error:
        raise ServiceError("invalid_authorization_details", f"this can't be merged: {error}") from error


def terminate(session: Session, client: Client, grant_id: str, now: dt.datetime) -> Grant | None:
    """Hand a grant back: from then on it lets nobody read. None where this client has no such grant.

    What has ended already stays as it is. Access by law is ended, since no owner gave it.
    """
    found = held(session, client, grant_id, now)
    if found is None:
        return None
    ledger.hold(session, ledger.of_owner(found.owner))
    grant = store.current(session, found.owner, grant_id)
    if grant is None:
        return None
    grant = service.settle(session, grant, now)
    then = Status.ENDED if grant.by_law else Status.TERMINATED
    try:
        return service.change(session, grant, then, actor=client.client_id, reason="party", now=now)
    except InvalidTransition:
        return grant
