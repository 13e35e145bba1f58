"""RFC 9396, rich authorization requests: every member is checked, none is ignored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World

UNTIL = "2026-01-01T00:00:00Z"


def refused(world: World, **changes: Any) -> str:
    answer = world.bank.push([world.details(**changes)])
    assert answer.status_code == 400, answer.text
    assert answer.json["error"] == "invalid_authorization_details"
    return str(answer.json["error_description"])


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"type": "payment"}, "type"),
        ({"colour": "blue"}, "colour"),
        ({"owner": {"authority": "iso6523-actorid-upis", "ID": "0192:310028143"}}, "organisasjonsnummer"),
        ({"owner": {"authority": "iso6523-actorid-upis", "ID": "0199:1"}}, "ICD"),
        ({"owner": {"authority": "duns", "ID": "0192:310028142"}}, "owner.authority"),
        ({"owner": {"ID": "0192:310028142"}}, "owner.authority"),
        ({"owner": "0192:310028142"}, "owner"),
        ({"purpose": "curiosity"}, "purpose"),
        ({"purpose": None}, "purpose"),
        ({"datatypes": ["payroll_of_neighbour"]}, "datatypes"),
        ({"datatypes": []}, "datatypes"),
        ({"datatypes": ["trial_balance", "trial_balance"]}, "datatypes"),
        ({"datatypes": [1]}, "datatypes"),
        ({"actions": ["write"]}, "actions"),
        ({"locations": []}, "locations"),
        ({"locations": ["http://erp.example.no"]}, "locations"),
        ({"locations": ["javascript:alert(1)"]}, "locations"),
        ({"period": {"from": "2025-12-31", "to": "2025-01-01"}}, "ends before it starts"),
        ({"period": {"from": "2025-02-30", "to": "2025-12-31"}}, "period.from"),
        ({"period": {"from": "2010-01-01", "to": "2025-12-31"}}, "period-within-purpose"),
        ({"access": {"mode": "standing", "valid_until": "2020-01-01T00:00:00Z"}}, "end-to-come"),
        ({"access": {"mode": "standing", "valid_until": "2020-01-01T00:00:00"}}, "valid_until"),
        ({"access": {"mode": "standing", "valid_until": "9999-12-31T23:59:59Z"}}, "access-within-purpose"),
        ({"access": {"mode": "recurring", "valid_until": UNTIL}}, "frequency"),
        ({"access": {"mode": "forever", "valid_until": UNTIL}}, "mode"),
        (
            {"access": {"mode": "once", "valid_until": UNTIL, "frequency": {"unit": "day", "value": 1}}},
            "frequency",
        ),
        (
            {"access": {"mode": "recurring", "valid_until": UNTIL, "frequency": {"unit": "day", "value": 0}}},
            "frequency",
        ),
        (
            {
                "access": {
                    "mode": "recurring",
                    "valid_until": UNTIL,
                    "frequency": {"unit": "day", "value": 1.5},
                }
            },
            "frequency",
        ),
        ({"retention": "forever"}, "retention"),
        ({"retention": "P99Y"}, "retention-within-purpose"),
        ({"retention": "PT5M"}, "retention"),
        ({"onward_sharing": ["somebody"]}, "ICD"),
        ({"legal_basis": "because"}, "legal_basis"),
        ({"message": {"en": "x" * 301}}, "message"),
        ({"message": {"en": "a\u0007b"}}, "message"),
        ({"message": "hello"}, "message"),
    ],
)
def test_a_wrong_member_is_named(world: World, change: dict[str, Any], names: str) -> None:
    assert names in refused(world, **change)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[1]",
        "[{},{}]",
        "not json",
        '[{"type":',
        "[" * 5000,
        "null",
        '{"type":"business_data"}',
    ],
)
def test_what_is_not_one_object_in_an_array_is_refused(world: World, text: str) -> None:
    answer = world.bank.push(authorization_details=text)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_authorization_details")


def test_nothing_is_left_behind_by_a_refused_request(world: World) -> None:
    refused(world, purpose="curiosity")
    assert "Credit assessment" not in world.sign_in().get("/").text


def test_what_was_granted_comes_back_in_token_response_and_token(world: World) -> None:
    import jwt

    browser, pushed = world.sign_in(), world.bank.push()
    form = {"datatypes": ["trial_balance"], "period_from": "2025-01-01", "period_to": "2025-06-30"}
    code = world.approve(browser, pushed, **form)["code"]
    answer = world.bank.redeem(code).json
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert answer["authorization_details"] == claims["authorization_details"]
    [granted] = answer["authorization_details"]
    assert granted["datatypes"] == ["trial_balance"]
    assert granted["period"] == {"from": "2025-01-01", "to": "2025-06-30"}
    assert granted["grant_id"] == answer["grant_id"] == claims["grant_id"]


def test_an_owner_that_is_left_out_is_chosen_while_answering(world: World) -> None:
    browser, pushed = world.sign_in(), world.bank.push([world.details(owner=None)])
    code = world.approve(browser, pushed, owner="0192:310034568")["code"]
    [granted] = world.bank.redeem(code).json["authorization_details"]
    assert granted["owner"]["ID"] == "0192:310034568"
