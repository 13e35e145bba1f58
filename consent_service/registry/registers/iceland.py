"""Iceland's Fyrirtækjaskrá, and the register of procurations over X-Road.

``GET /legalentities/{kennitala}`` tells name, standing and people by number. ``GET /{kennitala}`` of
the service ``prokura-v1`` tells for which companies a person has procuration, and only that; a
procuration holder acts alone, as everywhere in Iceland's own services.
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
from consent_service.registry.signatures import (
    Post,
    Power,
    Quantifier,
    Requirement,
    Signatory,
    SignatoryRule,
    SignatureRules,
)

ROLES = {
    "stjórnarformaður": OrganisationRole.CHAIR,
    "stjórnarmaður": OrganisationRole.BOARD_MEMBER,
    "meðstjórnandi": OrganisationRole.BOARD_MEMBER,
    "varamaður": OrganisationRole.DEPUTY_BOARD_MEMBER,
    "framkvæmdastjóri": OrganisationRole.MANAGING_DIRECTOR,
    "framkvæmdarstjóri": OrganisationRole.MANAGING_DIRECTOR,
    "prókúruhafi": OrganisationRole.PROCURATION_HOLDER,
    "eigandi": OrganisationRole.SOLE_PROPRIETOR,
    "endurskoðandi": OrganisationRole.AUDITOR,
    "skoðunarmaður": OrganisationRole.AUDITOR,
}


class Iceland:
    """The register at ``url``, opened by a key; procurations at ``persons_url``, by an X-Road client."""

    name = "Fyrirtækjaskrá"
    country = "IS"

    def __init__(
        self, url: str, persons_url: str = "", sign: Sign = unsigned, sign_persons: Sign = unsigned
    ) -> None:
        self._asker = Asker(self.name, url, sign)
        self._persons = Asker(self.name, persons_url, sign_persons) if persons_url else None

    def extract(self, identifier: str, today: dt.date) -> Extract | None:
        """See :class:`consent_service.registry.registers.base.Adapter`."""
        number = identifiers.number_of(identifier)
        told = self._asker.get(f"/legalentities/{number}").document
        if told is None:
            return None
        try:
            if str(told["NationalId"]) != number:
                raise ValueError("another organisation")
            name, status = str(told["Name"]), _status(told)
            posts = gather(_held(told.get("Relationships") or []))
        except (KeyError, TypeError, ValueError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error
        rules = (*_procurations(posts), *by_position(posts, status))
        # How the company signs, its "firmaritun", is in its certificate and not in this answer.
        return Extract(identifier, name, status, posts, SignatureRules(identifier, "", rules, complete=False))

    def organisations_of(self, identity: NationalIdentity) -> list[str] | None:
        """By kennitala, at the register of procurations; nobody else's number is sent there."""
        if self._persons is None:
            return None
        if identity.country != self.country:
            return []
        told = self._persons.get(f"/{identity.person_number.replace('-', '')}").document
        if told is None:
            return []
        try:
            return [
                identifiers.parse(f"0196:{company['kennitala']}")
                for person in told["result"]
                for company in person.get("prokura") or []
            ]
        except (KeyError, TypeError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error


def _status(entity: Mapping[str, Any]) -> LegalStatus:
    """``Deregistration`` tells of bankruptcy; a date of deregistration of an end."""
    ended = entity.get("Deregistration") or {}
    if not isinstance(ended.get("Bankrupcy", False), bool):
        raise TypeError("Bankrupcy")
    if ended.get("Deregistered") or ended.get("DeregistrationDate"):
        merged = "samrun" in str(ended.get("Reason") or "").casefold()
        return LegalStatus.MERGED if merged else LegalStatus.DISSOLVED
    if ended.get("Bankrupcy"):
        return LegalStatus.BANKRUPT
    return LegalStatus.LIQUIDATION if ended.get("Insolvency") else LegalStatus.REGISTERED


def _held(relationships: list[Mapping[str, Any]]) -> Iterator[tuple[OrganisationRole, str, Signatory]]:
    for one in relationships:
        number, name = str(one["NationalId"]), str(one["Name"])
        title = str(one.get("Position") or one["Type"])
        role = ROLES.get(title.casefold(), OrganisationRole.OTHER)
        # The first digit tells: organisations have the day plus 40.
        if number[:1] in "4567":
            yield role, title, Signatory(name, organisation=identifiers.parse(f"0196:{number}"))
        else:
            yield role, title, Signatory(name, None, number)


def _procurations(posts: tuple[Post, ...]) -> Iterator[SignatoryRule]:
    for post in posts:
        if post.role is OrganisationRole.PROCURATION_HOLDER:
            yield SignatoryRule(post.title, Power.PROCURATION, (Requirement(Quantifier.ALONE, post),))
