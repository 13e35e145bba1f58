"""The published catalogue and its durations: what is in it, and that a wrong file names its fault."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consent_service.grants.catalogue import Catalogue, CatalogueError, DataSet, Purpose
from consent_service.grants.duration import Duration, DurationError, add, longer, parse_duration
from consent_service.registry import identifiers

PUBLISHED = Path(__file__).parents[2] / "policies" / "catalogue"
CATALOGUE = Catalogue.load(PUBLISHED)
LANGUAGES = ("en", "nb", "sv", "da", "fi", "is")
PURPOSES = {
    "credit_assessment",
    "accounting_services",
    "vat_reporting",
    "statistics",
    "annual_accounts",
    "supplier_onboarding",
    "trade",
    "sustainability_reporting",
}
DATA_SETS = {
    "trial_balance",
    "general_ledger",
    "financial_statement",
    "annual_accounts",
    "vat_return",
    "payroll_summary",
    "bank_reconciliation",
    "e_invoice",
    "e_order",
    "e_receipt",
    "e_catalogue",
    "energy_use",
    "emissions",
    "waste",
}
DPV = {
    "CreditChecking",
    "ServiceProvision",
    "LegalCompliance",
    "ProvideOfficialStatistics",
    "VendorSelectionAssessment",
    "FulfilmentOfContractualObligation",
}
"""Terms of the Data Privacy Vocabulary 2.0, taken from its list of purposes."""


def test_what_is_published() -> None:
    assert set(CATALOGUE.purposes) >= PURPOSES
    assert set(CATALOGUE.data_sets) >= DATA_SETS


@pytest.mark.parametrize("name", sorted(CATALOGUE.purposes) + sorted(CATALOGUE.data_sets))
@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_said_in_every_language(name: str, language: str) -> None:
    found: list[Purpose | DataSet | None] = [CATALOGUE.purpose(name), CATALOGUE.data_set(name)]
    for entry in (one for one in found if one):
        assert entry.name.by_language[language].strip()
        text = entry.description.by_language[language]
        assert text.endswith(".")
        assert text.count(".") == 1, "one sentence"
        assert len(text) <= 120
        if language != "en":
            assert text != entry.description.by_language["en"]


@pytest.mark.parametrize("name", sorted(CATALOGUE.purposes))
def test_every_purpose_is_bounded(name: str) -> None:
    purpose = CATALOGUE.purpose(name)
    assert purpose
    assert purpose.id == name
    assert purpose.limits.data_sets
    assert purpose.legal_bases
    assert purpose.dpv.removeprefix("https://w3id.org/dpv#") in DPV
    limits = purpose.limits
    for most in (limits.longest_period, limits.longest_access, limits.longest_retention):
        assert longer(most, Duration(0, 0))
    assert limits.most_often or name in {"credit_assessment", "accounting_services"}


@pytest.mark.parametrize("name", sorted(CATALOGUE.legal_bases))
def test_every_law_is_an_authority_s_and_narrower_than_its_purpose(name: str) -> None:
    law = CATALOGUE.legal_basis(name)
    assert law
    assert law.authorities
    assert {identifiers.country_of(one) for one in law.authorities} == {law.country}
    purpose = CATALOGUE.purpose(law.purpose)
    assert purpose
    assert law.limits.data_sets <= purpose.limits.data_sets
    assert law.limits.within(purpose.limits)


def test_a_credit_check_gets_what_it_needs_and_no_postings() -> None:
    purpose = CATALOGUE.purpose("credit_assessment")
    assert purpose
    assert {"financial_statement", "trial_balance"} <= purpose.limits.data_sets
    assert not {"general_ledger", "payroll_summary"} & purpose.limits.data_sets
    assert purpose.licence == "credit"


def test_what_names_people_says_so() -> None:
    for name in ("general_ledger", "payroll_summary"):
        data_set = CATALOGUE.data_set(name)
        assert data_set
        assert data_set.personal_data == "possible"
    for data_set in CATALOGUE.data_sets.values():
        if data_set.personal_data == "possible" and data_set.id != "annual_accounts":  # those are public
            assert data_set.confirmed_for, data_set.id


def test_unknown_ids_are_none() -> None:
    assert CATALOGUE.purpose("marketing") is None
    assert CATALOGUE.data_set("../secrets") is None


def test_a_language_that_is_missing_falls_back_to_english() -> None:
    purpose = CATALOGUE.purpose("credit_assessment")
    assert purpose
    assert purpose.name("nb") == "Kredittvurdering"
    assert purpose.name("de") == purpose.name() == "Credit assessment"


def test_it_can_not_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOGUE.purposes["x"] = CATALOGUE.purposes["credit_assessment"]  # type: ignore[index]


def test_a_directory_without_a_catalogue_has_an_empty_one(tmp_path: Path) -> None:
    assert Catalogue.load(tmp_path / "none") == Catalogue()


DATASETS_YAML = """
books: {name: {en: Books}, description: {en: All books.}, kind: financial, personal_data: none}
"""
PURPOSES_YAML = """
tidy:
  name: {en: Tidy}
  description: {en: To tidy.}
  dpv: https://w3id.org/dpv#LegalCompliance
  legal_bases: [consent]
  data_sets: [books]
  longest_period: P1Y
  longest_access: P6M
  longest_retention: P30D
"""


def load(path: Path, purposes: str = PURPOSES_YAML, data_sets: str = DATASETS_YAML) -> Catalogue:
    (path / "purposes.yaml").write_text(purposes, "utf-8")
    (path / "datasets.yaml").write_text(data_sets, "utf-8")
    return Catalogue.load(path)


def test_a_small_catalogue(tmp_path: Path) -> None:
    purpose = load(tmp_path).purpose("tidy")
    assert purpose
    limits = purpose.limits
    assert limits.data_sets == {"books"}
    assert (limits.longest_access, limits.longest_retention) == (Duration(6, 0), Duration(0, 30))
    assert (purpose.licence, purpose.onward_sharing, limits.most_often) == ("", False, None)


@pytest.mark.parametrize(
    "member", ["name", "description", "dpv", "legal_bases", "data_sets", "longest_access"]
)
def test_a_missing_member_is_named_with_its_file(tmp_path: Path, member: str) -> None:
    document = yaml.safe_load(PURPOSES_YAML)
    del document["tidy"][member]
    with pytest.raises(CatalogueError, match=rf"^purposes\.yaml: tidy: .*{member}"):
        load(tmp_path, yaml.safe_dump(document))


@pytest.mark.parametrize("member", ["name", "description", "kind", "personal_data"])
def test_a_missing_member_of_a_data_set_is_named_with_its_file(tmp_path: Path, member: str) -> None:
    document = yaml.safe_load(DATASETS_YAML)
    del document["books"][member]
    with pytest.raises(CatalogueError, match=rf"^datasets\.yaml: books: .*{member}"):
        load(tmp_path, data_sets=yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("data_sets", ["books", "letters"], "purposes.yaml: tidy names no data set: letters"),
        ("data_sets", "books", "names no data set"),
        ("data_sets", [["books"]], "purposes.yaml: tidy"),
        ("data_sets", None, "purposes.yaml: tidy"),
        ("legal_bases", ["because"], "tidy names no legal basis: because"),
        ("legal_bases", "consent", "tidy names no legal basis"),
        ("most_often", {"unit": "fortnight", "value": 1}, "purposes.yaml: tidy"),
        ("most_often", {"unit": "day"}, "purposes.yaml: tidy: value is missing"),
        ("mask", ["notes"], "purposes.yaml: tidy"),
        ("longest_period", "a year", "is not an ISO 8601 duration"),
        ("longest_period", 365, "purposes.yaml: tidy"),
        ("name", {"nb": "Rydde"}, "name needs a text in en"),
        ("name", "Tidy", "name needs a text in en"),
    ],
)
def test_a_wrong_member_is_named(tmp_path: Path, member: str, value: object, said: str) -> None:
    document = yaml.safe_load(PURPOSES_YAML)
    document["tidy"][member] = value
    with pytest.raises(CatalogueError, match=said):
        load(tmp_path, yaml.safe_dump(document))


LAWS_YAML = """
tidying_act:
  law: The Tidying Act
  country: "NO"
  gdpr: c
  authorities: ["0192:974761076"]
  purpose: tidy
  data_sets: [books]
  longest_period: P1Y
  longest_access: P6M
  longest_retention: P30D
  notice: P14D
"""


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("data_sets", ["books", "letters"], "is wider than its purpose"),
        ("longest_period", "P13M", "is wider than its purpose"),
        ("longest_access", "P1Y", "is wider than its purpose"),
        ("longest_retention", "P31D", "is wider than its purpose"),
        ("purpose", "other", "its purpose does not rest on it"),
        ("authorities", ["0192:974761077"], "legal_bases.yaml: tidying_act: .*organisasjonsnummer"),
        ("gdpr", "a", "point c or e"),
        ("notice", "soon", "legal_bases.yaml: tidying_act"),
        ("law", None, "law is missing"),
    ],
)
def test_a_wrong_law_is_named(tmp_path: Path, member: str, value: object, said: str) -> None:
    laws, purposes = yaml.safe_load(LAWS_YAML), yaml.safe_load(PURPOSES_YAML)
    purposes["tidy"]["legal_bases"] = ["consent", "tidying_act"]
    (tmp_path / "legal_bases.yaml").write_text(yaml.safe_dump(laws), "utf-8")
    assert load(tmp_path, yaml.safe_dump(purposes)).legal_basis("tidying_act")
    laws["tidying_act"] |= {member: value}
    if value is None:
        del laws["tidying_act"][member]
    (tmp_path / "legal_bases.yaml").write_text(yaml.safe_dump(laws), "utf-8")
    with pytest.raises(CatalogueError, match=said):
        load(tmp_path, yaml.safe_dump(purposes))


def test_a_law_is_no_more_frequent_than_its_purpose(tmp_path: Path) -> None:
    laws, purposes = yaml.safe_load(LAWS_YAML), yaml.safe_load(PURPOSES_YAML)
    purposes["tidy"] |= {
        "legal_bases": ["tidying_act"],
        "most_often": {"unit": "day", "value": 4},
    }
    for often, fits in (
        (None, False),
        ({"unit": "day", "value": 4}, True),
        ({"unit": "day", "value": 5}, False),
        ({"unit": "month", "value": 4}, True),
        ({"unit": "month", "value": 5}, False),  # they may all fall on one day
        ({"unit": "hour", "value": 1}, False),
    ):
        laws["tidying_act"]["most_often"] = often
        (tmp_path / "legal_bases.yaml").write_text(yaml.safe_dump(laws), "utf-8")
        if fits:
            assert load(tmp_path, yaml.safe_dump(purposes)).legal_bases
        else:
            with pytest.raises(CatalogueError, match="wider"):
                load(tmp_path, yaml.safe_dump(purposes))


@pytest.mark.parametrize(
    "text", ["{", "[1, 2]", "", "? [a]\n: b", "a: !!python/object/apply:os.system [true]", "tidy: 1"]
)
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(CatalogueError, match=r"purposes\.yaml"):
        load(tmp_path, text)


def test_a_purpose_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="stands twice"):
        load(tmp_path, PURPOSES_YAML + PURPOSES_YAML)
    with pytest.raises(CatalogueError, match="stands twice"):
        load(tmp_path, PURPOSES_YAML + "  data_sets: [books]\n")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"datasets\.yaml"):
        Catalogue.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "months", "days"),
    [("P0D", 0, 0), ("P90D", 0, 90), ("P2W", 0, 14), ("P6M", 6, 0), ("P1Y6M10D", 18, 10), ("P5Y", 60, 0)],
)
def test_durations(text: str, months: int, days: int) -> None:
    assert parse_duration(text) == Duration(months, days)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "90D",
        "P90",
        "p90d",
        "-P1D",
        "P-1D",
        "P1.5D",
        "PT1H",
        "P1DT1H",
        "P1D\n",
        " P1D",
        "P٣D",
        "P1D1M",
        "P9999999D",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("day", "text", "then"),
    [
        ("2024-01-31", "P1M", "2024-02-29"),
        ("2023-01-31", "P1M", "2023-02-28"),
        ("2024-02-29", "P1Y", "2025-02-28"),
        ("2024-12-31", "P1D", "2025-01-01"),
        ("2024-11-30", "P3M", "2025-02-28"),
    ],
)
def test_adding_counts_calendar_months(day: str, text: str, then: str) -> None:
    assert add(dt.date.fromisoformat(day), parse_duration(text)) == dt.date.fromisoformat(then)


def test_the_end_of_the_calendar_is_the_end() -> None:
    assert add(dt.date.max, parse_duration("P1Y")) == dt.date.max


@pytest.mark.parametrize(
    ("one", "other"), [("P1Y", "P11M"), ("P31D", "P30D"), ("P2M", "P31D"), ("P1Y1D", "P12M")]
)
def test_longer(one: str, other: str) -> None:
    assert longer(parse_duration(one), parse_duration(other))
    assert not longer(parse_duration(other), parse_duration(one))


def test_the_same_length_is_not_longer() -> None:
    assert not longer(parse_duration("P12M"), parse_duration("P1Y"))
    assert not longer(parse_duration("P1Y"), parse_duration("P12M"))


durations = st.builds(Duration, st.integers(0, 1200), st.integers(0, 40000))


@given(st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)), durations, durations)
def test_longer_is_an_order_and_adding_never_goes_back(day: dt.date, one: Duration, other: Duration) -> None:
    assert add(day, one) >= day
    assert not (longer(one, other) and longer(other, one))
