"""Access that a law opens, end to end: an authority's machine, the owner's pages, the ledger."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from consent_service.config import POLICIES
from consent_service.db import reading, writing
from consent_service.grants import disputes, records
from consent_service.grants.records import may_read
from consent_service.ledger import store as entries
from consent_service.ledger.model import Kind
from consent_service.ledger.store import PayloadRow, payloads_of
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish
from consent_service.registry import parties
from consent_service.registry.model import Client, ClientRole
from consent_service.signals.told import of_entry
from tests.policy.test_replay import report
from tests.world import OTHER_OWNER, OWNER, Peer, World, csrf

TAX = "0192:974761076"


@pytest.fixture
def tax(world: World) -> Peer:
    """The tax administration's client."""
    return world.register(ClientRole.PARTY, "Skatteetaten", TAX, redirect="https://tax.example.no/cb")


def vat(world: World, **changes: Any) -> dict[str, Any]:
    until = world.clock.now() + dt.timedelta(days=90)
    access = {
        "mode": "recurring",
        "frequency": {"unit": "day", "value": 4},
        "valid_until": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    asked = {
        "purpose": "vat_reporting",
        "datatypes": ["vat_return"],
        "legal_basis": "no_tax",
        "access": access,
    }
    return world.details(**({"message": None, "retention": "P10Y"} | asked | changes))


def invoke(peer: Peer, details: dict[str, Any], **options: Any) -> Any:
    form = {"grant_type": "client_credentials", "authorization_details": json.dumps([details])}
    return peer.post("/oauth/token", form, **({"dpop": True} | options))


def read(world: World, peer: Peer, token: dict[str, Any], data_set: str = "vat_return") -> dict[str, Any]:
    return world.decide(token, party=peer.client_id, data_set=data_set, context={"purpose": "vat_reporting"})


def test_the_authority_reads_without_consent_and_the_owner_sees_it(world: World, tax: Peer) -> None:
    answer = invoke(tax, vat(world))
    assert answer.status_code == 200, answer.text
    token = answer.json
    assert token["token_type"] == "DPoP"
    assert token["authorization_details"][0]["legal_basis"] == "no_tax"
    decided = read(world, tax, token)
    assert decided["decision"] is True
    browser = world.sign_in()
    listed = browser.get("/grants").text
    assert "Skatteetaten" in listed
    page = browser.get(f"/grants/{token['grant_id']}").text
    assert "By law" in page
    assert "Skatteforvaltningsloven § 10-1" in page
    assert "Announced by law" in page
    assert "What you granted" not in page
    assert "/revoke" not in page
    assert "VAT return" in browser.get("/activity").text


def test_an_owner_can_not_take_back_what_a_law_opened(world: World, tax: Peer) -> None:
    token = invoke(tax, vat(world)).json
    browser = world.sign_in()
    page = browser.get("/account")
    from tests.world import csrf

    answer = browser.post(f"/grants/{token['grant_id']}/revoke", data={"csrf_token": csrf(page)})
    assert answer.status_code == 409
    assert read(world, tax, token)["decision"] is True


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another data set": ({"datatypes": ["vat_return", "trial_balance"]}, "law-allows-data-sets"),
    "a longer period": ({"period": {"from": "2022-01-01", "to": "2025-12-31"}}, "period-within-purpose"),
    "a Swedish owner": (
        {"owner": {"authority": "iso6523-actorid-upis", "ID": OTHER_OWNER}},
        "law-of-the-owners-country",
    ),
    "another law": ({"legal_basis": "se_tax"}, "law-names-authority"),
    "no law": ({"legal_basis": "consent"}, "must be a law"),
    "an unknown law": ({"legal_basis": "no_curiosity"}, "must be a law"),
    "nobody": ({"owner": None}, "owner must be named"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_law_does_not_name_is_refused(world: World, tax: Peer, name: str) -> None:
    changes, said = WRONG[name]
    answer = invoke(tax, vat(world, **changes))
    assert answer.status_code == 400, answer.text
    assert answer.json["error"] == "invalid_authorization_details"
    assert said in answer.json["error_description"]


def test_only_the_authority_may_invoke_its_law(world: World) -> None:
    answer = invoke(world.bank, vat(world))
    assert "law-names-authority" in answer.json["error_description"]
    assert invoke(world.erp, vat(world)).json["error"] == "unauthorized_client"


def test_the_token_is_bound_to_a_key(world: World, tax: Peer) -> None:
    assert invoke(tax, vat(world), dpop=False).json["error"] == "invalid_dpop_proof"


def test_the_same_terms_again_are_the_same_access(world: World, tax: Peer) -> None:
    details = vat(world)
    first, again = invoke(tax, details).json, invoke(tax, details).json
    assert first["grant_id"] == again["grant_id"]
    assert first["access_token"] != again["access_token"]


def test_other_words_do_not_begin_the_count_anew(world: World, tax: Peer) -> None:
    token = invoke(tax, vat(world)).json
    for _ in range(4):
        assert read(world, tax, token)["decision"] is True
    world.clock.advance(seconds=1)
    other = invoke(tax, vat(world, retention="P1Y")).json
    assert other["grant_id"] != token["grant_id"]
    reasons = [one["policy"] for one in read(world, tax, other)["context"]["reasons"]]
    assert reasons == ["limit-reached"]
    second = world.register(ClientRole.PARTY, "Skatteetaten", TAX, redirect="https://tax2.example.no/cb")
    another = invoke(second, vat(world)).json
    assert read(world, second, another)["decision"] is False
    world.clock.advance(days=1)
    assert read(world, tax, other)["decision"] is True
    once = {"mode": "once", "valid_until": vat(world)["access"]["valid_until"]}
    assert "law-counts-alike" in invoke(tax, vat(world, access=once)).json["error_description"]


def test_an_owner_is_asked_for_consent_and_for_nothing_else(world: World, tax: Peer) -> None:
    pushed = tax.push([vat(world)], redirect_uri="https://tax.example.no/cb")
    assert pushed.status_code == 400
    assert "legal_basis must be consent" in pushed.json["error_description"]


def test_it_ends_when_its_time_is_over(world: World, tax: Peer) -> None:
    token = invoke(tax, vat(world)).json
    world.clock.advance(days=91)
    reasons = [one["policy"] for one in read(world, tax, token)["context"]["reasons"]]
    assert reasons == ["grant-ended"]


def test_a_notice_runs_before_anything_is_read(world: World, tax: Peer, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(POLICIES, newer)
    path = newer / "catalogue" / "legal_bases.yaml"
    laws = yaml.safe_load(path.read_text())
    laws["no_tax"]["notice"] = "P14D"
    path.write_text(yaml.safe_dump(laws, allow_unicode=True))
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(newer), world.clock.now())
    details = vat(world)
    answer = invoke(tax, details)
    assert (answer.status_code, answer.json["error"]) == (400, "authorization_pending")
    browser = world.sign_in()
    assert "Announced" in browser.get("/grants").text
    question = world.question({"grant_id": None}, world.erp, party=tax.client_id, data_set="vat_return")
    question["context"] = {}
    refused = world.ask(world.erp, question).json
    assert [one["policy"] for one in refused["context"]["reasons"]] == ["notice-given"]
    world.clock.advance(days=15)
    token = invoke(tax, details).json
    assert read(world, tax, token)["decision"] is True
    world.sequence()
    assert report(world)["differences"] == []


def test_a_law_goes_on_while_it_is_disputed_who_acts_for_the_owner(world: World, tax: Peer) -> None:
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    by_law, agreed = invoke(tax, vat(world)).json, world.grant()
    now = world.clock.now
    with world.app.app_context(), writing() as session:
        assert disputes.begin(session, OWNER, actor="operator", reason="two boards", now=now()) == 1
    assert read(world, tax, by_law)["decision"] is True
    refused = world.decide(agreed)
    assert [one["policy"] for one in refused["context"]["reasons"]] == ["grant-in-dispute"]
    assert refused["context"]["reasons"][0]["mend"] == "wait"
    pushed = world.bank.push()
    assert "owner-undisputed" in pushed.json["error_description"]
    with world.app.app_context(), writing() as session:
        assert disputes.settle(session, OWNER, actor="operator", reason="settled", now=now()) == 1
    assert world.decide(agreed)["decision"] is True
    page = world.sign_in().get(f"/grants/{agreed['grant_id']}").text
    assert "Suspended, while it is disputed" in page
    world.sequence()
    assert report(world)["differences"] == []


@pytest.mark.parametrize("erased", ["the read", "the announcement"])
def test_an_erased_read_by_law_is_no_difference_for_what_is_counted_with_it(
    world: World, tax: Peer, erased: str
) -> None:
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    soon = (world.clock.now() + dt.timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = invoke(tax, vat(world, access=vat(world)["access"] | {"valid_until": soon})).json
    entry = read(world, tax, first)["context"]["entry_id"]
    world.clock.advance(seconds=1)
    other = invoke(tax, vat(world, retention="P1Y")).json
    assert read(world, tax, other)["decision"] is True
    world.clock.advance(seconds=60)
    read(world, tax, first)  # by which it has ended
    with world.app.app_context(), writing() as session:
        if erased == "the announcement":
            rows = payloads_of(session, OWNER, [Kind.GRANT_NOTIFIED])
            [entry] = [row.entry_id for row in rows if row.grant_id == first["grant_id"]]
        records.erase_for_owner(session, OWNER, entry, actor="p", reason="owner", now=world.clock.now())
    found = report(world)
    assert found["differences"] == []
    assert found["erased"] >= 2


def test_an_objection_is_recorded_and_passed_on_and_is_no_revocation(world: World, tax: Peer) -> None:
    by_law, agreed = invoke(tax, vat(world)).json, world.grant()
    browser = world.sign_in()
    page = browser.get(f"/grants/{by_law['grant_id']}")
    assert "It does not end the access" in page.text
    form = {"csrf_token": csrf(page), "text": "<b>Wrong year</b>"}
    path = f"/grants/{by_law['grant_id']}/object"
    assert browser.post(path, data=form).status_code == 303
    shown = browser.get(f"/grants/{by_law['grant_id']}").text
    assert "&lt;b&gt;Wrong year&lt;/b&gt;" in shown
    assert "Taken back" not in shown
    assert read(world, tax, by_law)["decision"] is True
    assert browser.post(path, data=form | {"text": " "}).status_code == 400
    assert browser.post(path, data=form | {"text": "x" * 2001}).status_code == 400
    assert browser.post(f"/grants/{agreed['grant_id']}/object", data=form).status_code == 409
    with world.app.app_context():
        [row] = reading().query(PayloadRow).filter_by(kind="objection.raised")
        entry, _ = entries.entry(reading(), row.entry_id) or (b"", None)
        client_id, event = of_entry(json.loads(entry), row.time) or ("", None)
        assert may_read(reading(), row, authority(tax), world.clock.now()), "the authority reads the words"
    assert client_id == tax.client_id
    assert event
    assert event.members["claims"] == {"grant_id": by_law["grant_id"], "entry_id": row.entry_id}


def authority(peer: Peer) -> Client:
    found = parties.find(reading(), peer.client_id)
    assert found
    return found
