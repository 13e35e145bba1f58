"""ISO 6523 identifiers of the five countries (DESIGN section 9)."""

from __future__ import annotations

import pytest

from consent_service.errors import ServiceError
from consent_service.registry.identifiers import country_of, document, doubt, euid_of, icd_of, of_euid, parse


@pytest.mark.parametrize(
    ("text", "short", "country"),
    [
        ("0192:923609016", "0192:923609016", "NO"),
        ("0192:923 609 016", "0192:923609016", "NO"),
        ("0007:559998-0108", "0007:5599980108", "SE"),
        ("0184:99810106", "0184:99810106", "DK"),
        ("0212:9998010-8", "0212:99980108", "FI"),
        ("0196:711299-9550", "0196:7112999550", "IS"),
    ],
)
def test_each_country_s_form_is_taken_and_normalised(text: str, short: str, country: str) -> None:
    assert parse(text) == short
    assert country_of(short) == country


def test_denmark_has_no_check_digit_rule_in_0184() -> None:
    assert parse("0184:12345678") == "0184:12345678"


def test_a_danish_number_with_another_check_digit_is_taken_with_a_doubt() -> None:
    assert doubt(parse("0184:12345678"))
    assert doubt("0184:99810106") is None
    assert doubt("0192:923609016") is None


@pytest.mark.parametrize(
    ("short", "euid"),
    [
        ("0192:923609016", "NOFOR.923609016"),
        ("0007:5599980108", "SEBOLREG.5599980108"),
        ("0184:99810106", "DKCVR.99810106"),
        ("0212:99980108", "FIFPRO.9998010-8"),
    ],
)
def test_an_euid_names_the_same_organisation(short: str, euid: str) -> None:
    assert euid_of(short) == euid
    assert of_euid(euid) == short


def test_iceland_s_register_has_no_documented_name_in_an_euid() -> None:
    assert euid_of("0196:7112999550") is None


@pytest.mark.parametrize(
    "text", ["", "NOFOR", "NOFOR.", "NOFOR.923609017", "NOBOLREG.923609016", "DEX1517R.HRB395KI", None, 7]
)
def test_what_is_no_euid_of_the_five_countries_is_refused(text: object) -> None:
    with pytest.raises(ServiceError) as refused:
        of_euid(text)
    assert refused.value.code == "invalid_identifier"


def test_finland_is_known_by_0212_and_never_by_its_peppol_address() -> None:
    assert icd_of("FI") == "0212"
    assert icd_of("DE") is None
    assert document(parse("0212:9998010-8")) == {"authority": "iso6523-actorid-upis", "ID": "0212:99980108"}
    with pytest.raises(ServiceError):
        parse("0216:99980108")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "923609016",
        "0192:",
        ":923609016",
        "0192:923609017",
        "0007:5599980109",
        "0212:99980109",
        "0196:7112999551",
        "0196:1203892619",
        "0184:1234567",
        "0184:1234567a",
        "0088:923609016",
        "0192:９２３６０９０１６",
        "0192:" + "9" * 100,
        "0192:923609016\n",
        None,
        923609016,
        ["0192:923609016"],
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: object) -> None:
    with pytest.raises(ServiceError) as refused:
        parse(text)
    assert refused.value.code == "invalid_identifier"
    assert refused.value.description
