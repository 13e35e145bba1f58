"""Bolagsverket, CVR, PRH and Fyrirtækjaskrá: what each tells, and what none of them may be read into."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pytest
from flask import jsonify

from consent_service.registry.extract import Extract, LegalStatus, acts_alone_as, find
from consent_service.registry.model import NationalIdentity, OrganisationRole
from consent_service.registry.registers.base import RegisterUnavailable
from consent_service.registry.registers.denmark import Denmark
from consent_service.registry.registers.finland import Finland
from consent_service.registry.registers.iceland import Iceland
from consent_service.registry.registers.sweden import Sweden
from tests.nations import Nation
from tests.registry.conftest import TODAY, Odd

SWEDISH, DANISH, FINNISH, ICELANDIC = "0007:5599980108", "0184:99810106", "0212:99980108", "0196:7112999550"
BY_COUNTRY = {"SE": SWEDISH, "DK": DANISH, "FI": FINNISH, "IS": ICELANDIC}
UNKNOWN = {"SE": "0007:5599980124", "DK": "0184:99810122", "FI": "0212:99980124", "IS": "0196:7112999559"}
DIRECTORS = {
    "SE": "Elsa Lindqvist",
    "DK": "Mads Kjeldsen",
    "FI": "Aino Virtanen-Mäkelä",
    "IS": "Sigríður Jónsdóttir",
}


def alone(extract: Extract | None) -> dict[str, OrganisationRole]:
    assert extract is not None
    people = {holder.name: holder for post in extract.posts for holder in post.holders}
    found = {name: acts_alone_as(extract, holder) for name, holder in people.items()}
    return {name: role for name, role in found.items() if role}


@pytest.mark.parametrize("country", ["SE", "DK", "FI", "IS"])
def test_the_sandbox_serves_each_shape(nation: Nation, country: str) -> None:
    adapter = nation.adapter(country)
    assert alone(adapter.extract(BY_COUNTRY[country], TODAY)) == {
        DIRECTORS[country]: OrganisationRole.MANAGING_DIRECTOR
    }
    if country != "IS":  # Iceland's second one is the bank
        assert adapter.extract(UNKNOWN[country], TODAY) is None


@pytest.mark.parametrize("country", ["SE", "DK", "FI", "IS"])
@pytest.mark.parametrize("status", ["registered", "liquidation", "bankrupt", "dissolved", "merged"])
def test_each_tells_how_an_organisation_stands(nation: Nation, country: str, status: str) -> None:
    nation.set_status(BY_COUNTRY[country], status)
    extract = nation.adapter(country).extract(BY_COUNTRY[country], TODAY)
    assert extract is not None
    assert extract.status == status
    assert bool(alone(extract)) == (status in {"registered", "bankrupt"})


@pytest.mark.parametrize("country", ["SE", "FI", "IS"])
def test_each_that_gives_numbers_recognises_a_person_by_it(nation: Nation, country: str) -> None:
    extract = nation.adapter(country).extract(BY_COUNTRY[country], TODAY)
    assert extract is not None
    me = NationalIdentity("", "", "Somebody Else", f"TEST-{country}-0001", country=country)
    found = find(extract, me, country)
    assert found is not None
    assert found.signatory.name == DIRECTORS[country]


def test_denmark_s_register_recognises_nobody(nation: Nation) -> None:
    extract = nation.adapter("DK").extract(DANISH, TODAY)
    assert extract is not None
    me = NationalIdentity(
        "", "", "Mads Kjeldsen", "TEST-DK-0001", birth_date=dt.date(1974, 1, 9), country="DK"
    )
    assert find(extract, me, "DK") is None


@pytest.mark.parametrize(
    ("country", "found"), [("SE", [SWEDISH]), ("IS", [ICELANDIC]), ("NO", None), ("DK", None), ("FI", None)]
)
def test_two_are_asked_by_person(nation: Nation, country: str, found: list[str] | None) -> None:
    me = NationalIdentity("", "", "", f"TEST-{country}-0001", country=country)
    assert nation.adapter(country).organisations_of(me) == found


@pytest.mark.parametrize("country", ["SE", "IS"])
@pytest.mark.parametrize("of", ["NO", None])
def test_nobody_s_number_is_sent_to_another_country_s_register(
    odd: Odd, country: str, of: str | None
) -> None:
    odd.answer = lambda path: jsonify({})
    adapter = Sweden(odd.url) if country == "SE" else Iceland(odd.url, odd.url)
    assert adapter.organisations_of(NationalIdentity("", "", "", "0102703333", country=of)) == []
    assert odd.asked == []


@pytest.mark.parametrize("country", ["SE", "DK", "IS"])
def test_without_its_credentials_a_register_does_not_answer(nation: Nation, country: str) -> None:
    base = f"{nation.url}/{country.lower()}"
    adapter = {"SE": Sweden, "DK": Denmark, "IS": Iceland}[country](base)
    with pytest.raises(RegisterUnavailable):
        adapter.extract(BY_COUNTRY[country], TODAY)


# Sweden

BOARD = [
    {
        "personnamn": {"fornamn": "Ordis", "efternamn": "Ek"},
        "identitet": {"identitetsbeteckning": "196001012384"},
        "funktionarsroller": [{"kod": "OF", "klartext": "Ordförande"}, {"kod": "LE", "klartext": "Ledamot"}],
    },
    {
        "personnamn": {"fornamn": "Lea", "efternamn": "Ask"},
        "identitet": {"identitetsbeteckning": "197002612384"},
        "funktionarsroller": [{"kod": "LE", "klartext": "Ledamot"}],
    },
    {
        "personnamn": {"fornamn": "Vera", "efternamn": "Al"},
        "identitet": {"identitetsbeteckning": "198003032384"},
        "funktionarsroller": [{"kod": "VD", "klartext": "Verkställande direktör"}],
    },
    {
        "organisationsnamn": {"namn": "Revision AB"},
        "identitet": {"identitetsbeteckning": "5599980124"},
        "funktionarsroller": [{"kod": "REV", "klartext": "Revisor"}],
    },
    {
        "personnamn": {"fornamn": "Sara", "efternamn": "Up"},
        "funktionarsroller": [{"kod": "XX", "klartext": "Något nytt"}],
    },
]
SWEDISH_COMPANY: dict[str, Any] = {
    "identitet": {"identitetsbeteckning": "5599980108"},
    "organisationsnamn": {"namn": "Prov AB"},
    "organisationsstatusar": [],
    "funktionarer": BOARD,
}


def swedish(odd: Odd, text: str = "", **changes: Any) -> Extract | None:
    company = copy.deepcopy(SWEDISH_COMPANY) | {"firmateckning": {"klartext": text}} | changes
    odd.answer = lambda path: jsonify([company])
    return Sweden(odd.url).extract(SWEDISH, TODAY)


@pytest.mark.parametrize(
    ("text", "who", "complete"),
    [
        ("Firman tecknas av styrelsen", {"Vera Al"}, True),
        ("Firman tecknas var för sig av ledamöterna", {"Vera Al", "Ordis Ek", "Lea Ask"}, True),
        (
            "Firman tecknas två i förening av  ledamöterna.\nDessutom har verkställande direktören rätt att teckna firman beträffande löpande förvaltningsåtgärder",
            {"Vera Al"},
            True,
        ),
        ("Firman tecknas var för sig av ledamöterna utom Lea Ask", {"Vera Al"}, False),
        ("Firman tecknas var för sig av ledamöterna. Dock ej vid försäljning.", {"Vera Al"}, False),
        ("", {"Vera Al"}, True),
    ],
)
def test_a_sentence_is_read_whole_or_not_at_all(
    odd: Odd, text: str, who: set[str], *, complete: bool
) -> None:
    extract = swedish(odd, text)
    assert set(alone(extract)) == who
    assert extract is not None
    assert extract.signatures.complete is complete
    assert extract.signatures.text == text


def test_the_board_signs_by_more_than_half_of_it(odd: Odd) -> None:
    extract = swedish(odd, "Firman tecknas av styrelsen")
    assert extract is not None
    people = {holder.name: holder for post in extract.posts for holder in post.holders}
    assert extract.signatures.bound_by([people["Ordis Ek"], people["Lea Ask"]])
    assert not extract.signatures.alone(people["Ordis Ek"]), "the chair is a member too, and still one person"


def test_a_date_of_birth_is_read_off_the_number(odd: Odd) -> None:
    extract = swedish(odd)
    assert extract is not None
    born = {holder.name: holder.birth_date for post in extract.posts for holder in post.holders}
    assert born["Ordis Ek"] == dt.date(1960, 1, 1)
    assert born["Lea Ask"] == dt.date(1970, 2, 1), "a coordination number has the day plus 60"
    assert born["Sara Up"] is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"organisationsstatusar": [{"kod": "20", "klartext": "Konkurs inledd"}]}, LegalStatus.BANKRUPT),
        ({"organisationsstatusar": [{"kod": "21", "klartext": "Konkurs avslutad"}]}, LegalStatus.DISSOLVED),
        (
            {"organisationsstatusar": [{"kod": "40", "klartext": "Likvidation beslutad"}]},
            LegalStatus.LIQUIDATION,
        ),
        (
            {
                "organisationsstatusar": [
                    {"kod": "1", "klartext": "Nytt", "typ": "AvvecklingsOmstruktureringsforfarande"}
                ]
            },
            LegalStatus.LIQUIDATION,
        ),
        ({"organisationsstatusar": [{"kod": "1", "klartext": "Upplöst genom fusion"}]}, LegalStatus.MERGED),
        (
            {
                "detaljeradStatus": {
                    "avregistreradOrganisation": {
                        "avregistreringsdatum": "2026-01-31",
                        "avregistreringsorsak": {"klartext": "Fusion"},
                    }
                }
            },
            LegalStatus.MERGED,
        ),
        (
            {"detaljeradStatus": {"avregistreradOrganisation": {"avregistreringsdatum": "2026-01-31"}}},
            LegalStatus.DISSOLVED,
        ),
    ],
)
def test_swedish_standing_is_read_off_the_words(
    odd: Odd, changes: dict[str, Any], status: LegalStatus
) -> None:
    extract = swedish(odd, **changes)
    assert extract is not None
    assert extract.status is status


def test_a_person_in_many_organisations_is_asked_for_page_by_page(odd: Odd) -> None:
    pages = [["5599980108"] * 99 + ["196001012384"], ["5599980116"]]

    def engaged(path: str) -> Any:
        listed = [
            {"organisation": {"identitet": {"identitetsbeteckning": number}}} for number in pages.pop(0)
        ]
        return jsonify(funktionarsOrganisationsengagemang=listed)

    odd.answer = engaged
    found = Sweden(odd.url).organisations_of(NationalIdentity("", "", "", "196001012384", country="SE"))
    assert found == ["0007:5599980108", "0007:5599980116"], "a sole proprietor's own number is none of ours"


# Denmark

NOW = {"gyldigFra": "2020-01-01", "gyldigTil": None}
OVER = {"gyldigFra": "2010-01-01", "gyldigTil": "2026-05-31"}
TO_DAY = {"gyldigFra": "2020-01-01", "gyldigTil": "2026-06-01"}


def participant(
    name: str, function: str, period: dict[str, Any] = NOW, body: str = "LEDELSESORGAN"
) -> dict[str, Any]:
    value = {"vaerdi": function, "periode": period}
    return {
        "deltager": {
            "enhedsNummer": 4000000001,
            "enhedstype": "PERSON",
            "navne": [{"navn": name, "periode": NOW}],
        },
        "organisationer": [
            {"hovedtype": body, "medlemsData": [{"attributter": [{"type": "FUNKTION", "vaerdier": [value]}]}]}
        ],
    }


def danish(
    odd: Odd, *rules: tuple[str, dict[str, Any]], status: str = "NORMAL", **changes: Any
) -> Extract | None:
    company = {
        "cvrNummer": 99810106,
        "virksomhedMetadata": {"nyesteNavn": {"navn": "Prøve ApS"}, "sammensatStatus": status},
        "attributter": [
            {
                "type": "TEGNINGSREGEL",
                "vaerdier": [{"vaerdi": text, "periode": period} for text, period in rules],
            }
        ],
        "deltagerRelation": [
            participant("Fie Formand", "formand"),
            participant("Mia Medlem", "bestyrelsesmedlem", TO_DAY),
            participant("Gammel Mand", "bestyrelsesmedlem", OVER),
            participant("Dan Direktør", "direktør"),
            participant("Ejer", "100%", body="REGISTER"),
        ],
    } | changes
    odd.answer = lambda path: jsonify(hits={"hits": [{"_source": {"Vrvirksomhed": company}}]})
    return Denmark(odd.url).extract(DANISH, TODAY)


def test_in_cvr_only_what_holds_today_holds(odd: Odd) -> None:
    rules = (
        ("Selskabet tegnes af bestyrelsens formand alene.", OVER),
        ("Selskabet tegnes af to medlemmer af bestyrelsen i forening.", NOW),
    )
    extract = danish(odd, *rules)
    assert extract is not None
    assert {holder.name for post in extract.posts for holder in post.holders} == {
        "Fie Formand",
        "Mia Medlem",
        "Dan Direktør",
    }
    assert set(alone(extract)) == {"Dan Direktør"}
    assert len(extract.signatures.sets()) == 2


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("Selskabet tegnes af en direktør.", {"Dan Direktør"}),
        ("Selskabet tegnes af bestyrelsens formand alene.", {"Dan Direktør", "Fie Formand"}),
        (
            "Selskabet tegnes af bestyrelsens formand i forening med et medlem af bestyrelsen.",
            {"Dan Direktør"},
        ),
        ("Selskabet tegnes af bestyrelsens formand alene eller efter vedtægterne.", {"Dan Direktør"}),
    ],
)
def test_a_danish_sentence_is_read_whole_or_not_at_all(odd: Odd, text: str, who: set[str]) -> None:
    assert set(alone(danish(odd, (text, NOW)))) == who


@pytest.mark.parametrize(
    ("status", "stands"),
    [
        ("NORMAL", LegalStatus.REGISTERED),
        ("Aktiv", LegalStatus.REGISTERED),
        ("UNDER KONKURS", LegalStatus.BANKRUPT),
        ("OPLØST EFTER KONKURS", LegalStatus.DISSOLVED),
        ("OPLØST EFTER FUSION", LegalStatus.MERGED),
        ("UNDER TVANGSOPLØSNING", LegalStatus.LIQUIDATION),
        ("NOGET HELT NYT", LegalStatus.LIQUIDATION),
    ],
)
def test_danish_standing(odd: Odd, status: str, stands: LegalStatus) -> None:
    extract = danish(odd, status=status)
    assert extract is not None
    assert extract.status is stands


def test_a_danish_life_that_is_over_is_over(odd: Odd) -> None:
    extract = danish(odd, livsforloeb=[{"periode": OVER}])
    assert extract is not None
    assert extract.status is LegalStatus.DISSOLVED


# Finland

ENTRY = {
    "register": "1",
    "type": "1",
    "descriptions": [
        {"languageCode": "2", "description": "Registrerad"},
        {"languageCode": "1", "description": "Rekisterissä"},
    ],
}
COMPANY: dict[str, Any] = {
    "businessId": {"value": "9998010-8"},
    "names": [{"name": "Uusi Oy", "type": "1"}, {"name": "Aputoiminimi", "type": "3"}],
    "companySituations": [],
    "registeredEntries": [ENTRY],
    "status": "2",
}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, LegalStatus.REGISTERED),
        ({"companySituations": [{"type": "KONK"}]}, LegalStatus.BANKRUPT),
        ({"companySituations": [{"type": "KONK", "endDate": "2025-01-01"}]}, LegalStatus.REGISTERED),
        ({"companySituations": [{"type": "SANE"}]}, LegalStatus.REGISTERED),
        ({"companySituations": [{"type": "SELV"}]}, LegalStatus.LIQUIDATION),
        (
            {
                "registeredEntries": [
                    ENTRY | {"endDate": "2020-01-01"},
                    ENTRY | {"descriptions": [{"languageCode": "1", "description": "Lakannut"}]},
                ]
            },
            LegalStatus.DISSOLVED,
        ),
        (
            {
                "registeredEntries": [
                    ENTRY | {"descriptions": [{"languageCode": "1", "description": "Sulautunut"}]}
                ]
            },
            LegalStatus.MERGED,
        ),
        ({"endDate": "2026-01-31"}, LegalStatus.DISSOLVED),
    ],
)
def test_finnish_standing_is_in_two_places_and_never_in_status(
    odd: Odd, changes: dict[str, Any], status: LegalStatus
) -> None:
    odd.answer = lambda path: jsonify(companies=[COMPANY | changes])
    extract = Finland(odd.url).extract(FINNISH, TODAY)
    assert extract is not None
    assert (extract.name, extract.status) == ("Uusi Oy", status)


def test_open_data_of_finland_lets_nobody_act(nation: Nation) -> None:
    extract = Finland(f"{nation.url}/fi").extract(FINNISH, TODAY)
    assert extract is not None
    assert extract.posts == ()
    assert alone(extract) == {}


def test_a_right_to_sign_that_does_not_say_alone_is_no_right_alone(odd: Odd) -> None:
    chair = {
        "role": "chairperson",
        "givenName": "Aino",
        "middleNames": "Maria",
        "lastName": "Aho",
        "personalId": "1",
        "dateOfBirth": "1960-01-01",
    }
    odd.answer = lambda path: (
        jsonify(companies=[COMPANY]) if "companies" in path else jsonify(signatoryRights=[chair])
    )
    extract = Finland(odd.url, odd.url).extract(FINNISH, TODAY)
    assert extract is not None
    assert extract.posts[0].holders[0].name == "Aino Maria Aho"
    assert alone(extract) == {}
    assert not extract.signatures.complete


# Iceland


def test_an_icelandic_procuration_holder_acts_alone_and_a_board_does_not(odd: Odd) -> None:
    people = [
        ("Prókúra", "Prókúruhafi", "0101302129", "Prók"),
        ("Stjórn", "Stjórnarformaður", "0101302999", "Form"),
        ("Endurskoðandi", None, "7112999559", "Endurskoðun ehf."),
    ]
    told = {
        "NationalId": "7112999550",
        "Name": "Prufa ehf.",
        "Relationships": [
            {"Type": kind, "Position": position, "NationalId": number, "Name": name}
            for kind, position, number, name in people
        ],
    }
    odd.answer = lambda path: jsonify(told)
    extract = Iceland(odd.url).extract(ICELANDIC, TODAY)
    assert alone(extract) == {"Prók": OrganisationRole.PROCURATION_HOLDER}


@pytest.mark.parametrize("country", ["SE", "DK", "FI", "IS"])
@pytest.mark.parametrize(
    "document",
    [
        {"a": 1},
        [7],
        "text",
        7,
        [{"identitet": None}],
        {"hits": {"hits": [{}]}},
        {"companies": [{}]},
        {"NationalId": "7112999550"},
    ],
)
def test_what_is_not_in_the_documented_form_is_no_answer(odd: Odd, country: str, document: Any) -> None:
    odd.answer = lambda path: jsonify(document)
    adapter = {"SE": Sweden, "DK": Denmark, "FI": Finland, "IS": Iceland}[country](odd.url)
    with pytest.raises(RegisterUnavailable):
        adapter.extract(BY_COUNTRY[country], TODAY)
