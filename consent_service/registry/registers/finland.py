"""Finland's PRH: open data of the YTJ (v3), and signatories by the Nordic data product.

Open data tells name and standing, and no people. ``NonListedCompany/SignatoryRights_v1.0``, the data
product that PRH piloted in the Nordic programme, names people with a right to sign, their role and
number, and not whether they sign alone: so only a managing director acts alone by it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from consent_service.errors import ServiceError
from consent_service.registry import identifiers
from consent_service.registry.extract import Extract, LegalStatus
from consent_service.registry.model import NationalIdentity, OrganisationRole
from consent_service.registry.registers.asking import Asker, Sign, unsigned
from consent_service.registry.registers.base import by_position, gather
from consent_service.registry.signatures import Signatory, SignatureRules

COMPANIES = "/opendata-ytj-api/v3/companies"
SIGNATORIES = "/NSG/Agent/LegalEntity/NonListedCompany/SignatoryRights_v1.0"
TRADE_REGISTER = "1"
ROLES = {
    "director": OrganisationRole.MANAGING_DIRECTOR,
    "deputy director": OrganisationRole.DEPUTY_MANAGING_DIRECTOR,
    "chairperson": OrganisationRole.CHAIR,
    "board member": OrganisationRole.BOARD_MEMBER,
    "deputy board member": OrganisationRole.DEPUTY_BOARD_MEMBER,
}
BANKRUPT, MERGED = ("KONK",), ("SULA", "JAKA")
ENDED, WINDING = ("PURK", "LAKK", "LOPE"), ("SELV",)
CEASED = ("lakann", "purett", "poistett", "lopett")


class Finland:
    """Open data at ``url``, in production ``https://avoindata.prh.fi``; signatories at ``persons_url``."""

    name = "PRH"
    country = "FI"

    def __init__(self, url: str, persons_url: str = "", sign: Sign = unsigned) -> None:
        self._asker = Asker(self.name, url)
        self._persons = Asker(self.name, persons_url, sign) if persons_url else None

    def extract(self, identifier: str, today: dt.date) -> Extract | None:
        """See :class:`consent_service.registry.registers.base.Adapter`."""
        number = identifiers.number_of(identifier)
        told = self._asker.get(COMPANIES, {"businessId": number}).document
        try:
            companies = told["companies"] if told is not None else []
            if not companies:
                return None
            company = companies[0]
            if str(company["businessId"]["value"]) != number:
                raise ValueError("another organisation")
            name, status = _name(company), _status(company)
            signing = self._signing(number)
            posts = gather(_held(signing or []))
        except (KeyError, TypeError, ValueError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error
        rights = SignatureRules(identifier, "", by_position(posts, status), complete=False)
        return Extract(identifier, name, status, posts, rights)

    def organisations_of(self, identity: NationalIdentity) -> list[str] | None:
        """Neither interface is searched by person."""
        return None

    def _signing(self, number: str) -> list[Mapping[str, Any]] | None:
        if self._persons is None:
            return None
        told = self._persons.post(SIGNATORIES, {"nationalIdentifier": number}).document
        return list(told["signatoryRights"]) if told is not None else None


def _name(company: Mapping[str, Any]) -> str:
    """The company's own name (type 1) that holds now."""
    names = [one for one in company["names"] if not one.get("endDate") and str(one.get("type")) == "1"]
    return str(names[0]["name"])


def _status(company: Mapping[str, Any]) -> LegalStatus:
    """What goes on (``companySituations``), and what the trade register's own entry became.

    The member ``status`` says nothing of it: companies that have ceased have the same.
    """
    going = [str(one["type"]).upper() for one in company["companySituations"] if not one.get("endDate")]
    if any(one.startswith(BANKRUPT) for one in going):
        return LegalStatus.BANKRUPT
    if any(one.startswith(MERGED) for one in going):
        return LegalStatus.MERGED
    entries = [
        _finnish(one)
        for one in company["registeredEntries"]
        if str(one["register"]) == TRADE_REGISTER and not one.get("endDate")
    ]
    if any("sulautun" in entry or "jakautun" in entry for entry in entries):
        return LegalStatus.MERGED
    ceased = any(word in entry for entry in entries for word in CEASED)
    if company.get("endDate") or ceased or any(one.startswith(ENDED) for one in going):
        return LegalStatus.DISSOLVED
    winding = any("selvitys" in entry for entry in entries) or any(one.startswith(WINDING) for one in going)
    return LegalStatus.LIQUIDATION if winding else LegalStatus.REGISTERED


def _finnish(entry: Mapping[str, Any]) -> str:
    found = [one for one in entry["descriptions"] if str(one.get("languageCode")) == "1"]
    return str((found or entry["descriptions"])[0].get("description") or "").casefold()


def _held(signing: list[Mapping[str, Any]]) -> Iterator[tuple[OrganisationRole, str, Signatory]]:
    for one in signing:
        parts = (str(one.get(part) or "") for part in ("givenName", "middleNames", "lastName"))
        born = one.get("dateOfBirth")
        holder = Signatory(
            " ".join(part for part in parts if part),
            dt.date.fromisoformat(str(born)) if born else None,
            str(one.get("personalId") or "") or None,
        )
        role = str(one["role"])
        yield ROLES.get(role, OrganisationRole.OTHER), role, holder
