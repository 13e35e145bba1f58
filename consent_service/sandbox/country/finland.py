"""The sandbox's PRH: open data of the YTJ (v3), and the Nordic data product with signatories."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from consent_service.sandbox.country.seed import Country, Organisation

ICD = "0212:"
ROLES = {
    "managing_director": "director",
    "chair": "chairperson",
    "board_member": "board member",
}
SITUATIONS = {"liquidation": "SELV", "bankrupt": "KONK"}
ENTRIES = {"dissolved": ("4", "Lakannut"), "merged": ("4", "Sulautunut")}


def blueprint(country: Country) -> Blueprint:
    """The routes, below ``/fi``."""
    finland = Blueprint("finland", __name__, url_prefix="/fi")

    def named(number: str) -> Organisation | None:
        return country.organisations.get(ICD + number.replace("-", ""))

    @finland.get("/opendata-ytj-api/v3/companies")
    def companies() -> Response:
        found = named(request.args.get("businessId", ""))
        listed = [_company(found)] if found else []
        return jsonify(totalResults=len(listed), companies=listed)

    @finland.post("/NSG/Agent/LegalEntity/NonListedCompany/SignatoryRights_v1.0")
    def signatories() -> Response | tuple[Response, int]:
        asked = request.get_json(silent=True) or {}
        found = named(str(asked.get("nationalIdentifier", "")))
        if found is None:
            return jsonify(type="NotFound", message="no such company"), 404
        return jsonify(
            signatoryRights=[
                {
                    "role": ROLES.get(role, "other"),
                    "personalId": person.pid,
                    "givenName": person.name.rpartition(" ")[0],
                    "middleNames": "",
                    "lastName": person.name.rpartition(" ")[2],
                    "dateOfBirth": person.birthdate,
                }
                for person, role in country.holding(found.id)
            ]
        )

    return finland


def _company(of: Organisation) -> dict[str, Any]:
    number = of.id.removeprefix(ICD)
    business_id = f"{number[:7]}-{number[7:]}"
    kind, words = ENTRIES.get(of.status, ("1", "Rekisterissä"))
    return {
        "businessId": {"value": business_id, "registrationDate": "2020-01-31", "source": "3"},
        "euId": {"value": f"FIFPRO.{business_id}", "source": "1"},
        "names": [
            {"name": "Vanha nimi Oy", "type": "1", "endDate": "2021-01-31", "version": 2, "source": "1"},
            {"name": of.name, "type": "1", "registrationDate": "2021-01-31", "version": 1, "source": "1"},
        ],
        "companyForms": [{"type": "16", "descriptions": [], "version": 1, "source": "1"}],
        "companySituations": [
            {"type": SITUATIONS[of.status], "registrationDate": "2026-01-31", "source": "1"}
        ]
        if of.status in SITUATIONS
        else [],
        "registeredEntries": [
            {
                "type": kind,
                "descriptions": [{"languageCode": "1", "description": words}],
                "registrationDate": "2020-01-31",
                "register": "1",
                "authority": "2",
            }
        ],
        "addresses": [],
        "tradeRegisterStatus": kind,
        "status": "2",  # what it says of companies that have ceased, too
        "lastModified": "2026-01-31T00:00:00",
    }
