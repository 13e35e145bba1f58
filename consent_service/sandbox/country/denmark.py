"""The sandbox's CVR, in the shape of its search index, behind a user name and a password."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from consent_service.sandbox.country.rights import DANISH, sentence
from consent_service.sandbox.country.seed import Country, Organisation

ICD = "0184:"
SINCE = {"gyldigFra": "2020-01-31", "gyldigTil": None}
BEFORE = {"gyldigFra": "2015-01-01", "gyldigTil": "2020-01-30"}
FUNCTIONS = {
    "managing_director": ("LEDELSESORGAN", "direktør"),
    "chair": ("LEDELSESORGAN", "formand"),
    "board_member": ("LEDELSESORGAN", "bestyrelsesmedlem"),
    "sole_proprietor": ("FULDT_ANSVARLIG_DELTAGERE", "indehaver"),
    "auditor": ("REVISION", "revisor"),
}
STATUSES = {
    "registered": "NORMAL",
    "liquidation": "UNDER FRIVILLIG LIKVIDATION",
    "bankrupt": "UNDER KONKURS",
    "dissolved": "OPLØST EFTER FRIVILLIG LIKVIDATION",
    "merged": "OPLØST EFTER FUSION",
}


def blueprint(country: Country) -> Blueprint:
    """The routes, below ``/dk``."""
    denmark = Blueprint("denmark", __name__, url_prefix="/dk")

    @denmark.post("/cvr-permanent/virksomhed/_search")
    def search() -> Response | tuple[Response, int]:
        given = request.authorization
        if given is None or (given.username, given.password) != ("sandbox", "sandbox"):
            return jsonify(error="Unauthorized"), 401
        asked = request.get_json(silent=True) or {}
        number = asked.get("query", {}).get("term", {}).get("Vrvirksomhed.cvrNummer")
        found = country.organisations.get(f"{ICD}{number}")
        hits = [{"_source": {"Vrvirksomhed": _company(country, found)}}] if found else []
        return jsonify(hits={"total": len(hits), "hits": hits})

    return denmark


def _company(country: Country, of: Organisation) -> dict[str, Any]:
    number = int(of.id.removeprefix(ICD))
    return {
        "cvrNummer": number,
        "virksomhedMetadata": {
            "nyesteNavn": {"navn": of.name, "periode": SINCE},
            "sammensatStatus": STATUSES[of.status],
        },
        "livsforloeb": [{"periode": SINCE}],
        "attributter": [
            {
                "type": "TEGNINGSREGEL",
                "vaerdier": [
                    # What held before stays in the answer, with its period.
                    {"vaerdi": "Selskabet tegnes af en direktør.", "periode": BEFORE},
                    {"vaerdi": sentence(of, DANISH), "periode": SINCE},
                ],
            }
        ]
        if of.signature
        else [],
        "deltagerRelation": [
            {
                "deltager": {
                    "enhedsNummer": 4_000_000_000 + place,
                    "enhedstype": "PERSON",
                    "navne": [{"navn": person.name, "periode": SINCE}],
                },
                "organisationer": [
                    {
                        "hovedtype": FUNCTIONS[role][0],
                        "medlemsData": [
                            {
                                "attributter": [
                                    {
                                        "type": "FUNKTION",
                                        "vaerdier": [{"vaerdi": FUNCTIONS[role][1], "periode": SINCE}],
                                    }
                                ]
                            }
                        ],
                    }
                ],
            }
            for place, (person, role) in enumerate(country.holding(of.id), 1)
        ],
    }
