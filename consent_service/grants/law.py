"""Access that a law opens: an authority invokes the law, the owner is told, policy sets the bounds.

There is nothing to approve. The law's access is a grant like any other, so that every read is
decided and shown by the same rules; its legal basis says whose word it is.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import agreement, service, store
from consent_service.grants.duration import add
from consent_service.grants.giving import give
from consent_service.grants.model import Grant, Status, Terms
from consent_service.ledger import append as ledger
from consent_service.registry.model import Client


def invoke(session: Session, client: Client, terms: Terms, now: dt.datetime) -> Grant:
    """Open access by law; the same terms again give the access that is open already.

    1. The terms name an owner and a law.
    2. The policies decide: the authority, the country, the purpose, the data sets and the bounds.
    3. The notice is an entry of the owner's; access begins when its time is over.

    :raises ServiceError: ``invalid_authorization_details``
    :raises Refused: the policies say no
    """
    if terms.owner is None:
        raise ServiceError("invalid_authorization_details", "owner must be named where a law is invoked")
    ledger.hold(session, ledger.of_owner(terms.owner), registry="reads")
    law = agreement.agreements().catalogue(session).legal_basis(terms.legal_basis)
    if law is None:
        raise ServiceError("invalid_authorization_details", "legal_basis must be a law of the catalogue")
    digest = agreement.check(session, client, terms, now)
    for known in store.current_of_owner(session, terms.owner, client.client_id):
        open_one = service.settle(session, known, now)
        if open_one.terms == terms and open_one.status in {Status.NOTIFIED, Status.ACTIVE}:
            return open_one
    begins = now
    if law.notice.months or law.notice.days:
        first_day = add(now.astimezone(dt.UTC).date(), law.notice)
        begins = dt.datetime.combine(first_day, dt.time(), dt.UTC)
    told = {
        "law": law.law,
        "begins": begins.astimezone(dt.UTC).isoformat(),
        "actor": client.client_id,
        "reason": "law",
    }
    notified = give(session, client, terms, told, now, digest=digest, begins=begins)
    return service.settle(session, notified, now)
