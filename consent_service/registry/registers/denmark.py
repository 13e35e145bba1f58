"""Denmark's CVR: the search index at ``/cvr-permanent``, opened by a user name and a password.

Every value there has a period. People are named, without date of birth and without number: so
nobody is recognised by this register alone, and it tells what an organisation is and how it signs.
"""

from __future__ import annotations

import base64
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

SEARCH = "/cvr-permanent/virksomhed/_search"
WANTED = ["cvrNummer", "virksomhedMetadata", "attributter", "deltagerRelation", "livsforloeb"]
PERSON = "PERSON"
FUNCTIONS = {
    "direktør": OrganisationRole.MANAGING_DIRECTOR,
    "adm. dir.": OrganisationRole.MANAGING_DIRECTOR,
    "adm. dir": OrganisationRole.MANAGING_DIRECTOR,
    "adm. direktør": OrganisationRole.MANAGING_DIRECTOR,
    "administrerende direktør": OrganisationRole.MANAGING_DIRECTOR,
    "formand": OrganisationRole.CHAIR,
    "bestyrelsesformand": OrganisationRole.CHAIR,
    "næstformand": OrganisationRole.BOARD_MEMBER,
    "bestyrelse": OrganisationRole.BOARD_MEMBER,
    "bestyrelsesmedlem": OrganisationRole.BOARD_MEMBER,
    "medlem": OrganisationRole.BOARD_MEMBER,
    "suppleant": OrganisationRole.DEPUTY_BOARD_MEMBER,
    "bestyrelsessuppleant": OrganisationRole.DEPUTY_BOARD_MEMBER,
    "likvidator": OrganisationRole.LIQUIDATOR,
    "indehaver": OrganisationRole.SOLE_PROPRIETOR,
    "interessent": OrganisationRole.PARTNER,
    "komplementar": OrganisationRole.GENERAL_PARTNER,
    "revisor": OrganisationRole.AUDITOR,
    "revision": OrganisationRole.AUDITOR,
}
BODIES = frozenset({"LEDELSESORGAN", "FULDT_ANSVARLIG_DELTAGERE", "TEGNINGSBERETTIGEDE", "REVISION"})
GOES_ON = frozenset({"NORMAL", "AKTIV", "UNDER REKONSTRUKTION", "UNDERREKONSTRUKTION"})


class Denmark:
    """The index at ``url``, in production ``https://distribution.virk.dk``."""

    name = "CVR"
    country = "DK"

    def __init__(self, url: str, sign: Sign = unsigned) -> None:
        self._asker = Asker(self.name, url, sign)

    def extract(self, identifier: str, today: dt.date) -> Extract | None:
        """See :class:`consent_service.registry.registers.base.Adapter`."""
        number = int(identifiers.number_of(identifier))
        query = {
            "_source": [f"Vrvirksomhed.{name}" for name in WANTED],
            "query": {"term": {"Vrvirksomhed.cvrNummer": number}},
            "size": 1,
        }
        told = self._asker.post(SEARCH, query).document
        try:
            hits = told["hits"]["hits"] if told is not None else []
            if not hits:
                return None
            company = hits[0]["_source"]["Vrvirksomhed"]
            if int(company["cvrNummer"]) != number:
                raise ValueError("another organisation")
            metadata = company["virksomhedMetadata"]
            name, status = str(metadata["nyesteNavn"]["navn"]), _status(company, today)
            posts = gather(_held(company.get("deltagerRelation") or [], today))
            text = _rule(company.get("attributter") or [], today)
            rules, complete = sentences.read(text, sentences.DANISH, posts)
        except (KeyError, TypeError, ValueError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error
        rights = SignatureRules(identifier, text, (*rules, *by_position(posts, status)), complete)
        return Extract(identifier, name, status, posts, rights)

    def organisations_of(self, identity: NationalIdentity) -> list[str] | None:
        """The index names nobody by number."""
        return None


def basic(user: str, password: str) -> Sign:
    """A user name and a password (RFC 7617)."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return lambda: {"Authorization": f"Basic {pair}"}


def _status(company: Mapping[str, Any], today: dt.date) -> LegalStatus:
    """By ``sammensatStatus``, in words; a status that we don't know counts as being wound up."""
    status = str(company["virksomhedMetadata"]["sammensatStatus"]).upper()
    if "FUSION" in status or "SPALTNING" in status:
        return LegalStatus.MERGED
    if status.startswith("UNDER KONKURS") or status == "UNDERKONKURS":
        return LegalStatus.BANKRUPT
    if any(word in status for word in ("OPLØST", "OPHØRT", "SLETTET", "FJERNET")):
        return LegalStatus.DISSOLVED
    lives = company.get("livsforloeb") or []
    if lives and not any(_holds(life, today) for life in lives):
        return LegalStatus.DISSOLVED
    return LegalStatus.REGISTERED if status in GOES_ON else LegalStatus.LIQUIDATION


def _held(
    relations: list[Mapping[str, Any]], today: dt.date
) -> Iterator[tuple[OrganisationRole, str, Signatory]]:
    for relation in relations:
        holder = _participant(relation["deltager"], today)
        for body in relation["organisationer"]:
            if holder is None or body.get("hovedtype") not in BODIES:
                continue
            functions = {
                str(value["vaerdi"])
                for member in body.get("medlemsData") or []
                for attribute in member.get("attributter") or []
                if attribute.get("type") == "FUNKTION"
                for value in attribute["vaerdier"]
                if _holds(value, today)
            }
            for function in sorted(functions):
                role = FUNCTIONS.get(function.casefold().strip(), OrganisationRole.OTHER)
                yield role, function, holder


def _participant(of: Mapping[str, Any], today: dt.date) -> Signatory | None:
    """A person by name, made distinct by nothing; a company by its number."""
    names = [str(one["navn"]) for one in of["navne"] if _holds(one, today)]
    if not names:
        return None
    if of.get("enhedstype") == PERSON:
        return Signatory(names[-1])
    number = of.get("forretningsnoegle")
    return Signatory(names[-1], organisation=identifiers.parse(f"0184:{number}")) if number else None


def _rule(attributes: list[Mapping[str, Any]], today: dt.date) -> str:
    """The signature rule that holds today; two at once are none that can be read."""
    found = [
        str(value["vaerdi"])
        for attribute in attributes
        if attribute.get("type") == "TEGNINGSREGEL"
        for value in attribute["vaerdier"]
        if _holds(value, today)
    ]
    return " / ".join(found)


def _holds(value: Mapping[str, Any], today: dt.date) -> bool:
    """Whether a value's period holds; its last day is the period's own."""
    period = value["periode"]
    start, end = period.get("gyldigFra"), period.get("gyldigTil")
    begun = start is None or dt.date.fromisoformat(str(start)[:10]) <= today
    return begun and (end is None or today <= dt.date.fromisoformat(str(end)[:10]))
