"""Sweden's Bolagsverket: Företagsinformation v4, which names officers by personal number.

``POST /organisationer`` answers with posts (``funktionarer``), the signature rules as a sentence
(``firmateckning.klartext``) and as codes that are documented nowhere we found, and standing
(``organisationsstatusar``, ``detaljeradStatus``). ``POST /organisationsengagemang`` answers with
the organisations in which a person has a post.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from consent_service.errors import ServiceError
from consent_service.registry import identifiers
from consent_service.registry.extract import Extract, LegalStatus
from consent_service.registry.model import NationalIdentity, OrganisationRole
from consent_service.registry.registers import sentences
from consent_service.registry.registers.asking import Asker, Sign, unsigned
from consent_service.registry.registers.base import by_position, gather
from consent_service.registry.signatures import Signatory, SignatureRules

SCOPE = "foretagsinformation:read"
WANTED = ["FUNKTIONARER", "FIRMATECKNING", "ORGANISATIONSDATUM"]
PER_PAGE, MOST_PAGES = 100, 10
ROLES = {
    "OF": OrganisationRole.CHAIR,
    "VOF": OrganisationRole.BOARD_MEMBER,
    "LE": OrganisationRole.BOARD_MEMBER,
    "VLE": OrganisationRole.BOARD_MEMBER,
    "ARB": OrganisationRole.BOARD_MEMBER,
    "FTR": OrganisationRole.BOARD_MEMBER,
    "SU": OrganisationRole.DEPUTY_BOARD_MEMBER,
    "VD": OrganisationRole.MANAGING_DIRECTOR,
    "EVD": OrganisationRole.MANAGING_DIRECTOR,
    "VVD": OrganisationRole.DEPUTY_MANAGING_DIRECTOR,
    "EVVD": OrganisationRole.DEPUTY_MANAGING_DIRECTOR,
    "SVD": OrganisationRole.DEPUTY_MANAGING_DIRECTOR,
    "EFT": OrganisationRole.SIGNATORY,
    "IN": OrganisationRole.SOLE_PROPRIETOR,
    "PO": OrganisationRole.PROCURATION_HOLDER,
    "BO": OrganisationRole.PARTNER,
    "KP": OrganisationRole.GENERAL_PARTNER,
    "LI": OrganisationRole.LIQUIDATOR,
    "FO": OrganisationRole.DESIGNATED_REPRESENTATIVE,
    "REV": OrganisationRole.AUDITOR,
    "REVH": OrganisationRole.AUDITOR,
}
PROCEEDINGS = "AvvecklingsOmstruktureringsforfarande"


class Sweden:
    """The interface at ``url``, in production ``https://gw.api.bolagsverket.se/foretagsinformation/v4``."""

    name = "Bolagsverket"
    country = "SE"

    def __init__(self, url: str, sign: Sign = unsigned) -> None:
        self._asker = Asker(self.name, url, sign)

    def extract(self, identifier: str, today: dt.date) -> Extract | None:
        """See :class:`consent_service.registry.registers.base.Adapter`."""
        number = identifiers.number_of(identifier)
        asked = {"identitetsbeteckning": number, "organisationInformationsmangd": WANTED}
        told = self._asker.post("/organisationer", asked).document
        if not told:
            return None
        try:
            one = told[0]
            if str(one["identitet"]["identitetsbeteckning"]) != number:
                raise ValueError("another organisation")
            name, status = str(one["organisationsnamn"]["namn"]), _status(one)
            posts = gather(_held(one.get("funktionarer") or []))
            text = str((one.get("firmateckning") or {}).get("klartext") or "")
            rules, complete = sentences.read(text, sentences.SWEDISH, posts)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error
        rights = SignatureRules(identifier, text, (*rules, *by_position(posts, status)), complete)
        return Extract(identifier, name, status, posts, rights)

    def organisations_of(self, identity: NationalIdentity) -> list[str] | None:
        """By personal number, page by page; nobody else's number is sent there."""
        if identity.country != self.country:
            return []
        found: list[str] = []
        for page in range(1, MOST_PAGES + 1):
            asked = {
                "identitetsbeteckning": identity.person_number,
                "paginering": {"sida": page, "antalPerSida": PER_PAGE},
            }
            told = self._asker.post("/organisationsengagemang", asked).document
            if told is None:
                break
            try:
                engaged = told.get("funktionarsOrganisationsengagemang") or []
                for one in engaged:
                    number = one["organisation"]["identitet"]["identitetsbeteckning"]
                    if len(str(number)) == 10:  # a sole proprietor's is a personal number: none of ours
                        found.append(identifiers.parse(f"0007:{number}"))
            except (KeyError, TypeError, AttributeError, ServiceError) as error:
                raise self._asker.unusable(type(error).__name__) from error
            if len(engaged) < PER_PAGE:
                break
        return list(dict.fromkeys(found))


def _status(one: Mapping[str, Any]) -> LegalStatus:
    """Struck off first; then what goes on. Words decide, since the codes are documented nowhere."""
    detailed = one.get("detaljeradStatus") or {}
    struck = detailed.get("avregistreradOrganisation") or {}
    if struck.get("avregistreringsdatum"):
        why = str((struck.get("avregistreringsorsak") or {}).get("klartext") or "").casefold()
        return LegalStatus.MERGED if "fusion" in why else LegalStatus.DISSOLVED
    found = LegalStatus.REGISTERED
    for status in one.get("organisationsstatusar") or []:
        words = str(status.get("klartext") or "").casefold()
        if "fusion" in words and ("avregistrerad" in words or "upplöst" in words):
            return LegalStatus.MERGED
        if "avregistrerad" in words or "upplöst" in words or "konkurs avslutad" in words:
            return LegalStatus.DISSOLVED
        if "konkurs" in words:
            found = LegalStatus.BANKRUPT
        elif "likvidation" in words or status.get("typ") == PROCEEDINGS:
            found = LegalStatus.LIQUIDATION if found is LegalStatus.REGISTERED else found
    return found


def _held(officers: list[Mapping[str, Any]]) -> Iterator[tuple[OrganisationRole, str, Signatory]]:
    for one in officers:
        identity = one.get("identitet") or {}
        number = str(identity.get("identitetsbeteckning") or "") or None
        person = one.get("personnamn")
        if person:
            parts = (str(person.get(part) or "") for part in ("fornamn", "efternamn"))
            holder = Signatory(" ".join(part for part in parts if part), _born(number), number)
        elif number and len(number) == 10:
            name = str((one.get("organisationsnamn") or {}).get("namn") or "")
            holder = Signatory(name, organisation=identifiers.parse(f"0007:{number}"))
        else:
            continue
        for role in one["funktionarsroller"]:
            known = ROLES.get(str(role.get("kod") or ""), OrganisationRole.OTHER)
            yield known, str(role.get("klartext") or role.get("kod") or ""), holder


def _born(number: str | None) -> dt.date | None:
    """The date in a personal number of twelve digits; a coordination number has the day plus 60."""
    if number is None or len(number) != 12 or not number.isdigit():
        return None
    day = int(number[6:8])
    try:
        return dt.date(int(number[:4]), int(number[4:6]), day - 60 if day > 60 else day)
    except ValueError:
        return None
