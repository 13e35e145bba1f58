"""The sandbox's Enhetsregisteret and Fullmakttjenesten, in the shape of their open interfaces."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from consent_service.sandbox.country.rights import NORWEGIAN, combinations_of, sentence
from consent_service.sandbox.country.seed import Country, Organisation, Person

ICD = "0192:"
GROUPS = {
    "managing_director": ("DAGL", "Daglig leder", "DAGL", "Daglig leder"),
    "chair": ("STYR", "Styre", "LEDE", "Styrets leder"),
    "board_member": ("STYR", "Styre", "MEDL", "Styremedlem"),
    "sole_proprietor": ("INNH", "Innehaver", "INNH", "Innehaver"),
    "procuration_holder": ("PROK", "Prokura", "POHV", "Prokura hver for seg"),
    "accountant": ("REGN", "Regnskapsfører", "REGN", "Regnskapsfører"),
    "auditor": ("REVI", "Revisor", "REVI", "Revisor"),
}
NAMES = {code: text for _group, _name, code, text in GROUPS.values()}


def blueprint(country: Country) -> Blueprint:
    """The routes, below ``/no``."""
    norway = Blueprint("norway", __name__, url_prefix="/no")

    @norway.get("/enhetsregisteret/api/enheter/<number>")
    def entity(number: str) -> Response | tuple[Response, int]:
        found = country.organisations.get(ICD + number)
        return jsonify(_entity(found)) if found else _missing()

    @norway.get("/enhetsregisteret/api/enheter/<number>/roller")
    def roles(number: str) -> Response | tuple[Response, int]:
        found = country.organisations.get(ICD + number)
        if found is None:
            return _missing()
        groups: dict[str, dict[str, Any]] = {}
        for place, (person, role) in enumerate(country.holding(found.id)):
            group, group_name, code, name = GROUPS[role]
            kind = {"kode": group, "beskrivelse": group_name}
            groups.setdefault(group, {"type": kind, "sistEndret": "2020-01-31", "roller": []})[
                "roller"
            ].append(
                {
                    "type": {"kode": code, "beskrivelse": name},
                    "person": {
                        "fodselsdato": person.birthdate,
                        "navn": _parts(person),
                        "erDoed": False,
                    },
                    "avregistrert": False,
                    "rekkefolge": place,
                }
            )
        return jsonify(rollegrupper=list(groups.values()))

    @norway.get("/fullmakt/enheter/<number>/<any(signatur, prokura):what>")
    def powers(number: str, what: str) -> Response | tuple[Response, int]:
        found = country.organisations.get(ICD + number)
        if found is None:
            return _missing()
        sets = (
            [(rule, held) for rule, held in combinations_of(country, found)]
            if what == "signatur"
            else [("prokura", [held]) for held in country.holding(found.id, "procuration_holder")]
        )
        return jsonify(_powers(found, sets))

    return norway


def _entity(of: Organisation) -> dict[str, Any]:
    number = of.id.removeprefix(ICD)
    if of.status in {"dissolved", "merged"}:
        return {"organisasjonsnummer": number, "navn": of.name, "slettedato": "2026-01-31"}
    return {
        "organisasjonsnummer": number,
        "navn": of.name,
        "organisasjonsform": {"kode": "AS", "beskrivelse": "Aksjeselskap"},
        "konkurs": of.status == "bankrupt",
        "underAvvikling": of.status == "liquidation",
        "underTvangsavviklingEllerTvangsopplosning": False,
    }


def _powers(of: Organisation, sets: list[tuple[str, list[tuple[Person, str]]]]) -> dict[str, Any]:
    found = "RF" if sets else "RI"
    return {
        "status": {
            "rutineStatus": {"kode": "OK", "tekstforklaring": "Maskinelt oppslag utført uten feil."},
            "kombinasjonStatus": {"kode": "OK" if sets else "IK", "tekstforklaring": ""},
            "regelStatus": {"kode": found, "tekstforklaring": "", "regelIdent": None},
        },
        "enhet": {
            "organisasjonsnummer": of.id.removeprefix(ICD),
            "navn": of.name,
            # This interface writes its flags as texts.
            "konkurs": str(of.status == "bankrupt").lower(),
        },
        "signeringsGrunnlag": {
            "kode": "SF" if sets else "SI",
            "signaturProkuraRoller": {"signaturProkuraFritekst": sentence(of, NORWEGIAN)},
        },
        "signeringsKombinasjon": {
            "kombinasjon": [
                {
                    "kode": rule,
                    "tekstforklaring": NORWEGIAN.get(rule, "Prokura"),
                    "kombinasjonsId": str(place),
                    "personRolleKombinasjon": [
                        {
                            # … and its dates the other way round.
                            "fodselsdato": ".".join(reversed(person.birthdate.split("-"))),
                            "navn": person.name,
                            "rolle": {
                                "kode": GROUPS[role][2],
                                "tekstforklaring": NAMES[GROUPS[role][2]],
                            },
                        }
                        for person, role in held
                    ],
                }
                for place, (rule, held) in enumerate(sets, 1)
            ]
        },
    }


def _parts(person: Person) -> dict[str, str]:
    first, *middle, last = person.name.split(" ")
    return {"fornavn": first, "etternavn": last} | ({"mellomnavn": " ".join(middle)} if middle else {})


def _missing() -> tuple[Response, int]:
    return jsonify(status=404, error="Not Found"), 404
