"""Receipts: ISO/IEC TS 27560 consent records in DPV, the same for both sides, provable, and without a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from consent_service.grants.receipt import CONTEXT
from consent_service.registry.model import ClientRole
from tests.oauth.grants import query
from tests.world import World


def words(value: Any) -> Iterator[str]:
    """Every key and every @id, @type of a document."""
    if isinstance(value, list):
        for one in value:
            yield from words(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            if key in {"@id", "@type"}:
                yield one
            yield from words(one)


def owners(world: World, grant_id: str) -> dict[str, Any]:
    answer = world.sign_in().get(f"/grants/{grant_id}/receipt.jsonld")
    assert answer.mimetype == "application/ld+json"
    return dict(json.loads(answer.text))


def test_a_receipt_has_what_the_standard_asks_of_a_consent_record(world: World) -> None:
    token = world.grant()
    document = owners(world, token["grant_id"])
    assert document["@type"] == "dpv:ConsentRecord"
    assert document["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#receipt-record"
    assert document["dct:identifier"] == token["grant_id"]
    assert document["dpv:hasDataSubject"]["dpv:hasName"] == "Fjellvik Båtbyggeri AS"
    assert document["dpv:hasDataController"]["dpv:hasName"] == "Nordhavn Bank ASA"
    assert document["dpv:hasLegalBasis"] == "eu-gdpr:A6-1-a"
    assert document["dpv:hasJurisdiction"] == "loc:NO"
    process = document["dpv:hasProcess"]
    assert process["dpv:hasPurpose"]["@id"] == "https://w3id.org/dpv#CreditChecking"
    assert {one["@language"] for one in process["dpv:hasPurpose"]["skos:prefLabel"]} == {
        *("en", "nb", "sv", "da", "fi", "is")
    }
    assert [one["dct:identifier"] for one in process["dpv:hasData"]] == token["authorization_details"][0][
        "datatypes"
    ]
    assert process["dpv:hasStorageCondition"]["dpv:hasDuration"]["@value"] == "P90D"
    assert document["dpv:hasConsentStatus"] == {"@id": "dpv:ConsentGiven", "cs:status": "active"}


def test_every_word_of_a_receipt_has_its_vocabulary(world: World) -> None:
    document = owners(world, world.grant()["grant_id"])
    for word in words({name: value for name, value in document.items() if name != "@context"}):
        prefix = word.partition(":")[0]
        assert word.startswith(("@", "http://", "https://", "urn:")) or prefix in CONTEXT, word


def test_a_receipt_follows_each_change_and_names_nobody(both_worlds: World) -> None:
    world = both_worlds
    token, browser = world.grant(), world.sign_in()
    world.revoke(browser, token["grant_id"])
    document = owners(world, token["grant_id"])
    assert document["dpv:hasConsentStatus"]["@id"] == "dpv:ConsentWithdrawn"
    assert [one["cs:kind"] for one in document["cs:events"]] == ["grant.activated", "grant.revoked"]
    assert document["cs:events"][0]["dpv:isIndicatedBy"] == "managing_director"
    assert "Ingrid" not in json.dumps(document)
    world.sequence()
    for one in document["cs:events"]:
        path = one["cs:proof"]["@id"].removeprefix("http://localhost")
        assert world.app.test_client().get(path).status_code == 200


def test_the_party_gets_the_same_receipt_and_no_other_client_does(world: World) -> None:
    token = world.grant()
    receipt = f"{token['grant_id']}/receipt"
    answer = query(world, receipt)
    assert answer.status_code == 200
    assert answer.json == owners(world, token["grant_id"])
    assert answer.mimetype == "application/ld+json"
    other = world.register(ClientRole.PARTY, "Another bank", "0192:971526920")
    assert query(world, receipt, other).status_code == 404


def test_a_receipt_is_a_page_to_print_and_somebody_else_s_is_not_there(world: World) -> None:
    token = world.grant()
    page = world.sign_in().get(f"/grants/{token['grant_id']}/receipt")
    for said in ("Receipt", "Nordhavn Bank ASA", "Credit assessment", token["grant_id"], "Ledger entry"):
        assert said in page.text
    stranger = world.sign_in("elsa")
    for path in ("receipt", "receipt.jsonld"):
        assert stranger.get(f"/grants/{token['grant_id']}/{path}").status_code == 404
