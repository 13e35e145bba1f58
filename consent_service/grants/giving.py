"""The one place where terms come to count: a grant's first version, or the next one with other terms.

Who may give, and what, is the caller's question; here the entry is written, then the row.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping

from sqlalchemy.orm import Session

from consent_service.grants import store
from consent_service.grants.model import Grant, Status, Terms, terms_to_json
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry.model import Client


def give(
    session: Session,
    client: Client,
    terms: Terms,
    told: Mapping[str, str],
    now: dt.datetime,
    *,
    digest: str,
    before: Grant | None = None,
    grant_id: str | None = None,
    request_id: str | None = None,
    begins: dt.datetime | None = None,
) -> Grant:
    """Write the version with which these terms are agreed to; the caller holds the owner's lock.

    :param client: the party's client that holds the grant
    :param told: who gave it, by which right, and on what ground
    :param digest: the policy set that let it be
    :param before: the present version, where the grant is changed and not new
    :param begins: when access by law counts that is announced now
    :raises InvalidTransition: only an active grant is changed
    """
    owner, party = str(terms.owner), client.organisation.identifier
    kind = Kind.GRANT_AMENDED if before else Kind.GRANT_NOTIFIED if begins else Kind.GRANT_ACTIVATED
    grant_id = before.grant_id if before else grant_id or str(uuid.uuid4())
    version = before.version + 1 if before else 1
    entry = ledger.append(
        session,
        kind,
        {"party": party, "client_id": client.client_id, "terms": terms_to_json(terms), **told},
        now=now,
        owner=owner,
        request_id=request_id,
        grant_id=grant_id,
        grant_version=version,
        client_id=client.client_id,
        policy_digest=digest,
    )
    grant = (
        before.amended(terms, at=now, entry_id=entry.entry_id)
        if before
        else Grant(
            grant_id=grant_id,
            version=version,
            owner=owner,
            party=party,
            client_id=client.client_id,
            terms=terms,
            status=Status.NOTIFIED if begins else Status.ACTIVE,
            created_at=now,
            entry_id=entry.entry_id,
            given_at=begins or now,
        )
    )
    store.add_version(session, grant)
    return grant
