"""The receipt of a grant: a consent record (ISO/IEC TS 27560:2023) as JSON-LD, in W3C's DPV.

The standard is about persons and those who process data about them; here the owner stands in the
person's place, and may be a company. The words are those of the DPV guide for the standard
(https://w3id.org/dpv/guides/consent-27560); what it has no word for is in our own.
Pure: the caller gives the names and the moment.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consent_service.clock import rfc3339
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import CONSENT, Grant, Status
from consent_service.registry import identifiers

CONTEXT = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "cs": "urn:consent-service:",
}
PROFILE = "https://w3id.org/dpv/schema/dpv-27560#receipt-record"
STATUSES = {
    Status.ACTIVE: "dpv:ConsentGiven",
    Status.SUSPENDED: "dpv:ConsentGiven",
    Status.REVOKED: "dpv:ConsentWithdrawn",
    Status.TERMINATED: "dpv:ConsentRevoked",
    Status.EXPIRED: "dpv:ConsentExpired",
    Status.EXHAUSTED: "dpv:ConsentExpired",
    Status.ENDED: "dpv:ConsentExpired",
    Status.NOTIFIED: "dpv:ConsentUnknown",
}
"""DPV's consent statuses: withdrawn is the owner's word, revoked anybody else's."""


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a receipt: its ISO 6523 identifier and its name as the register has it."""

    identifier: str
    name: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One change of the grant: what its ledger entry says of it, without the payload."""

    kind: str
    time: dt.datetime
    version: int
    entry_id: str
    status: Status
    by: str = ""
    """The role by which somebody acted, never the person."""


def receipt(
    grant: Grant,
    owner: Party,
    party: Party,
    events: Sequence[Happened],
    catalogue: Catalogue,
    issuer: str,
    *,
    languages: Sequence[str] = ("en", "nb", "sv", "da", "fi", "is"),
) -> dict[str, Any]:
    """The receipt as a JSON-LD document; nothing in it names a person.

    :param events: oldest first
    :param issuer: where the ledger's proofs of the events are
    """
    terms = grant.terms
    purpose = catalogue.purpose(terms.purpose)
    law = catalogue.legal_basis(terms.legal_basis)
    return {
        "@context": CONTEXT,
        "@id": f"urn:uuid:{grant.grant_id}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": grant.grant_id,
        "dct:conformsTo": PROFILE,
        "dct:hasVersion": str(grant.version),
        "dct:created": _moment(events[0].time if events else grant.created_at),
        "dct:modified": _moment(grant.created_at),
        "dct:publisher": {"@id": issuer},
        "dpv:hasDataSubject": _side(owner, "dpv:LegalEntity"),
        "dpv:hasDataController": _side(party, "dpv:DataController"),
        "dpv:hasJurisdiction": f"loc:{identifiers.country_of(grant.owner)}",
        "dpv:hasLegalBasis": f"eu-gdpr:A6-1-{law.gdpr if law else 'a'}",
        **({"dpv:hasApplicableLaw": law.law} if law else {}),
        "dpv:hasProcess": {
            "@type": "dpv:Process",
            "dpv:hasPurpose": {
                "@id": purpose.dpv if purpose else f"cs:purpose:{terms.purpose}",
                "dct:identifier": terms.purpose,
                "skos:prefLabel": _texts(purpose.name if purpose else None, languages),
            },
            "dpv:hasProcessing": ["dpv:Retrieve" if one == "read" else f"cs:{one}" for one in terms.actions],
            "dpv:hasData": [_data_set(name, catalogue, languages) for name in terms.datatypes],
            "dpv:hasDataSource": [{"@id": one} for one in terms.locations],
            "dpv:hasRecipient": [{"@id": _urn(one)} for one in (party.identifier, *terms.onward_sharing)],
            "cs:period": {"cs:from": terms.period.start.isoformat(), "cs:to": terms.period.end.isoformat()},
            "dpv:hasFrequency": _frequency(grant),
            "dpv:hasStorageCondition": {
                "@type": "dpv:StorageDuration",
                "dpv:hasDuration": {"@type": "xsd:duration", "@value": terms.retention},
            },
            "dpv:hasDuration": {
                "@type": "dpv:UntilTimeDuration",
                "@value": rfc3339(terms.access.valid_until),
            },
        },
        "dpv:hasConsentStatus": {"@id": STATUSES[grant.status], "cs:status": grant.status.value},
        "dpv:hasNotice": {"@id": f"{issuer}/grants/{grant.grant_id}"},
        **(
            {"cs:withdrawal": {"@id": f"{issuer}/grants/{grant.grant_id}"}}
            if terms.legal_basis == CONSENT
            else {}
        ),
        "cs:events": [_event(one, issuer) for one in events],
    }


def _event(of: Happened, issuer: str) -> Mapping[str, Any]:
    return {
        "cs:kind": of.kind,
        "dpv:hasConsentStatus": {"@id": STATUSES[of.status]},
        "dpv:isIndicatedAtTime": _moment(of.time),
        **({"dpv:isIndicatedBy": of.by} if of.by else {}),
        "dct:hasVersion": str(of.version),
        "cs:entry": of.entry_id,
        "cs:proof": {"@id": f"{issuer}/ledger/entries/{of.entry_id}/proof"},
    }


def _side(of: Party, kind: str) -> dict[str, Any]:
    authority, _, number = of.identifier.partition(":")
    return {
        "@id": _urn(of.identifier),
        "@type": kind,
        "dpv:hasName": of.name,
        "dct:identifier": number,
        "cs:authority": f"iso6523-actorid-upis:{authority}",
    }


def _data_set(name: str, catalogue: Catalogue, languages: Sequence[str]) -> dict[str, Any]:
    found = catalogue.data_set(name)
    personal = found is not None and found.personal_data != "none"
    return {
        "@id": f"cs:data-set:{name}",
        "@type": "dpv:PersonalData" if personal else "dpv:NonPersonalData",
        "dct:identifier": name,
        "skos:prefLabel": _texts(found.name if found else None, languages),
    }


def _frequency(grant: Grant) -> dict[str, Any]:
    access = grant.terms.access
    if access.frequency is None:
        return {"@type": "dpv:SingularFrequency" if access.mode == "once" else "dpv:ContinuousFrequency"}
    return {
        "@type": "dpv:OftenFrequency",
        "cs:most": access.frequency.value,
        "cs:unit": access.frequency.unit.value,
    }


def _texts(of: Any, languages: Sequence[str]) -> list[dict[str, str]]:
    return [{"@language": one, "@value": of(one)} for one in languages] if of else []


def _moment(at: dt.datetime) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": rfc3339(at)}


def _urn(identifier: str) -> str:
    return f"urn:iso6523-actorid-upis:{identifier}"
