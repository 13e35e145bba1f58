"""The sandbox's Bolagsverket, in the shape of Företagsinformation v4, behind client credentials."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from consent_service.sandbox.country.rights import SWEDISH, sentence
from consent_service.sandbox.country.seed import Country, Organisation, Person

ICD = "0007:"
TOKEN = "sandbox-token"
ROLES = {
    "managing_director": ("VD", "Verkställande direktör"),
    "chair": ("OF", "Styrelseordförande"),
    "board_member": ("LE", "Styrelseledamot"),
    "procuration_holder": ("PO", "Prokurist"),
    "sole_proprietor": ("IN", "Enskild näringsidkare"),
    "auditor": ("REV", "Revisor"),
}
STATUSES = {
    "liquidation": "Likvidation",
    "bankrupt": "Konkurs",
    "dissolved": "Avregistrerad",
    "merged": "Avregistrerad genom fusion",
}


def blueprint(country: Country) -> Blueprint:
    """The routes, below ``/se``."""
    sweden = Blueprint("sweden", __name__, url_prefix="/se")

    @sweden.post("/oauth2/token")
    def token() -> Response | tuple[Response, int]:
        given = (request.form.get("client_id"), request.form.get("client_secret"))
        if given != ("sandbox", "sandbox") or request.form.get("grant_type") != "client_credentials":
            return jsonify(error="invalid_client"), 401
        return jsonify(access_token=TOKEN, token_type="Bearer", expires_in=3600)

    @sweden.post("/organisationer")
    def organisations() -> Response | tuple[Response, int]:
        if not _opened():
            return _problem(401, "Unauthorized")
        found = country.organisations.get(ICD + str(_asked().get("identitetsbeteckning")))
        return jsonify([_organisation(country, found)]) if found else _problem(404, "Not Found")

    @sweden.post("/organisationsengagemang")
    def engagements() -> Response | tuple[Response, int]:
        if not _opened():
            return _problem(401, "Unauthorized")
        person = country.by_pid(str(_asked().get("identitetsbeteckning")))
        engaged = {
            role.organisation: country.organisations[role.organisation]
            for role in (person.roles if person else ())
            if role.organisation.startswith(ICD)
        }
        return jsonify(
            totaltAntalTraffar=len(engaged),
            sida=1,
            antalPerSida=100,
            funktionarsOrganisationsengagemang=[
                {"organisation": _named(one), "funktionar": {}} for one in engaged.values()
            ],
        )

    return sweden


def _organisation(country: Country, of: Organisation) -> dict[str, Any]:
    officers: dict[str, dict[str, Any]] = {}
    for person, role in country.holding(of.id):
        code, name = ROLES[role]
        officer = officers.setdefault(person.id, {**_person(person), "funktionarsroller": []})
        officer["funktionarsroller"].append({"kod": code, "klartext": name})
        if role == "chair":  # who leads the board is one of its members too
            officer["funktionarsroller"].append({"kod": "LE", "klartext": "Styrelseledamot"})
    words = STATUSES.get(of.status)
    return _named(of) | {
        "organisationsform": {"kod": "AB", "klartext": "Aktiebolag"},
        "organisationsstatusar": [{"kod": of.status.upper(), "klartext": words, "datum": "2026-01-31"}]
        if words
        else [],
        "firmateckning": {"kodad": [], "klartext": sentence(of, SWEDISH), "prokuratext": ""},
        "funktionarer": list(officers.values()),
    }


def _named(of: Organisation) -> dict[str, Any]:
    return {
        "identitet": {
            "typ": {"kod": "ORGANISATIONSNUMMER", "klartext": "Organisationsnummer"},
            "identitetsbeteckning": of.id.removeprefix(ICD),
        },
        "organisationsnamn": {
            "typ": {"kod": "FORETAGSNAMN", "klartext": "Företagsnamn"},
            "namn": of.name,
        },
    }


def _person(of: Person) -> dict[str, Any]:
    first, _, last = of.name.rpartition(" ")
    return {
        "personnamn": {"fornamn": first, "efternamn": last},
        "identitet": {
            "typ": {"kod": "PERSONNUMMER", "klartext": "Personnummer"},
            "identitetsbeteckning": of.pid,
        },
    }


def _opened() -> bool:
    return request.headers.get("Authorization") == f"Bearer {TOKEN}"


def _asked() -> dict[str, Any]:
    asked = request.get_json(silent=True)
    return asked if isinstance(asked, dict) else {}


def _problem(status: int, title: str) -> tuple[Response, int]:
    return jsonify(type="about:blank", status=status, title=title), status
