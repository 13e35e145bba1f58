"""The sandbox's business register, in the Nordic programme's words: legal entities and signatory rights."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from consent_service.sandbox.country.seed import Country, Organisation

AUTHORITY = "iso6523-actorid-upis"
ACTS_ALONE = frozenset({"chair", "managing_director", "sole_proprietor"})


def blueprint(country: Country) -> Blueprint:
    """The register's routes, below ``/register``."""
    register = Blueprint("register", __name__, url_prefix="/register")

    @register.get("/v2/legal-entities/<identifier>")
    def legal_entity(identifier: str) -> Response:
        found = country.organisations.get(identifier)
        return jsonify(_entity(found)) if found else _problem(404, "There is no such legal entity.")

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
                    "signs_alone": bool(ACTS_ALONE & set(names)),
                }
                for organisation, names in roles.items()
            ]
        )

    return register


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
