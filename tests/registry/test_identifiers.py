"""ISO 6523 identifiers of the five countries (DESIGN section 9)."""

from __future__ import annotations

import pytest

from consent_service.errors import ServiceError
from consent_service.registry.identifiers import country_of, parse


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
