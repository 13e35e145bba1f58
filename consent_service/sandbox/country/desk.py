"""The registrar's desk of the sandbox: what the registers say is otherwise from the next answer on."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, jsonify, request

from consent_service.sandbox.country.seed import STATUSES, Country, Role


def blueprint(country: Country) -> Blueprint:
    """The routes, below ``/desk``."""
    desk = Blueprint("desk", __name__, url_prefix="/desk")

    @desk.post("/organisations/<identifier>")
    def status(identifier: str) -> Response | tuple[Response, int]:
        """An organisation goes bankrupt, or whatever ``status`` says."""
        asked, found = request.get_json(silent=True), country.organisations.get(identifier)
        wanted = asked.get("status") if isinstance(asked, dict) else None
        if found is None or wanted not in STATUSES:
            return jsonify(detail=f"status must be one of {', '.join(STATUSES)}"), 400
        country.organisations[identifier] = replace(found, status=wanted)
        return jsonify(identifier=identifier, status=wanted)

    @desk.post("/persons/<person_id>")
    def roles(person_id: str) -> Response | tuple[Response, int]:
        """A person has these ``roles`` and no others: a list of organisation and role."""
        asked, found = request.get_json(silent=True), country.persons.get(person_id)
        try:
            given = tuple(Role(str(one["organisation"]), str(one["role"])) for one in (asked or {})["roles"])
        except (KeyError, TypeError):
            return jsonify(detail="roles must be a list of organisation and role"), 400
        if found is None or any(one.organisation not in country.organisations for one in given):
            return jsonify(detail="there is no such person or organisation"), 400
        country.persons[person_id] = replace(found, roles=given)
        return jsonify(person=person_id, roles=len(given))

    return desk
