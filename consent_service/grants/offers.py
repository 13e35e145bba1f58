"""A grant that the owner offers before anybody asks: made with a link, taken once by the party it names.

The offer is the owner's word, and policies decide it when it is made; taking it makes the grant.
The link's secret is stored as its hash only, and is of use to nobody but that party's clients.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, String, Text, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.errors import ServiceError
from consent_service.grants import agreement
from consent_service.grants.giving import give
from consent_service.grants.model import Grant, Terms, terms_from_json, terms_to_json
from consent_service.grants.service import Answering
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import parties, watch
from consent_service.registry.model import Client, ClientRole
from consent_service.stored import rows_changed

LIFE = dt.timedelta(days=14)


class OfferRow(Base):
    """An offer and what became of it: taken into a grant, withdrawn, or still waiting."""

    __tablename__ = "offer"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    offer_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    party: Mapped[str] = mapped_column(String(64))
    terms: Mapped[dict[str, Any]] = mapped_column(JSON)
    given: Mapped[dict[str, Any]] = mapped_column(JSON)
    """By whom, by which right and after which sign-in: it becomes part of the grant's entry."""
    owner_name: Mapped[str] = mapped_column(Text)
    made_at: Mapped[dt.datetime] = mapped_column(Instant)
    expires_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    ended_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    grant_id: Mapped[str | None] = mapped_column(String(36))


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be taken."""

    offer_id: str
    owner: str
    owner_name: str
    party: str
    terms: Terms
    made_at: dt.datetime
    expires_at: dt.datetime
    given: dict[str, Any]


def make(session: Session, party: Client, terms: Terms, by: Answering, now: dt.datetime) -> tuple[Offer, str]:
    """Offer a grant of these terms to a party's organisation; returns the offer and its secret, once.

    1. The person represents the owner of these terms at this moment.
    2. Neither owner nor party is bankrupt or gone, as far as their registers told.
    3. The policies let these terms be agreed to, by this person's sign-in.

    :param party: one of the organisation's clients, by which the policies know it
    :raises ServiceError: ``not_your_organisation``, ``organisation_not_active``
    :raises Refused: the policies say no
    """
    owner = by.right.owner
    ledger.hold(session, ledger.of_owner(owner), registry="reads")
    if terms.owner != owner or not by.right.holds(now):
        raise ServiceError("not_your_organisation", "You can't answer for this business.", status=403)
    watch.check(session, owner, party.organisation.identifier)
    for one in (owner, party.organisation.identifier):
        watch.watch(session, one, now)
    agreement.check(session, party, terms, now, signed_in_at=by.signed_in_at, language=by.language)
    code = secrets.token_urlsafe(32)
    given = by.told()
    row = OfferRow(
        owner=owner,
        offer_id=str(uuid.uuid4()),
        code_hash=_hash(code),
        party=party.organisation.identifier,
        terms=terms_to_json(terms),
        given=given,
        owner_name=by.right.owner_name,
        made_at=now,
        expires_at=now + LIFE,
    )
    session.add(row)
    told = {"offer_id": row.offer_id, "party": row.party, "terms": row.terms, **given}
    ledger.append(session, Kind.OFFER_MADE, told, now=now, owner=owner)
    return _offer(row), code


def find(session: Session, code: str, now: dt.datetime) -> Offer | None:
    """The offer with this secret, while it can be taken."""
    row = session.scalar(select(OfferRow).where(OfferRow.code_hash == _hash(code), *_waiting(now)))
    return _offer(row) if row else None


def waiting(session: Session, owner: str, now: dt.datetime) -> Sequence[Offer]:
    """An owner's offers that nobody has taken yet, newest first."""
    query = select(OfferRow).where(OfferRow.owner == owner, *_waiting(now)).order_by(OfferRow.made_at.desc())
    return [_offer(row) for row in session.scalars(query)]


def withdraw(session: Session, owner: str, offer_id: str, person_id: str, now: dt.datetime) -> None:
    """Take an offer back before it is taken; what was taken is a grant, and is revoked as one.

    :raises ServiceError: ``unknown_offer``
    """
    ledger.hold(session, ledger.of_owner(owner))
    if not _end(session, owner, offer_id, now):
        raise _unknown()
    told = {"offer_id": offer_id, "actor": person_id, "reason": "owner"}
    ledger.append(session, Kind.OFFER_WITHDRAWN, told, now=now, owner=owner)


def take(session: Session, client: Client, code: str, now: dt.datetime) -> Grant:
    """Make the grant that was offered; it is this client's from now on.

    1. The offer waits, and names the organisation of the client that takes it, and neither that one nor
       the owner is bankrupt or gone; whatever else is wrong with a code, the answer is the same.
    2. The policies still let these terms be agreed to. How fresh the owner's sign-in was is a
       question of when the offer was made, and was answered then.
    3. It is taken once, by one conditional UPDATE under the owner's lock.

    :raises ServiceError: ``unknown_offer``
    :raises Refused: the policies say no
    """
    offer = find(session, code, now)
    if offer is None or offer.party != client.organisation.identifier:
        raise _unknown()
    ledger.hold(session, ledger.of_owner(offer.owner), registry="reads")
    if watch.is_gone(session, offer.owner) or watch.is_gone(session, offer.party):
        raise _unknown()
    digest = agreement.check(session, client, offer.terms, now, signed_in_at=now)
    grant_id = str(uuid.uuid4())
    if not _end(session, offer.owner, offer.offer_id, now, grant_id=grant_id):
        raise _unknown()
    told = {"offer_id": offer.offer_id, **offer.given}
    return give(session, client, offer.terms, told, now, digest=digest, grant_id=grant_id)


def takers(session: Session) -> dict[str, Client]:
    """The organisations to which something can be offered, each by one of its clients, by identifier."""
    return {
        one.organisation.identifier: one for one in parties.clients(session, ClientRole.PARTY) if one.active
    }


def _waiting(now: dt.datetime) -> tuple[Any, ...]:
    return OfferRow.ended_at.is_(None), OfferRow.expires_at > now


def _end(session: Session, owner: str, offer_id: str, now: dt.datetime, **changes: Any) -> bool:
    ended = session.execute(
        update(OfferRow)
        .where(OfferRow.owner == owner, OfferRow.offer_id == offer_id, *_waiting(now))
        .values(ended_at=now, **changes)
        .execution_options(synchronize_session=False)
    )
    return bool(rows_changed(ended))


def _offer(row: OfferRow) -> Offer:
    terms = terms_from_json(row.terms)
    return Offer(
        row.offer_id, row.owner, row.owner_name, row.party, terms, row.made_at, row.expires_at, row.given
    )


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()


def _unknown() -> ServiceError:
    return ServiceError("unknown_offer", "There is no such offer, or it can't be taken any more.", status=404)
