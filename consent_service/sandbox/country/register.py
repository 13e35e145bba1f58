"""The sandbox's business register, in the Nordic programme's words: legal entities and signatory rights."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from consent_service.sandbox.country.rights import NORWEGIAN, QUANTIFIERS, sentence
from consent_service.sandbox.country.seed import Country, Organisation

AUTHORITY = "iso6523-actorid-upis"
TITLES = {
    "chair": "Chair of the board",
    "board_member": "Member of the board",
    "managing_director": "Managing director",
    "sole_proprietor": "Sole proprietor",
    "procuration_holder": "Holder of procuration",
    "accountant": "Accountant",
    "auditor": "Auditor",
}


def blueprint(country: Country) -> Blueprint:
    """The register's routes, below ``/register``."""
    register = Blueprint("register", __name__, url_prefix="/register")

    @register.get("/v2/legal-entities/<identifier>")
    def legal_entity(identifier: str) -> Response:
        found = country.organisations.get(identifier)
        if found is None:
            return _problem(404, "There is no such legal entity.")
        held = dict.fromkeys(role for _person, role in country.holding(identifier))
        return jsonify(_entity(found) | {"posts": [_post(country, found, role) for role in held]})

    @register.get("/v2/legal-entities/<identifier>/signatory-rights")
    def rights_of(identifier: str) -> Response:
        """Who can bind it, in the words of the programme's OpenAPI."""
        found = country.organisations.get(identifier)
        return jsonify(_rights(country, found)) if found else _problem(404, "There is no such legal entity.")

    @register.post("/v2/signatory-rights/search")
    def signatory_rights() -> Response:
        """The rights of one person; asked by POST, so that no number stands in a log."""
        asked = request.get_json(silent=True)
        if not isinstance(asked, dict) or not isinstance(asked.get("person"), str):
            return _problem(400, "The body must be an object with the member person.")
        person = country.by_pid(asked["person"])
        roles: dict[str, list[str]] = {}
        for role in person.roles if person else ():
            roles.setdefault(role.organisation, []).append(role.role)
        return jsonify(
            signatory_rights=[
                {
                    "legal_entity": _entity(country.organisations[organisation]),
                    "roles": names,
                }
                for organisation, names in roles.items()
            ]
        )

    return register


def _rights(country: Country, of: Organisation) -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for name in of.signature:
        rule: dict[str, Any] = {"description": NORWEGIAN[name], "power": "signature"}
        for quantifier, roles in QUANTIFIERS[name]:
            rule.setdefault(quantifier, []).append(_post(country, of, *roles))
        rules.append(rule)
    if country.holding(of.id, "procuration_holder"):
        alone = [_post(country, of, "procuration_holder")]
        rules.append({"description": "Procuration", "power": "procuration", "alone": alone})
    return {"description": sentence(of, NORWEGIAN), "signatoryRules": rules}


def _post(country: Country, of: Organisation, *roles: str) -> dict[str, Any]:
    """A post of those who have one of these roles, named by the last."""
    people = {person.id: person for person, _role in country.holding(of.id, *roles)}
    return {
        "role": {"notation": roles[-1], "prefLabel": TITLES.get(roles[-1], roles[-1])},
        "heldByPerson": [
            {
                "fullName": person.name,
                "dateOfBirth": person.birthdate,
                "identifier": {"notation": person.pid, "issuingAuthorityName": "the test eID"},
            }
            for person in people.values()
        ],
    }


def _entity(organisation: Organisation) -> dict[str, Any]:
    return {
        "identifier": {"authority": AUTHORITY, "ID": organisation.id},
        "name": organisation.name,
        "country": organisation.country,
        "status": organisation.status,
    }


def _problem(status: int, detail: str) -> Response:
    response = jsonify(type="about:blank", status=status, detail=detail)
    response.status_code = status
    response.mimetype = "application/problem+json"
    return response
