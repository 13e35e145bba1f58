"""A register that speaks the Nordic programme's words: legal entities and signatory rights at ``/v2``.

The sandbox's register does. The programme's own interface is asked by organisation; ours is searched
by person too, which the programme has no words for.
"""

from __future__ import annotations

import datetime as dt

from consent_service.errors import ServiceError
from consent_service.registry import identifiers, wording
from consent_service.registry.extract import Extract, LegalStatus
from consent_service.registry.model import NationalIdentity
from consent_service.registry.registers.asking import Asker
from consent_service.registry.registers.base import by_position
from consent_service.registry.signatures import SignatureRules


class Nordic:
    """The register at ``url``; the numbers that it gives are the eID's own, of any of the countries."""

    name = "the sandbox register"
    country = None

    def __init__(self, url: str) -> None:
        self._asker = Asker(self.name, url)

    def extract(self, identifier: str, today: dt.date) -> Extract | None:
        """See :class:`consent_service.registry.registers.base.Adapter`."""
        entity = self._asker.get(f"/v2/legal-entities/{identifier}").document
        if entity is None:
            return None
        told = self._asker.get(f"/v2/legal-entities/{identifier}/signatory-rights").document
        try:
            if identifiers.parse(entity["identifier"]["ID"]) != identifier:
                raise ValueError("another organisation")
            name, status = str(entity["name"]), LegalStatus(entity["status"])
            posts = tuple(wording.post_of(one) for one in entity.get("posts", ()))
            stated = wording.rights_of(identifier, told if told is not None else {"signatoryRules": []})
        except (KeyError, TypeError, ValueError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error
        rules = (*stated.rules, *by_position(posts, status))
        rights = SignatureRules(identifier, stated.text, rules, stated.complete)
        return Extract(identifier, name, status, posts, rights)

    def organisations_of(self, identity: NationalIdentity) -> list[str] | None:
        """By POST, so that no national number stands in anybody's access log."""
        told = self._asker.post("/v2/signatory-rights/search", {"person": identity.person_number}).document
        try:
            rights = told["signatory_rights"] if told is not None else []
            return [identifiers.parse(one["legal_entity"]["identifier"]["ID"]) for one in rights]
        except (KeyError, TypeError, AttributeError, ServiceError) as error:
            raise self._asker.unusable(type(error).__name__) from error
