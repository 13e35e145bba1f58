"""An owner offers first: a link, taken once by the party that it names, and a grant like any other."""

from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from consent_service.db import reading, writing
from consent_service.ledger.store import PayloadRow
from consent_service.registry import serving
from consent_service.registry.model import ClientRole
from tests.oauth.grants import api_token, machine
from tests.world import OWNER, Peer, World, csrf

BANK = "0192:310041238"


def offer(world: World, browser: Any, **form: Any) -> TestResponse:
    page = browser.get("/offers/new", query_string={"party": BANK, "purpose": "credit_assessment"})
    assert page.status_code == 200, page.text
    filled = {
        "csrf_token": csrf(page),
        "party": BANK,
        "purpose": "credit_assessment",
        "datatypes": ["trial_balance"],
    }
    return browser.post("/offers/new", data=filled | form)


def code_of(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.text
    found = re.search(r"/offers/([\w-]{43})", answer.text)
    assert found
    return found[1]


def take(world: World, code: str, peer: Peer | None = None, method: str = "POST") -> TestResponse:
    token = api_token(peer or world.bank, "grant_management_query")
    headers = {"Authorization": f"Bearer {token}"}
    return world.app.test_client().open(f"/oauth/offers/{code}", method=method, headers=headers)


def test_an_offer_that_is_taken_is_a_grant_that_opens_reads_at_once(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    code = code_of(offer(world, browser))
    assert "Nordhavn Bank ASA" in browser.get("/offers").text
    looked = take(world, code, method="GET")
    assert looked.json["authorization_details"][0]["datatypes"] == ["trial_balance"]
    taken = take(world, code)
    assert taken.status_code == 201, taken.text
    grant_id = taken.json["grant_id"]
    token = machine(world.bank, grant_id)
    assert token.status_code == 200, token.text
    assert world.decide({"grant_id": grant_id})["decision"] is True
    assert world.decide({"grant_id": grant_id}, data_set="vat_return")["decision"] is False
    page = browser.get(f"/grants/{grant_id}")
    assert "Nordhavn Bank ASA" in page.text
    world.revoke(browser, grant_id)
    assert world.decide({"grant_id": grant_id})["decision"] is False


def test_an_offer_is_taken_once(world: World) -> None:
    code = code_of(offer(world, world.sign_in()))
    assert take(world, code).status_code == 201
    assert take(world, code).status_code == 404
    assert take(world, code, method="GET").status_code == 404


def test_nobody_else_takes_it_or_learns_of_it(world: World) -> None:
    code = code_of(offer(world, world.sign_in()))
    other = world.register(ClientRole.PARTY, "Another bank", "0192:971526920")
    assert take(world, code, other).status_code == 404
    assert take(world, code, other, method="GET").status_code == 404
    assert world.app.test_client().post(f"/oauth/offers/{code}").status_code == 401
    assert take(world, "x" * 43).status_code == 404
    assert take(world, code).status_code == 201


def test_what_was_taken_back_or_ran_out_opens_nothing(world: World) -> None:
    browser = world.sign_in()
    code = code_of(offer(world, browser))
    page = browser.get("/offers")
    found = re.search(r"/offers/([0-9a-f-]{36})/withdraw", page.text)
    assert found
    stranger = world.sign_in("elsa")
    theirs = {"csrf_token": csrf(stranger.get("/account"))}
    assert stranger.post(f"/offers/{found[1]}/withdraw", data=theirs).status_code == 404
    assert browser.post(f"/offers/{found[1]}/withdraw", data={"csrf_token": csrf(page)}).status_code == 303
    assert take(world, code).status_code == 404
    late = code_of(offer(world, browser))
    world.clock.advance(days=15)
    assert world.app.test_client().get(f"/offers/{late}").status_code == 404
    assert take(world, late).status_code == 404


def test_the_link_says_what_is_offered_without_a_sign_in(world: World) -> None:
    code = code_of(offer(world, world.sign_in()))
    page = world.app.test_client().get(f"/offers/{code}", headers={"Accept": "text/html"})
    for said in (
        "Fjellvik Båtbyggeri AS",
        "Nordhavn Bank ASA",
        "Trial balance",
        "POST http://localhost/oauth/offers/",
    ):
        assert said in page.text


@pytest.mark.parametrize(
    "form",
    [
        {"datatypes": []},
        {"datatypes": ["payroll_summary"]},
        {"valid_until": "2999-01-01"},
        {"period_from": "1999-01-01"},
        {"party": "0192:000000000"},
        {"purpose": "anything"},
        {"valid_until": "soon"},
    ],
)
def test_what_the_purpose_does_not_allow_can_t_be_offered(world: World, form: dict[str, Any]) -> None:
    browser = world.sign_in()
    refused = offer(world, browser, **form)
    assert refused.status_code == 400
    assert "No offer waits" in browser.get("/offers").text


def test_nothing_can_be_offered_that_no_system_keeps(world: World) -> None:
    with world.app.app_context(), writing() as session:
        serving.serve(session, world.erp.client_id, ["0192:310041238"], world.clock.now())
    refused = offer(world, world.sign_in())
    assert refused.status_code == 400
    assert "No system that keeps your data is known" in refused.text


def test_an_offer_needs_the_licence_that_a_request_needs(world: World) -> None:
    world.register(ClientRole.PARTY, "Unlicensed", "0192:971526920")
    refused = offer(world, world.sign_in(), party="0192:971526920")
    assert refused.status_code == 409
    assert "licence" in refused.text


def test_what_was_offered_follows_from_the_ledger(world: World) -> None:
    code = code_of(offer(world, world.sign_in()))
    take(world, code)
    with world.app.app_context():
        kinds = [
            row.kind for row in reading().query(PayloadRow).filter_by(owner=OWNER).order_by(PayloadRow.time)
        ]
        bodies = b"".join(row.body or b"" for row in reading().query(PayloadRow))
    assert kinds == ["offer.made", "grant.activated"]
    assert code.encode() not in bodies
