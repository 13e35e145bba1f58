"""The sandbox's eID refuses what a real one refuses, and its register speaks the programme's words."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from consent_service.sandbox.country.seed import load
from tests.world import CALLBACK, EID_SECRET, challenge

ASKED = {
    "response_type": "code",
    "client_id": "consent-service",
    "redirect_uri": CALLBACK,
    "state": "s",
    "nonce": "n",
    "code_challenge": challenge("v" * 64),
    "code_challenge_method": "S256",
}
AUTH = ("consent-service", EID_SECRET)


def code_for(country: str, person: str) -> str:
    back = httpx2.post(f"{country}/eid/authorize", data=ASKED | {"person": person})
    return httpx2.URL(back.headers["location"]).params["code"]


def redeem(country: str, code: str, auth: Any = AUTH, **changes: str) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": "v" * 64,
    }
    return httpx2.post(f"{country}/eid/token", data=form | changes, auth=auth)


def test_the_page_is_a_plain_form_with_a_button_for_each_person(country: str) -> None:
    page = httpx2.get(f"{country}/eid/authorize", params=ASKED)
    assert page.status_code == 200
    for person in ("ingrid", "odd", "marte", "jonas", "elsa", "mads", "aino", "sigridur"):
        assert f'name="person" value="{person}"' in page.text
    assert "<script" not in page.text


def test_an_id_token_says_who_was_chosen(country: str) -> None:
    answer = redeem(country, code_for(country, "aino")).json()
    keys = httpx2.get(f"{country}/eid/jwks").json()["keys"]
    claims = jwt.decode(
        answer["id_token"], jwt.PyJWK(keys[0]), ["ES256"], audience="consent-service", issuer=f"{country}/eid"
    )
    assert (claims["name"], claims["pid"], claims["nonce"]) == ("Aino Virtanen-Mäkelä", "TEST-FI-0001", "n")


def test_a_code_is_used_once_with_its_verifier_by_its_client(country: str) -> None:
    code = code_for(country, "elsa")
    assert redeem(country, code, auth=("consent-service", "wrong")).status_code == 401
    assert redeem(country, code).status_code == 200
    assert redeem(country, code).status_code == 400
    assert redeem(country, code_for(country, "elsa"), code_verifier="w" * 64).status_code == 400
    assert redeem(country, code_for(country, "elsa"), redirect_uri="https://evil.example").status_code == 400
    header = {"Authorization": "Basic " + base64.b64encode(b"nonsense").decode()}
    assert httpx2.post(f"{country}/eid/token", data={}, headers=header).status_code == 401


@pytest.mark.parametrize("change", [{"client_id": "x"}, {"redirect_uri": "https://evil.example"}])
def test_whom_it_does_not_know_it_sends_nowhere(country: str, change: dict[str, str]) -> None:
    answer = httpx2.get(f"{country}/eid/authorize", params=ASKED | change)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize("change", [{"code_challenge": ""}, {"nonce": ""}, {"response_type": "token"}])
def test_a_request_that_does_not_fit_goes_back_with_an_error(country: str, change: dict[str, str]) -> None:
    answer = httpx2.get(f"{country}/eid/authorize", params=ASKED | change)
    assert httpx2.URL(answer.headers["location"]).params["error"] == "invalid_request"


def test_cancelling_goes_back_with_access_denied(country: str) -> None:
    answer = httpx2.post(f"{country}/eid/authorize", data=ASKED | {"person": ""})
    assert httpx2.URL(answer.headers["location"]).params["error"] == "access_denied"


def test_the_register_knows_entities_and_rights(country: str) -> None:
    entity = httpx2.get(f"{country}/register/v2/legal-entities/0192:310028142").json()
    assert (entity["name"], entity["country"], entity["status"]) == (
        "Fjellvik Båtbyggeri AS",
        "NO",
        "registered",
    )
    assert httpx2.get(f"{country}/register/v2/legal-entities/0192:000000000").status_code == 404
    search = f"{country}/register/v2/signatory-rights/search"
    rights = httpx2.post(search, json={"person": "TEST-NO-0001"}).json()["signatory_rights"]
    assert {right["legal_entity"]["identifier"]["ID"] for right in rights} == {
        "0192:310028142",
        "0192:310034568",
    }
    assert httpx2.post(search, json={"person": "nobody"}).json() == {"signatory_rights": []}
    assert httpx2.post(search, json=[]).status_code == 400


def test_the_register_says_who_can_bind_in_the_programme_s_words(country: str) -> None:
    told = httpx2.get(f"{country}/register/v2/legal-entities/0192:310060011/signatory-rights").json()
    [rule] = told["signatoryRules"]
    assert [post["role"]["notation"] for post in rule["oneOf"]] == ["chair", "board_member"]
    assert rule["oneOf"][0]["heldByPerson"][0]["fullName"] == "Kari Storvik"
    assert httpx2.get(f"{country}/register/v2/legal-entities/0192:1/signatory-rights").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("organisations/0192:310028142", {"status": "asleep"}),
        ("organisations/0192:310028142", [1]),
        ("organisations/0192:1", {"status": "bankrupt"}),
        ("persons/ingrid", {"roles": [{"organisation": "0192:1", "role": "chair"}]}),
        ("persons/ingrid", {"roles": 7}),
        ("persons/nobody", {"roles": []}),
    ],
)
def test_the_registrar_s_desk_takes_nothing_that_makes_no_sense(country: str, path: str, body: Any) -> None:
    assert httpx2.post(f"{country}/desk/{path}", json=body).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "no/enhetsregisteret/api/enheter/310000000",
        "no/enhetsregisteret/api/enheter/310000000/roller",
        "no/fullmakt/enheter/310000000/signatur",
        "no/fullmakt/enheter/310028142/noe",
    ],
)
def test_the_norwegian_shape_has_404_for_what_it_does_not_know(country: str, path: str) -> None:
    assert httpx2.get(f"{country}/{path}").status_code == 404


def test_the_other_registers_ask_for_their_credentials(country: str) -> None:
    assert httpx2.post(f"{country}/se/oauth2/token", data={"client_id": "x"}).status_code == 401
    assert httpx2.post(f"{country}/se/organisationer", json={}).status_code == 401
    assert httpx2.post(f"{country}/se/organisationsengagemang", json={}).status_code == 401
    assert httpx2.post(f"{country}/dk/cvr-permanent/virksomhed/_search", json={}).status_code == 401
    assert httpx2.get(f"{country}/is/legalentities/7112999550").status_code == 401
    assert httpx2.get(f"{country}/is/prokura/TESTIS0001").status_code == 403
    assert (
        httpx2.post(
            f"{country}/fi/NSG/Agent/LegalEntity/NonListedCompany/SignatoryRights_v1.0", json={}
        ).status_code
        == 404
    )


def test_a_seed_with_a_rule_that_is_none_is_refused(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(
        'organisations: [{id: "0192:1", name: A, country: "NO", signature: [everybody]}]\npersons: []\n'
    )
    with pytest.raises(ValueError, match="signature rule"):
        load(seed)
