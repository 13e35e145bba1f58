"""RFC 9396, rich authorization requests: every member is checked, none is ignored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from consent_service.config import POLICIES
from consent_service.errors import ServiceError
from consent_service.grants.catalogue import Catalogue, CatalogueError
from consent_service.grants.schemas import BusinessDataSchema, terms_of
from consent_service.grants.types import load
from consent_service.policy.engine import PolicySet
from consent_service.web.problems import first_problem
from tests.oauth.grants import introspect, refresh
from tests.world import ISSUER, World

TYPES = load(POLICIES / "types")
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
        ({"access": {"mode": "standing", "valid_until": "0001-01-01T00:00:00+23:59"}}, "valid_until"),
        ({"access": {"mode": "standing", "valid_until": "9999-12-31T23:59:59-23:59"}}, "valid_until"),
        ({"locations": ["https://\ud800/api"]}, "not JSON"),
        ({"retention": "\udfff"}, "not JSON"),
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


def valid() -> dict[str, Any]:
    return {
        "type": "business_data",
        "owner": {"authority": "iso6523-actorid-upis", "ID": "0192:310028142"},
        "purpose": "credit_assessment",
        "datatypes": ["financial_statement", "trial_balance"],
        "actions": ["read"],
        "locations": ["https://erp.example.no/api"],
        "period": {"from": "2024-01-01", "to": "2025-12-31"},
        "access": {
            "mode": "recurring",
            "frequency": {"unit": "day", "value": 4},
            "valid_until": "2027-01-31T00:00:00Z",
        },
        "retention": "P90D",
        "onward_sharing": ["0007:5599980116"],
        "legal_basis": "consent",
        "message": {"en": "Your loan application 4711"},
    }


PATHS: list[tuple[str, ...]] = [
    *((name,) for name in (*valid(), "colour")),
    *(("owner", name) for name in ("authority", "ID", "colour")),
    *(("period", name) for name in ("from", "to", "colour")),
    *(("access", name) for name in ("mode", "frequency", "valid_until", "colour")),
    *(("access", "frequency", name) for name in ("unit", "value", "colour")),
    *(("message", name) for name in ("en", "nb-NO", "english", "en\n", "EN")),
]
TEXTS = [
    "",
    "x",
    "x" * 65,
    "x" * 301,
    "a\u0007b",
    "read",
    "write",
    "once",
    "standing",
    "month",
    "consent",
    "P0D",
    "P1Y6M",
    "P",
    "PT5M",
    "P1D\n",
    "P١D",
    "2025-01-01",
    "2025-1-1",
    "2025-02-30",
    "2025-01-01\n",
    "2027-01-31T00:00:00Z",
    "2027-01-31T00:00:00.5+02:00",
    "2027-01-31 00:00:00Z",
    "2027-01-31T00:00:00",
    "2027-01-31T00:00Z",
    "0192:310028142",
    "0192:310028143",
    "0199:1",
    "https://else.example",
    "http://else.example",
    "ftp://else.example",
    "iso6523-actorid-upis",
]
scalars = st.one_of(st.none(), st.booleans(), st.integers(-1, 10_001), st.sampled_from(TEXTS), st.text())
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=21), st.dictionaries(st.sampled_from(["from", "unit", "x"]), inner)
    ),
    max_leaves=24,
)
ABSENT = object()
UNSAID = (
    "organisasjonsnummer",
    "organisationsnummer",
    "CVR-nummer",
    "Y-tunnus",
    "kennitala",
    "ends before it starts",
    "control character",
    "must be an https URL",
    "must be https;",
    "is not a URL",
    "Not a valid date",
    "Not a valid aware datetime",
)
"""What the schema's description says in words: check digits, the calendar, addresses, characters."""


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PATHS), st.one_of(st.just(ABSENT), anything)), min_size=1, max_size=2)
)
def test_the_published_schema_and_our_own_reading_agree(changes: list[tuple[tuple[str, ...], Any]]) -> None:
    document = valid()
    for path, value in changes:
        inner: Any = document
        for name in path[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict):
            continue
        if value is ABSENT:
            inner.pop(path[-1], None)
        else:
            inner[path[-1]] = value
    problem = TYPES["business_data"].problem(document)
    try:
        BusinessDataSchema().load(document)
        said = ""
    except ValidationError as error:
        said = first_problem(error.messages_dict)
    if problem is not None:
        assert said, problem
    if said:
        assert problem is not None or any(one in said for one in UNSAID), said


def test_the_schema_is_published_where_the_metadata_says(world: World) -> None:
    client = world.app.test_client()
    metadata = client.get("/.well-known/oauth-authorization-server").json
    assert metadata["authorization_details_types_supported"] == ["business_data"]
    told = client.get(metadata["authorization_details_types_metadata_endpoint"].removeprefix(ISSUER)).json
    assert sorted(told) == ["business_data"]
    alone = client.get(told["business_data"]["schema_uri"].removeprefix(ISSUER))
    assert alone.mimetype == "application/schema+json"
    assert alone.json == told["business_data"]["schema"] == dict(TYPES["business_data"].schema)
    assert client.get("/api/v1/authorization-details-types/payment").status_code == 404


def test_the_schema_is_part_of_the_policy_set_s_digest(tmp_path: Path) -> None:
    shutil.copytree(POLICIES, tmp_path / "policies")
    before = PolicySet.load(tmp_path / "policies")
    schema = tmp_path / "policies" / "types" / "business_data.schema.json"
    schema.write_text(schema.read_text().replace('"maxItems": 20', '"maxItems": 2'))
    assert PolicySet.load(tmp_path / "policies").digest != before.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema"),
        ({"properties": {"type": {"const": "payment"}}}, "constant"),
        ({"items": {"$ref": "https://else.example/schema"}}, "within the file"),
        ({"type": "nothing"}, "business_data"),
    ],
)
def test_a_type_that_does_not_hold_stops_the_set(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    shutil.copytree(POLICIES, tmp_path / "policies")
    schema = tmp_path / "policies" / "types" / "business_data.schema.json"
    schema.write_text(json.dumps(json.loads(schema.read_text()) | change))
    with pytest.raises(CatalogueError, match=said.replace("$", r"\$")):
        Catalogue.load(tmp_path / "policies" / "catalogue")


def test_a_policy_set_can_narrow_the_type(tmp_path: Path) -> None:
    shutil.copytree(POLICIES, tmp_path / "policies")
    schema = tmp_path / "policies" / "types" / "business_data.schema.json"
    schema.write_text(schema.read_text().replace('"maxItems": 20', '"maxItems": 1'))
    narrow = Catalogue.load(tmp_path / "policies" / "catalogue")
    with pytest.raises(ServiceError, match="datatypes") as refusal:
        terms_of(valid() | {"onward_sharing": []}, narrow)
    assert refusal.value.code == "invalid_authorization_details"


def test_a_code_can_be_redeemed_for_less_and_the_refresh_token_keeps_all(world: World) -> None:
    code = world.approve(world.sign_in(), world.bank.push())["code"]
    less = world.details(datatypes=["trial_balance"], message=None, owner=None)
    token = world.bank.redeem(code, authorization_details=json.dumps([less])).json
    [carried] = token["authorization_details"]
    assert carried["datatypes"] == ["trial_balance"]
    [told] = introspect(world.erp, token["access_token"])["authorization_details"]
    assert told == carried
    assert refresh(world.bank, token).json["authorization_details"][0]["datatypes"] == [
        "financial_statement",
        "trial_balance",
    ]


def test_a_refresh_for_less_may_send_back_the_object_that_it_got(world: World) -> None:
    token = world.grant()
    [granted] = token["authorization_details"]
    less = granted | {"period": {"from": "2025-01-01", "to": "2025-03-31"}, "retention": "P0D"}
    [carried] = refresh(world.bank, token, authorization_details=json.dumps([less])).json[
        "authorization_details"
    ]
    assert carried == less


@pytest.mark.parametrize(
    "change",
    [
        {"datatypes": ["vat_return"]},
        {"period": {"from": "2023-12-31", "to": "2025-12-31"}},
        {"retention": "P91D"},
        {"purpose": "accounting_services"},
        {"locations": ["https://else.example"]},
        {"onward_sharing": ["0007:5599980116"]},
        {"grant_id": "another"},
        {"message": {"en": "Something else"}},
        {"owner": {"authority": "iso6523-actorid-upis", "ID": "0007:5599980108"}},
        {"colour": "blue"},
    ],
)
def test_the_token_endpoint_gives_only_less_never_more(world: World, change: dict[str, Any]) -> None:
    token = world.grant()
    [granted] = token["authorization_details"]
    more = json.dumps([granted | change])
    answer = refresh(world.bank, token, authorization_details=more)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_authorization_details")
    often = granted["access"] | {"frequency": {"unit": "day", "value": 5}}
    answer = refresh(world.bank, token, authorization_details=json.dumps([granted | {"access": often}]))
    assert answer.json["error"] == "invalid_authorization_details"


def test_token_response_introspection_and_token_say_the_same(world: World) -> None:
    token = world.grant()
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    told = introspect(world.erp, token["access_token"])
    assert token["authorization_details"] == claims["authorization_details"] == told["authorization_details"]
