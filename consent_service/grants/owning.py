"""What an owner does with grants that they gave: give less, renew, let rest, take back.

Every function runs in the caller's write transaction, locks the owner first, and names the person
who acts. Access by law is not the owner's to change, so all of these leave it alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import agreement, service, store, suspensions
from consent_service.grants.agreement import Agreements
from consent_service.grants.bounds import DAY, bounds_of
from consent_service.grants.giving import give
from consent_service.grants.model import Grant, InvalidTransition, Mode, Status, Terms
from consent_service.grants.service import Answering
from consent_service.ledger import append as ledger
from consent_service.registry import parties, watch

OPERATOR = "operator"
OWNER = "owner"
"""The reason that a grant carries which its owner let rest; what others suspended, others resume."""


class Channel(StrEnum):
    """How an owner's word reached the operator; the ledger holds these names: append only."""

    PHONE = "phone"
    LETTER = "letter"
    IN_PERSON = "in_person"


def suspend(session: Session, owner: str, grant_id: str, person_id: str, now: dt.datetime) -> Grant:
    """Let a grant rest: nothing is read under it until the owner resumes it.

    :raises ServiceError: ``unknown_grant``, ``opened_by_law``, ``grant_changed``
    """
    return _move(session, owner, grant_id, Status.SUSPENDED, person_id, now)


def resume(session: Session, owner: str, grant_id: str, person_id: str, now: dt.datetime) -> Grant:
    """Let a grant that the owner let rest go on.

    :raises ServiceError: ``unknown_grant``, ``opened_by_law``, ``grant_changed``, ``suspended_by_others``
    """
    return _move(session, owner, grant_id, Status.ACTIVE, person_id, now)


def amend(
    session: Session, grant_id: str, shown: int, terms: Terms, by: Answering, now: dt.datetime
) -> Grant:
    """Give a grant other terms, of the owner's own accord; the next version of it.

    1. The person represents the owner at this moment.
    2. The grant is active, the owner's to change, and still the version that the person was shown.
    3. The terms give nothing that the party did not ask for, but for their end.
    4. The policies let these terms be agreed to, by this person's sign-in; the entry names the set.

    :param shown: the version on which the terms were made
    :raises ServiceError: ``unknown_grant``, ``opened_by_law``, ``grant_changed``,
        ``not_your_organisation``, ``organisation_not_active``, ``wider_than_asked``
    :raises Refused: the policies say no
    """
    owner = by.right.owner
    ledger.hold(session, ledger.of_owner(owner), registry="reads")
    if terms.owner != owner or not by.right.holds(now):
        raise ServiceError("not_your_organisation", "You can't answer for this business.", status=403)
    grant = _own(session, owner, grant_id, now)
    watch.check(session, owner, grant.party)
    if grant.version != shown or grant.status is not Status.ACTIVE:
        raise _changed(grant)
    if not terms.narrower_or_equal(until(most(session, grant), terms.access.valid_until)):
        raise ServiceError("wider_than_asked", "A change can only give what the party asked for.")
    if terms.access.valid_until <= now:
        raise ServiceError("wider_than_asked", "A grant can't end before now. To end it, take it back.")
    client = parties.find(session, grant.client_id)
    if client is None:
        raise _changed(grant)
    digest = agreement.check(session, client, terms, now, signed_in_at=by.signed_in_at, language=by.language)
    return give(session, client, terms, by.told(), now, digest=digest, before=grant)


def revoke_all(
    session: Session,
    owner: str,
    person_id: str,
    now: dt.datetime,
    which: Callable[[Grant], bool] = lambda _: True,
) -> list[Grant]:
    """Take back every grant that the owner gave (and ``which`` picks), in one transaction.

    When this has committed, no later decision permits under any of them.
    """
    ledger.hold(session, ledger.of_owner(owner))
    grants = [service.settle(session, one, now) for one in store.current_of_owner(session, owner)]
    return [
        service.change(session, one, Status.REVOKED, actor=person_id, reason=OWNER, now=now)
        for one in grants
        if one.status in {Status.ACTIVE, Status.SUSPENDED} and not one.by_law and which(one)
    ]


def revoke_heard(session: Session, grant_id: str, channel: Channel, note: str, now: dt.datetime) -> Grant:
    """Record that an owner took a grant back by another way than the portal; true at the next data request.

    :param note: who called or wrote, and how they showed who they are; part of the entry's payload
    :raises ServiceError: ``unknown_grant``, ``opened_by_law``, ``grant_changed``: it has ended already
    """
    found = store.find(session, grant_id)
    if found is None:
        raise ServiceError("unknown_grant", f"there is no grant {grant_id}", status=404)
    ledger.hold(session, ledger.of_owner(found.owner))
    grant = _own(session, found.owner, grant_id, now)
    told = {"channel": channel.value, "note": note}
    try:
        return service.change(
            session, grant, Status.REVOKED, actor=OPERATOR, reason=OWNER, now=now, told=told
        )
    except InvalidTransition:
        raise _changed(grant) from None


def most(session: Session, grant: Grant) -> Terms:
    """The most that the party asked for under this grant: more than that, the owner offers anew."""
    asked = store.answered_request(session, grant.owner, grant.grant_id)
    return replace(asked.terms, owner=grant.owner) if asked else grant.terms


def until(terms: Terms, moment: dt.datetime) -> Terms:
    """The same terms with another end."""
    return replace(terms, access=replace(terms.access, valid_until=moment))


def renewal(grant: Grant, now: dt.datetime, rules: Agreements, session: Session) -> Terms | None:
    """The terms with which a grant goes on as long again, as far as its purpose allows; None where it can't.

    What is read once has no second time, and where no day would be won there is nothing to renew.
    """
    if grant.by_law or grant.status is not Status.ACTIVE or grant.terms.access.mode is Mode.ONCE:
        return None
    bounds = bounds_of(grant.terms, now, rules.catalogue(session))
    if bounds is None:
        return None
    again = now + (grant.terms.access.valid_until - grant.given_at)
    latest = min(again, bounds.access_before - dt.timedelta(seconds=1)).replace(microsecond=0)
    return until(grant.terms, latest) if latest - grant.terms.access.valid_until >= DAY else None


def _move(
    session: Session, owner: str, grant_id: str, then: Status, person_id: str, now: dt.datetime
) -> Grant:
    ledger.hold(session, ledger.of_owner(owner))
    grant = _own(session, owner, grant_id, now)
    if grant.status is then:
        return grant
    others = then is Status.ACTIVE and suspensions.rests(session, grant)
    if grant.status is Status.SUSPENDED and (grant.reason != OWNER or others):
        raise ServiceError(
            "suspended_by_others",
            "This grant was suspended by others, so it goes on when they say.",
            status=409,
        )
    try:
        return service.change(session, grant, then, actor=person_id, reason=OWNER, now=now)
    except InvalidTransition:
        raise _changed(grant) from None


def _own(session: Session, owner: str, grant_id: str, now: dt.datetime) -> Grant:
    found = store.current(session, owner, grant_id)
    if found is None:
        raise ServiceError("unknown_grant", "There is no such grant.", status=404)
    if found.by_law:
        raise ServiceError("opened_by_law", "A law opens this, so it can't be changed here.", status=409)
    return service.settle(session, found, now)


def _changed(grant: Grant) -> ServiceError:
    if grant.status not in {Status.ACTIVE, Status.SUSPENDED}:
        return ServiceError("grant_ended", "This grant has ended already.", status=409)
    return ServiceError(
        "grant_changed",
        "The grant has changed meanwhile, so nothing was done. Look at it again.",
        status=409,
        detail=f"{grant.status} {grant.version}",
    )
