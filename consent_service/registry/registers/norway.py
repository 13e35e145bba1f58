"""Norway's Enhetsregisteret and Fullmakttjenesten, as their open interfaces answer.

``/enhetsregisteret/api/enheter/{orgnr}`` and ``…/roller`` say what the organisation is and who holds
which post; ``/fullmakt/enheter/{orgnr}/signatur`` and ``…/prokura`` say which people bind it, one
combination after the other. Open data names people by name and date of birth, without number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from consent_service.errors import ServiceError
from consent_service.registry import identifiers
from consent_service.registry.extract import Extract, LegalStatus
from consent_service.registry.model import NationalIdentity, OrganisationRole
from consent_service.registry.registers.asking import Asker, Reply
from consent_service.registry.registers.base import by_position, gather
from consent_service.registry.signatures import (
    Power,
    Quantifier,
    Requirement,
    Signatory,
    SignatoryRule,
    SignatureRules,
)

ENTITIES, POWERS = "/enhetsregisteret/api/enheter", "/fullmakt/enheter"
ROLES = {
    "DAGL": OrganisationRole.MANAGING_DIRECTOR,
    "LEDE": OrganisationRole.CHAIR,
    "NEST": OrganisationRole.BOARD_MEMBER,  # who stands in for the chair has no rule of their own
    "MEDL": OrganisationRole.BOARD_MEMBER,
    "VARA": OrganisationRole.DEPUTY_BOARD_MEMBER,
    "OBS": OrganisationRole.BOARD_OBSERVER,
    "INNH": OrganisationRole.SOLE_PROPRIETOR,
    "DTSO": OrganisationRole.PARTNER,
    "DTPR": OrganisationRole.PARTNER,
    "KOMP": OrganisationRole.GENERAL_PARTNER,
    "BOBE": OrganisationRole.LIQUIDATOR,
    "FFØR": OrganisationRole.BUSINESS_MANAGER,
    "REPR": OrganisationRole.DESIGNATED_REPRESENTATIVE,
    "KONT": OrganisationRole.CONTACT_PERSON,
    "REVI": OrganisationRole.AUDITOR,
    "REGN": OrganisationRole.ACCOUNTANT,
    "SIGN": OrganisationRole.SIGNATORY,
    "SIFE": OrganisationRole.SIGNATORY,
    "SIHV": OrganisationRole.SIGNATORY,
    "PROK": OrganisationRole.PROCURATION_HOLDER,
    "POFE": OrganisationRole.PROCURATION_HOLDER,
    "POHV": OrganisationRole.PROCURATION_HOLDER,
}
COMBINATION = {"kode", "tekstforklaring", "kombinasjonsId", "personRolleKombinasjon"}
"""The members of a combination that we know; one with others may ask for more than we see."""
GONE = 410


class Norway:
    """The open interfaces at ``url``, in production ``https://data.brreg.no``."""

    name = "Enhetsregisteret"
    country = "NO"

    def __init__(self, url: str) -> None:
        self._asker = Asker(self.name, url)

    def extract(self, identifier: str, today: dt.date) -> Extract | None:
        """See :class:`consent_service.registry.registers.base.Adapter`."""
        number = identifiers.number_of(identifier)
        told = self._asker.get(f"{ENTITIES}/{number}")
        if told.status == GONE:  # taken out of the open data, which is done to deleted ones
            return _ended(identifier, number)
        if told.document is None:
            return None
        try:
            if str(told.document["organisasjonsnummer"]) != number:
                raise ValueError("another organisation")
            name, status = str(told.document["navn"]), _status(told.document)
            if status is LegalStatus.DISSOLVED:
                return _ended(identifier, name)
            posts = gather(_held(self._asker.get(f"{ENTITIES}/{number}/roller")))
            holders = {holder.key for post in posts for holder in post.holders}
            signature = self._asker.get(f"{POWERS}/{number}/signatur").document
            procuration = self._asker.get(f"{POWERS}/{number}/prokura").document
            rules = [
                *_rules(signature, Power.SIGNATURE),
                *_rules(procuration, Power.PROCURATION),
            ]
            read = tuple(rule for rule in rules if rule is not None and _still(rule, holders))
        except (KeyError, TypeError, ValueError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error
        text, complete = _text(signature), len(read) == len(rules)
        rights = SignatureRules(identifier, text, (*read, *by_position(posts, status)), complete)
        return Extract(identifier, name, status, posts, rights)

    def organisations_of(self, identity: NationalIdentity) -> list[str] | None:
        """Open data can't be searched by person."""
        return None


def _status(entity: Mapping[str, Any]) -> LegalStatus:
    """Deleted beats bankrupt beats being wound up. A merger shows as a deletion here."""
    if entity.get("slettedato"):
        return LegalStatus.DISSOLVED
    if _is(entity, "konkurs"):
        return LegalStatus.BANKRUPT
    winding = ("underAvvikling", "underTvangsavviklingEllerTvangsopplosning")
    return LegalStatus.LIQUIDATION if any(_is(entity, name) for name in winding) else LegalStatus.REGISTERED


def _held(told: Reply) -> Iterator[tuple[OrganisationRole, str, Signatory]]:
    """Who holds which post now: neither resigned, nor struck off, nor dead."""
    if told.document is None:
        return
    for group in told.document["rollegrupper"]:
        for one in group["roller"]:
            # "fratraadt" is on its way out of the answers, "avregistrert" stays: either ends it.
            if _is(one, "avregistrert") or _is(one, "fratraadt"):
                continue
            person, entity = one.get("person"), one.get("enhet")
            if person is not None:
                if _is(person, "erDoed"):
                    continue
                holder = Signatory(_name(person["navn"]), _date(person.get("fodselsdato")))
            elif entity is not None:
                organisation = identifiers.parse(f"0192:{entity['organisasjonsnummer']}")
                holder = Signatory(" ".join(entity["navn"]), organisation=organisation)
            else:
                continue
            code = str(one["type"]["kode"])
            title = str(one["type"]["beskrivelse"])
            yield ROLES.get(code, OrganisationRole.OTHER), title, holder


def _rules(told: Any, power: Power) -> list[SignatoryRule | None]:
    """A rule for each combination of people; None for one that asks for something we don't know."""
    if told is None or told["status"]["rutineStatus"]["kode"] != "OK":
        return []
    found: list[SignatoryRule | None] = []
    for one in (told.get("signeringsKombinasjon") or {}).get("kombinasjon") or []:
        if set(one) - COMBINATION:
            found.append(None)
            continue
        people = [
            (
                ROLES.get(str(person["rolle"]["kode"]), OrganisationRole.OTHER),
                str(person["rolle"]["tekstforklaring"]),
                Signatory(str(person["navn"]), _date(person.get("fodselsdato"))),
            )
            for person in one["personRolleKombinasjon"]
        ]
        requirements = tuple(Requirement(Quantifier.ALL_OF, post) for post in gather(people))
        found.append(SignatoryRule(str(one["tekstforklaring"]), power, requirements))
    return found


def _still(rule: SignatoryRule, holders: set[str]) -> bool:
    """Whether everybody in a combination still holds a post by the other interface."""
    return all(one.key in holders for place in rule.requirements for one in place.post.holders)


def _text(told: Any) -> str:
    basis = (told or {}).get("signeringsGrunnlag") or {}
    return str((basis.get("signaturProkuraRoller") or {}).get("signaturProkuraFritekst") or "")


def _ended(identifier: str, name: str) -> Extract:
    return Extract(identifier, name, LegalStatus.DISSOLVED, (), SignatureRules(identifier, "", ()))


def _is(entity: Mapping[str, Any], member: str) -> bool:
    """A flag; one of the two interfaces writes it as a text. Anything else is no answer."""
    value = entity.get(member, False)
    if value not in (True, False, "true", "false"):
        raise ValueError(member)
    return value in (True, "true")


def _name(parts: Mapping[str, Any]) -> str:
    return " ".join(str(parts[one]) for one in ("fornavn", "mellomnavn", "etternavn") if parts.get(one))


def _date(text: Any) -> dt.date | None:
    """1979-04-12, or 12.04.1979 as the other interface writes it."""
    if not text:
        return None
    day, dot, rest = str(text).partition(".")
    month, _, year = rest.partition(".")
    return dt.date.fromisoformat(f"{year}-{month}-{day}" if dot else str(text))
