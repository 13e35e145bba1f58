"""Norway's Enhetsregisteret and Fullmakttjenesten: recorded examples of our own, and over HTTP."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from flask import Response, jsonify

from consent_service.registry.extract import Extract, LegalStatus, acts_alone_as, find
from consent_service.registry.model import NationalIdentity, OrganisationRole
from consent_service.registry.registers.base import RegisterUnavailable
from consent_service.registry.registers.norway import Norway
from consent_service.registry.signatures import Power
from tests.nations import Nation
from tests.registry.conftest import TODAY, Odd

OWNER, STORVIK = "0192:310028142", "0192:310060011"
NUMBER = "310028142"
KARI, PER = (dt.date(1972, 5, 19), "Kari Storvik"), (dt.date(1976, 10, 2), "Per Anders Storvik")


def person(first: str, last: str, born: str, code: str, title: str, **flags: Any) -> dict[str, Any]:
    return {
        "type": {"kode": code, "beskrivelse": title},
        "person": {
            "fodselsdato": born,
            "navn": {"fornavn": first, "etternavn": last},
            "erDoed": flags.pop("dead", False),
        },
        "rekkefolge": 0,
        **flags,
    }


def group(code: str, *roles: dict[str, Any]) -> dict[str, Any]:
    return {"type": {"kode": code, "beskrivelse": code}, "sistEndret": "2020-01-31", "roller": list(roles)}


def combination(number: str, *people: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    return {
        "kode": "R0012",
        "tekstforklaring": "Styrets leder alene eller to styremedlemmer i fellesskap",
        "kombinasjonsId": number,
        "personRolleKombinasjon": [
            {"navn": name, "fodselsdato": born, "rolle": {"kode": code, "tekstforklaring": code}}
            for name, born, code in people
        ],
        **more,
    }


def power(*combinations: dict[str, Any], routine: str = "OK") -> dict[str, Any]:
    return {
        "status": {"rutineStatus": {"kode": routine}},
        "signeringsGrunnlag": {"signaturProkuraRoller": {"signaturProkuraFritekst": "Styrets leder alene."}},
        "signeringsKombinasjon": {"kombinasjon": list(combinations)},
    }


ENTITY = {"organisasjonsnummer": NUMBER, "navn": "PRØVE AS", "konkurs": False, "underAvvikling": False}
ROLES = {
    "rollegrupper": [
        group("DAGL", person("Dag", "Lie", "1960-01-01", "DAGL", "Daglig leder", fratraadt=False)),
        group(
            "STYR",
            person("Leo", "Dahl", "1961-01-01", "LEDE", "Styrets leder", avregistrert=False),
            person("Mia", "Moe", "1962-01-01", "MEDL", "Styremedlem"),
            person("Max", "Moen", "1963-01-01", "MEDL", "Styremedlem"),
            person("Fra", "Tredd", "1964-01-01", "MEDL", "Styremedlem", fratraadt=True),
            person("Av", "Meldt", "1965-01-01", "MEDL", "Styremedlem", avregistrert=True),
            person("Er", "Død", "1966-01-01", "MEDL", "Styremedlem", dead=True),
        ),
        group(
            "REVI",
            {
                "type": {"kode": "REVI", "beskrivelse": "Revisor"},
                "enhet": {"organisasjonsnummer": "310034568", "navn": ["HAUGE", "REVISJON"]},
            },
        ),
    ]
}
LEO, MIA, MAX = (
    ("Leo Dahl", "01.01.1961", "LEDE"),
    ("Mia Moe", "01.01.1962", "MEDL"),
    ("Max Moen", "1963-01-01", "MEDL"),
)


def recorded(odd: Odd, **documents: Any) -> Extract | None:
    told = {
        f"enheter/{NUMBER}": ENTITY,
        "roller": ROLES,
        "signatur": power(combination("1", LEO), combination("2", MIA, MAX)),
        "prokura": power(routine="NA"),
    } | documents

    def answer(path: str) -> Response:
        found = next((told[name] for name in told if path.endswith(name)), None)
        if isinstance(found, int):
            return Response(status=found)
        return jsonify(found)

    odd.answer = answer
    return Norway(odd.url).extract(OWNER, TODAY)


def roles(extract: Extract | None) -> dict[str, OrganisationRole | None]:
    assert extract is not None
    people = {holder.name: holder for post in extract.posts for holder in post.holders}
    return {name: acts_alone_as(extract, holder) for name, holder in people.items()}


def test_who_signs_alone_acts_alone_and_who_signs_jointly_does_not(odd: Odd) -> None:
    assert roles(recorded(odd)) == {
        "Dag Lie": OrganisationRole.MANAGING_DIRECTOR,
        "Leo Dahl": OrganisationRole.CHAIR,
        "Mia Moe": None,
        "Max Moen": None,
        "HAUGE REVISJON": None,
    }


def test_whoever_resigned_or_was_struck_off_or_died_holds_no_post(odd: Odd) -> None:
    assert not {"Fra Tredd", "Av Meldt", "Er Død"} & set(roles(recorded(odd)))


def test_an_entity_in_a_role_is_an_organisation(odd: Odd) -> None:
    extract = recorded(odd)
    assert extract is not None
    [revisor] = [post for post in extract.posts if post.role is OrganisationRole.AUDITOR]
    assert revisor.holders[0].organisation == "0192:310034568"


def test_two_of_a_combination_bind_together(odd: Odd) -> None:
    extract = recorded(odd)
    assert extract is not None
    everybody = {holder.name: holder for post in extract.posts for holder in post.holders}
    assert extract.signatures.bound_by([everybody["Mia Moe"], everybody["Max Moen"]])
    assert extract.signatures.needed([everybody["Mia Moe"]]) == {everybody["Max Moen"]}
    assert extract.signatures.text == "Styrets leder alene."
    assert extract.signatures.complete


def test_a_procuration_lets_its_holder_act_alone(odd: Odd) -> None:
    given = power(combination("1", MIA))
    extract = recorded(odd, prokura=given)
    assert extract is not None
    mia = next(one for post in extract.posts for one in post.holders if one.name == "Mia Moe")
    assert [rule.power for rule in extract.signatures.alone(mia)] == [Power.PROCURATION]


def test_a_combination_with_somebody_who_holds_no_post_any_more_counts_no_more(odd: Odd) -> None:
    gone = ("Fra Tredd", "01.01.1964", "MEDL")
    extract = recorded(odd, signatur=power(combination("1", gone), combination("2", MIA, gone)))
    assert extract is not None
    assert [rule.power for rule in extract.signatures.rules] == [Power.DAY_TO_DAY]
    assert not extract.signatures.complete


def test_a_combination_that_asks_for_more_than_we_know_is_none(odd: Odd) -> None:
    extract = recorded(
        odd, signatur=power(combination("1", LEO, enhetRolleKombinasjon=[{"navn": "EIER AS"}]))
    )
    assert roles(extract)["Leo Dahl"] is None


@pytest.mark.parametrize("document", [404, power(routine="NA")])
def test_without_signature_rules_only_positions_count(odd: Odd, document: Any) -> None:
    assert {name for name, role in roles(recorded(odd, signatur=document)).items() if role} == {"Dag Lie"}


def test_a_sole_proprietor_is_the_business(odd: Odd) -> None:
    owner = {"rollegrupper": [group("INNH", person("Eva", "Eie", "1980-01-01", "INNH", "Innehaver"))]}
    assert roles(recorded(odd, roller=owner, signatur=404, prokura=404)) == {
        "Eva Eie": OrganisationRole.SOLE_PROPRIETOR
    }


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, LegalStatus.REGISTERED),
        ({"konkurs": True}, LegalStatus.BANKRUPT),
        ({"konkurs": "true"}, LegalStatus.BANKRUPT),
        ({"underAvvikling": True}, LegalStatus.LIQUIDATION),
        ({"underTvangsavviklingEllerTvangsopplosning": True}, LegalStatus.LIQUIDATION),
        ({"slettedato": "2026-01-31", "konkurs": True}, LegalStatus.DISSOLVED),
    ],
)
def test_how_an_organisation_stands(odd: Odd, changes: dict[str, Any], status: LegalStatus) -> None:
    extract = recorded(odd, **{f"enheter/{NUMBER}": ENTITY | changes})
    assert extract is not None
    assert extract.status is status


def test_one_that_is_being_wound_up_has_no_managing_director_for_its_day_to_day(odd: Odd) -> None:
    extract = recorded(odd, **{f"enheter/{NUMBER}": ENTITY | {"underAvvikling": True}})
    assert roles(extract)["Dag Lie"] is None


def test_404_is_unknown_and_410_is_gone(odd: Odd) -> None:
    assert recorded(odd, **{f"enheter/{NUMBER}": 404}) is None
    gone = recorded(odd, **{f"enheter/{NUMBER}": 410})
    assert gone is not None
    assert gone.status is LegalStatus.DISSOLVED


@pytest.mark.parametrize(
    "documents",
    [
        {f"enheter/{NUMBER}": ENTITY | {"organisasjonsnummer": "310034568"}},
        {f"enheter/{NUMBER}": ENTITY | {"konkurs": "kanskje"}},
        {f"enheter/{NUMBER}": []},
        {"roller": {"rollegrupper": None}},
        {
            "roller": {
                "rollegrupper": [
                    group("STYR", person("A", "B", "1961-01-01", "LEDE", "L", avregistrert="nei"))
                ]
            }
        },
        {"roller": {"rollegrupper": [group("STYR", person("A", "B", "i går", "LEDE", "L"))]}},
        {"signatur": {"status": {}}},
        {"signatur": power({"kode": "R", "tekstforklaring": "", "kombinasjonsId": "1"})},
    ],
)
def test_an_answer_in_another_form_is_none_at_all(odd: Odd, documents: Any) -> None:
    with pytest.raises(RegisterUnavailable) as refused:
        recorded(odd, **documents)
    assert "310028142" not in json.dumps(refused.value.detail)


def test_the_sandbox_serves_the_same_shape(nation: Nation) -> None:
    extract = nation.adapter("NO").extract(STORVIK, TODAY)
    assert extract is not None
    assert extract.name == "Storvik Sag AS"
    assert roles(extract) == {"Kari Storvik": None, "Per Anders Storvik": None}
    [kari, per] = [
        find(extract, NationalIdentity("", "", name, "", birth_date=born), "NO") for born, name in (KARI, PER)
    ]
    assert kari is not None
    assert per is not None
    assert extract.signatures.bound_by([kari.signatory, per.signatory])
    assert roles(nation.adapter("NO").extract(OWNER, TODAY)) == {
        "Ingrid Hauge": OrganisationRole.MANAGING_DIRECTOR,
        "Odd Fjellvik": OrganisationRole.CHAIR,
        "Marte Solberg": None,
    }
    assert nation.adapter("NO").extract("0192:923609016", TODAY) is None


@pytest.mark.parametrize("status", ["registered", "liquidation", "bankrupt", "dissolved"])
def test_the_sandbox_s_statuses_arrive(nation: Nation, status: str) -> None:
    nation.set_status(OWNER, status)
    extract = nation.adapter("NO").extract(OWNER, TODAY)
    assert extract is not None
    assert extract.status == status
