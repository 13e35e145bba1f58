"""What can be done with requests and grants: one function, one arrow, one ledger entry.

Every function runs in the caller's write transaction. It locks the owner (or the request)
first, then reads, so that what it saw is still true when its entry stands.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from consent_service.clock import rfc3339
from consent_service.errors import ServiceError
from consent_service.grants import agreement, store
from consent_service.grants.giving import give
from consent_service.grants.model import (
    Action,
    DeclineReason,
    Grant,
    InvalidTransition,
    Mode,
    Request,
    Status,
    Terms,
    check_transition,
    terms_to_json,
)
from consent_service.grants.windows import window_of
from consent_service.ledger import append as ledger
from consent_service.ledger import store as entries
from consent_service.ledger.model import Kind
from consent_service.registry import parties, watch
from consent_service.registry.model import Client, Representation

REQUEST_LIFE = dt.timedelta(minutes=30)
"""How long an owner has to answer; the request lapses after that."""
KINDS = {
    Status.OPEN: Kind.REQUEST_OPENED,
    Status.DECLINED: Kind.REQUEST_DECLINED,
    Status.LAPSED: Kind.REQUEST_LAPSED,
    Status.REVOKED: Kind.GRANT_REVOKED,
    Status.EXPIRED: Kind.GRANT_EXPIRED,
    Status.EXHAUSTED: Kind.GRANT_EXHAUSTED,
    Status.SUSPENDED: Kind.GRANT_SUSPENDED,
    Status.ACTIVE: Kind.GRANT_RESUMED,
    Status.ENDED: Kind.GRANT_ENDED,
    Status.TERMINATED: Kind.GRANT_TERMINATED,
}


@dataclass(frozen=True, slots=True)
class Answering:
    """The person who answers, the right by which they act, and when they signed in."""

    person_id: str
    right: Representation
    signed_in_at: dt.datetime
    language: str = "en"

    def told(self) -> dict[str, str]:
        """What the entry of something agreed to says of them."""
        return {
            "signed_in_at": rfc3339(self.signed_in_at),
            "actor": self.person_id,
            "role": self.right.role.value,
            "source": self.right.source,
            "reason": "owner",
        }


def submit(
    session: Session,
    client: Client,
    terms: Terms,
    now: dt.datetime,
    request_id: str | None = None,
    *,
    action: Action = Action.CREATE,
    amends: Grant | None = None,
    life: dt.timedelta = REQUEST_LIFE,
) -> Request:
    """Take in a party's request; its terms were checked at the edge.

    :param request_id: the id of the authorization that it comes with
    :param amends: the grant that is to have these terms (:func:`consent_service.grants.management.target`)
    """
    request = Request(
        request_id=request_id or str(uuid.uuid4()),
        client_id=client.client_id,
        party=client.organisation.identifier,
        terms=terms,
        status=Status.REQUESTED,
        created_at=now,
        expires_at=now + life,
        owner=terms.owner,
        action=action,
        amends=(amends.grant_id, amends.version) if amends else None,
    )
    store.add_request(session, request)
    payload = {"party": request.party, "terms": terms_to_json(terms), "actor": client.client_id}
    if amends:
        payload |= {"action": action.value, "amends": amends.grant_id}
    _record_request(session, Kind.REQUEST_REQUESTED, request, payload, now)
    return request


def open_request(session: Session, request_id: str, person_id: str, now: dt.datetime) -> Request:
    """Note that somebody who may answer has seen the request; seeing it again changes nothing.

    :raises ServiceError: ``unknown_request``, ``request_closed``
    """
    ledger.hold(session, ledger.of_request(request_id))
    request = _get(session, request_id)
    if request.status not in {Status.REQUESTED, Status.OPEN} or now >= request.expires_at:
        raise _closed(request)
    if request.status is Status.REQUESTED:
        _move(session, request, Status.OPEN, {"actor": person_id}, now)
    return _get(session, request_id)


def approve(session: Session, request_id: str, terms: Terms, by: Answering, now: dt.datetime) -> Grant:
    """Answer a request with a grant of these terms, or with a new version of the one that it is about.

    1. The request waits for an answer; two tabs can't both give one.
    2. The terms give nothing that was not asked for.
    3. The person represents the owner of these terms at this moment.
    4. Neither the owner nor the party is bankrupt or gone, as far as their registers told; from now on
       both are watched.
    5. The grant that is to be changed is still what the person was shown.
    6. The policies let these terms be agreed to, by this person's sign-in; the entry names the
       policy set that said so.

    :raises ServiceError: ``unknown_request``, ``request_closed``, ``wider_than_asked``,
        ``not_your_organisation``, ``organisation_not_active``, ``grant_changed``
    :raises Refused: the policies say no
    """
    person_id, right = by.person_id, by.right
    names = ledger.of_owner(right.owner), ledger.of_request(request_id)
    ledger.hold(session, *names, registry="reads")
    request = open_request(session, request_id, person_id, now)
    if not terms.narrower_or_equal(request.terms) or terms.access.valid_until <= now:
        raise ServiceError("wider_than_asked", "An answer can only give less than was asked for.")
    if terms.owner != right.owner or not right.holds(now):
        raise ServiceError("not_your_organisation", "You can't answer for this business.", status=403)
    watch.check(session, right.owner, request.party)
    for one in (right.owner, request.party):
        watch.watch(session, one, now)
    before = _amended(session, request, right.owner, now)
    client = parties.find(session, request.client_id)
    if client is None:
        raise _closed(request)
    digest = agreement.check(session, client, terms, now, signed_in_at=by.signed_in_at, language=by.language)
    told = by.told() | ({"action": request.action.value} if before else {})
    grant = give(session, client, terms, told, now, digest=digest, before=before, request_id=request_id)
    changes = {"grant_id": grant.grant_id, "owner": right.owner, "answered_by": person_id}
    if not store.move_request(session, request, Status.ACTIVE, **changes):
        raise _closed(request)
    return grant


def amended(session: Session, request: Request, now: dt.datetime) -> Grant | None:
    """The grant that a request is to change, as long as it is as the request found it; else None."""
    if request.amends is None or request.owner is None:
        return None
    grant_id, version = request.amends
    found = store.current(session, request.owner, grant_id)
    if found is None or found.version != version or found.status is not Status.ACTIVE or due(found, now):
        return None
    return found


def _amended(session: Session, request: Request, owner: str, now: dt.datetime) -> Grant | None:
    if request.amends is None:
        return None
    found = amended(session, request, now)
    if found is None or found.owner != owner:
        raise ServiceError(
            "grant_changed",
            "The grant that was to be changed has changed meanwhile, so nothing was done.",
            status=409,
        )
    return found


def decline(
    session: Session, request_id: str, person_id: str, now: dt.datetime, why: DeclineReason | None = None
) -> Request:
    """Answer a request with no, and say why to the party, if the person wants to.

    :raises ServiceError: ``unknown_request``, ``request_closed``
    """
    request = open_request(session, request_id, person_id, now)
    told = {"actor": person_id} | ({"reason": why.value} if why else {})
    _move(session, request, Status.DECLINED, told, now, answered_by=person_id, declined_for=why)
    return _get(session, request_id)


def lapse(session: Session, request_id: str, now: dt.datetime) -> None:
    """Record that a request's time ran out, where it did and nobody has recorded it yet.

    It did, too, when the grant that it was to change is not what it was: it never will be again.
    """
    ledger.hold(session, ledger.of_request(request_id))
    request = _get(session, request_id)
    over = now >= request.expires_at or (request.amends and amended(session, request, now) is None)
    if over and request.status in {Status.REQUESTED, Status.OPEN}:
        _move(session, request, Status.LAPSED, {"actor": "clock"}, now)


def revoke(session: Session, owner: str, grant_id: str, person_id: str, now: dt.datetime) -> Grant:
    """Take a grant back; when this has committed, no later decision permits under it.

    Revoking what is revoked already changes nothing and says so by returning it.

    :raises ServiceError: ``unknown_grant``, ``grant_ended``
    """
    ledger.hold(session, ledger.of_owner(owner))
    grant = store.current(session, owner, grant_id)
    if grant is None:
        raise ServiceError("unknown_grant", "There is no such grant.", status=404)
    if grant.status is Status.REVOKED:
        return grant
    if grant.by_law:
        raise ServiceError("opened_by_law", "A law opens this, so it can't be taken back here.", status=409)
    try:
        return change(session, grant, Status.REVOKED, actor=person_id, reason="owner", now=now)
    except InvalidTransition:
        raise ServiceError("grant_ended", "This grant has ended already.", status=409) from None


def change(
    session: Session,
    grant: Grant,
    status: Status,
    *,
    actor: str,
    reason: str,
    now: dt.datetime,
    told: Mapping[str, str] = MappingProxyType({}),
) -> Grant:
    """Write a grant's next version; the caller holds the owner's lock and gives its present one.

    :param told: what else the entry is to say
    :raises InvalidTransition: the life cycle has no such arrow
    """
    check_transition(grant.status, status)
    first_time = grant.status is Status.NOTIFIED and status is Status.ACTIVE
    entry = ledger.append(
        session,
        Kind.GRANT_ACTIVATED if first_time else KINDS[status],
        {"actor": actor, "reason": reason, "party": grant.party, "client_id": grant.client_id, **told},
        now=now,
        owner=grant.owner,
        grant_id=grant.grant_id,
        grant_version=grant.version + 1,
        client_id=grant.client_id,
    )
    after = grant.next(status, at=now, entry_id=entry.entry_id, reason=reason)
    store.add_version(session, after)
    return after


def reads_so_far(session: Session, grant: Grant, data_set: str, now: dt.datetime) -> int:
    """Permitted reads of a data set in the grant's present window; 0 for standing grants, which have none."""
    window = window_of(grant, now)
    return store.reads(session, grant, data_set, window) if window else 0


def note_read(session: Session, grant: Grant, data_set: str, now: dt.datetime) -> bool:
    """Count a permitted read; ends a once-only grant when every data set has been read, and says so."""
    window = window_of(grant, now)
    if window is None:
        return False
    store.count_read(session, grant, data_set, window)
    if grant.terms.access.mode is Mode.ONCE and all(
        store.reads(session, grant, name, window) for name in grant.terms.datatypes
    ):
        change(session, grant, Status.EXHAUSTED, actor="clock", reason="read once", now=now)
        return True
    return False


def as_settled(_session: Session, grant: Grant, now: dt.datetime) -> Grant:
    """The grant as :func:`settle` would leave it, for who only looks: nothing is written."""
    while then := due(grant, now):
        grant = grant.next(then, at=now, entry_id=grant.entry_id)
    return grant


def settle(session: Session, grant: Grant, now: dt.datetime) -> Grant:
    """The grant as it stands now: what time has changed is changed, and its entries say so."""
    while then := due(grant, now):
        if then is Status.ACTIVE:
            grant = change(session, grant, then, actor="clock", reason="notice given", now=now)
        else:
            grant = change(session, grant, then, actor="clock", reason="valid_until", now=now)
    return grant


def due(grant: Grant, now: dt.datetime) -> Status | None:
    """The state into which time alone has brought a grant, or None.

    Past its end it is over: expired where the owner gave it, ended where a law did. A notice
    that has run its time makes it active.
    """
    if grant.status in {Status.ACTIVE, Status.SUSPENDED, Status.NOTIFIED}:
        if now >= grant.terms.access.valid_until:
            return Status.ENDED if grant.by_law else Status.EXPIRED
        if grant.status is Status.NOTIFIED and now >= grant.given_at:
            return Status.ACTIVE
    return None


def _get(session: Session, request_id: str) -> Request:
    request = store.find_request(session, request_id)
    if request is None:
        raise ServiceError("unknown_request", "There is no such request.", status=404)
    return request


def _move(
    session: Session,
    request: Request,
    then: Status,
    payload: dict[str, Any],
    now: dt.datetime,
    **changes: Any,
) -> None:
    check_transition(request.status, then)
    if not store.move_request(session, request, then, **changes):
        raise _closed(request)
    _record_request(session, KINDS[then], request, payload, now)


def _record_request(
    session: Session, kind: Kind, request: Request, payload: dict[str, Any], now: dt.datetime
) -> None:
    ledger.append(
        session,
        kind,
        payload,
        now=now,
        owner=request.owner or entries.NO_OWNER,
        request_id=request.request_id,
        client_id=request.client_id,
    )


def _closed(request: Request) -> ServiceError:
    return ServiceError(
        "request_closed",
        "This request is no longer open: it was answered already, or its time ran out.",
        status=409,
        detail=request.status,
    )
