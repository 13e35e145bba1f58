"""Extracts as JSON: the programme's signatory-rights words, which is what is kept and what is read.

The members are those of the programme's OpenAPI (``/v2/signatory-rights``): ``signatoryRules`` with
``alone``, ``oneOf``, ``twoOf`` … ``majorityOf``, ``allOf``, each a list of posts with ``role``
(``notation``, ``prefLabel``) and ``heldByPerson`` (``fullName``, ``dateOfBirth``, ``identifier``).
Ours beside them: ``heldByOrganisation``, a rule's ``power``, and the extract around it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from consent_service.registry import identifiers
from consent_service.registry.extract import Extract, LegalStatus
from consent_service.registry.model import OrganisationRole
from consent_service.registry.signatures import (
    Post,
    Power,
    Quantifier,
    Requirement,
    Signatory,
    SignatoryRule,
    SignatureRules,
)


def extract_document(of: Extract) -> dict[str, Any]:
    """An extract as JSON."""
    return {
        "identifier": identifiers.document(of.organisation),
        "name": of.name,
        "status": of.status.value,
        "posts": [post_document(one) for one in of.posts],
        "signatoryRights": rights_document(of.signatures),
    }


def extract_of(document: Mapping[str, Any]) -> Extract:
    """The inverse.

    :raises KeyError, TypeError, ValueError, AttributeError: it is not of this form
    :raises ServiceError: an identifier is not
    """
    organisation = identifiers.parse(document["identifier"]["ID"])
    return Extract(
        organisation,
        str(document["name"]),
        LegalStatus(document["status"]),
        tuple(post_of(one) for one in document["posts"]),
        rights_of(organisation, document["signatoryRights"]),
    )


def rights_document(of: SignatureRules) -> dict[str, Any]:
    """Signatory rights in the programme's words."""
    return {
        "description": of.text,
        "complete": of.complete,
        "signatoryRules": [_rule_document(rule) for rule in of.rules],
    }


def rights_of(organisation: str, document: Mapping[str, Any]) -> SignatureRules:
    """Signatory rights from the programme's words; what a rule says in others leaves it out.

    :raises KeyError, TypeError, ValueError: it is not of this form
    """
    rules, complete = [], bool(document.get("complete", True))
    for one in document["signatoryRules"]:
        if set(one) - KNOWN:  # a quantifier of tomorrow would make the rule stricter than we can see
            complete = False
            continue
        rules += _rules_of(one)
    return SignatureRules(organisation, str(document.get("description", "")), tuple(rules), complete)


KNOWN = {"description", "power", *(one.value for one in Quantifier)}


def _rule_document(rule: SignatoryRule) -> dict[str, Any]:
    told: dict[str, Any] = {"description": rule.description, "power": rule.power.value}
    for requirement in rule.requirements:
        told.setdefault(requirement.quantifier.value, []).append(post_document(requirement.post))
    return told


def _rules_of(document: Mapping[str, Any]) -> list[SignatoryRule]:
    """One rule; several where ``alone`` names several posts, of which each is enough."""
    description, power = str(document.get("description", "")), Power(document.get("power", "signature"))
    alone = [post_of(one) for one in document.get(Quantifier.ALONE, ())]
    if alone:
        if any(name in document for name in Quantifier if name is not Quantifier.ALONE):
            raise ValueError("alone and others in one rule")
        return [SignatoryRule(description, power, (Requirement(Quantifier.ALONE, post),)) for post in alone]
    requirements = tuple(
        Requirement(quantifier, post_of(one))
        for quantifier in Quantifier
        for one in document.get(quantifier, ())
    )
    return [SignatoryRule(description, power, requirements)]


def post_document(of: Post) -> dict[str, Any]:
    """A post and its holders."""
    people = [_person_document(one) for one in of.holders if not one.organisation]
    told: dict[str, Any] = {
        "role": {"notation": of.role.value, "prefLabel": of.title},
        "heldByPerson": people,
    }
    if others := [one for one in of.holders if one.organisation]:
        told["heldByOrganisation"] = [
            {"name": one.name, "identifier": identifiers.document(one.organisation or "")} for one in others
        ]
    return told


def post_of(document: Mapping[str, Any]) -> Post:
    """A post and its holders; a role that we have no word for is ``other``."""
    role = document["role"]
    known = {one.value for one in OrganisationRole}
    people = [
        Signatory(
            str(one["fullName"]),
            dt.date.fromisoformat(one["dateOfBirth"]) if one.get("dateOfBirth") else None,
            str(one["identifier"]["notation"]) if one.get("identifier") else None,
        )
        for one in _list(document.get("heldByPerson", ()))
    ]
    others = [
        Signatory(str(one["name"]), organisation=identifiers.parse(one["identifier"]["ID"]))
        for one in _list(document.get("heldByOrganisation", ()))
    ]
    notation = str(role["notation"])
    return Post(
        OrganisationRole(notation) if notation in known else OrganisationRole.OTHER,
        str(role.get("prefLabel", notation)),
        (*people, *others),
    )


def _person_document(of: Signatory) -> dict[str, Any]:
    told: dict[str, Any] = {"fullName": of.name}
    if of.birth_date:
        told["dateOfBirth"] = of.birth_date.isoformat()
    if of.number:
        told["identifier"] = {"notation": of.number}
    return told


def _list(value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list | tuple):
        raise TypeError("holders are a list")
    return value
