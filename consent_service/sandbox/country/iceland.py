"""The sandbox's Fyrirtækjaskrá and its register of procurations, behind a key and an X-Road client."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from consent_service.sandbox.country.seed import Country, Organisation

ICD = "0196:"
CLIENT = "IS-DEV/COM/10000/sandbox"
RELATIONS = {
    "managing_director": ("Framkvæmdastjórn", "Framkvæmdastjóri"),
    "chair": ("Stjórn", "Stjórnarformaður"),
    "board_member": ("Stjórn", "Meðstjórnandi"),
    "procuration_holder": ("Prókúra", "Prókúruhafi"),
    "auditor": ("Endurskoðandi", None),
}
PROCURATION = ("managing_director", "procuration_holder")
"""Whom the sandbox's register of procurations has: there, a managing director usually holds one."""


def blueprint(country: Country) -> Blueprint:
    """The routes, below ``/is``."""
    iceland = Blueprint("iceland", __name__, url_prefix="/is")

    @iceland.get("/legalentities/<number>")
    def legal_entity(number: str) -> Response | tuple[Response, int]:
        if request.headers.get("Ocp-Apim-Subscription-Key") != "sandbox":
            return jsonify(statusCode=401, message="Access denied"), 401
        found = country.organisations.get(ICD + number)
        return (jsonify(_entity(country, found)), 200) if found else (jsonify(statusCode=404), 404)

    @iceland.get("/prokura/<number>")
    def procurations(number: str) -> Response | tuple[Response, int]:
        if request.headers.get("X-Road-Client") != CLIENT:
            return jsonify(error_code=403, error_message="unknown client", error_ui_message=""), 403
        person = next((one for one in country.persons.values() if one.pid.replace("-", "") == number), None)
        if person is None:
            return jsonify(error_code=404, error_message="not found", error_ui_message=""), 404
        held = {
            role.organisation: country.organisations[role.organisation].name
            for role in person.roles
            if role.role in PROCURATION and role.organisation.startswith(ICD)
        }
        companies = [{"kennitala": one.removeprefix(ICD), "heiti": name} for one, name in held.items()]
        return jsonify(result=[{"kennitala": number, "nafn": person.name, "prokura": companies}])

    return iceland


def _entity(country: Country, of: Organisation) -> dict[str, Any]:
    ended: dict[str, Any] = {"Bankrupcy": of.status == "bankrupt", "Insolvency": of.status == "liquidation"}
    if of.status in {"dissolved", "merged"}:
        why = "Samruni" if of.status == "merged" else "Slit"
        ended |= {"DeregistrationDate": "2026-01-31T00:00:00", "Reason": why}
    return {
        "NationalId": of.id.removeprefix(ICD),
        "Name": of.name,
        "Status": "Virk skráning",
        "Registered": "2020-01-31T00:00:00",
        "Deregistration": ended,
        "Relationships": [
            {
                "Name": person.name,
                "NationalId": person.pid,
                "Type": RELATIONS[role][0],
                "Position": RELATIONS[role][1],
            }
            for person, role in country.holding(of.id)
        ],
    }
