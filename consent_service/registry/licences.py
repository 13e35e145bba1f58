"""What organisations are licensed for. Each change is a ledger entry."""

from __future__ import annotations

import datetime as dt
import re

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import identifiers
from consent_service.registry.model import Organisation
from consent_service.registry.store import LicenceRow, OrganisationRow

LICENCE = re.compile(r"[a-z][a-z_]{1,63}")


def license_party(
    session: Session, identifier: str, licence: str, *, source: str, until: dt.datetime, now: dt.datetime
) -> Organisation:
    """Record that an organisation is licensed for something, by whom, and until when.

    :param licence: the name that the catalogue's purposes use, for example ``credit``
    :param source: the authority that gave it, in words that can be looked up
    :raises ServiceError: ``unknown_organisation``, ``invalid_licence``
    """
    ledger.hold(session, registry="changes")
    found = session.get(OrganisationRow, identifiers.parse(identifier))
    if found is None:
        raise ServiceError("unknown_organisation", f"{identifier} takes no part here", status=404)
    if not LICENCE.fullmatch(licence) or not source.strip() or until <= now:
        raise ServiceError("invalid_licence", "a licence has a name, a source and an end to come")
    session.merge(
        LicenceRow(organisation_id=found.identifier, licence=licence, source=source, valid_until=until)
    )
    told = {
        "organisation": found.identifier,
        "licence": licence,
        "source": source,
        "valid_until": until.astimezone(dt.UTC).isoformat(),
    }
    ledger.append(session, Kind.PARTY_LICENSED, told, now=now)
    return found.to_model()


def end_licence(
    session: Session, identifier: str, licence: str, *, reason: str, now: dt.datetime
) -> Organisation:
    """End a licence at once.

    :raises ServiceError: ``unknown_organisation``, ``invalid_licence``: it has none of this name
    """
    ledger.hold(session, registry="changes")
    found = session.get(OrganisationRow, identifiers.parse(identifier))
    row = session.get(LicenceRow, (found.identifier, licence)) if found else None
    if found is None or row is None:
        raise ServiceError("invalid_licence", f"{identifier} has no licence {licence}", status=404)
    session.delete(row)
    told = {"organisation": found.identifier, "licence": licence, "reason": reason}
    ledger.append(session, Kind.PARTY_LICENCE_ENDED, told, now=now)
    return found.to_model()
