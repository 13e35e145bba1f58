"""Metadata of the policy decision point (AuthZEN 1.0 section 9): each claim held against behaviour."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from consent_service.verifier.decision import KNOWN_OBLIGATIONS
from tests.metadata.clients import Row, claims_of
from tests.metadata.endpoints import path
from tests.oauth.relying import verified
from tests.world import ISSUER, World

DOCUMENT = "/.well-known/authzen-configuration"


def asked(world: World, at: str, body: Any, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {world.bearer(world.erp)}"}
    answer = world.app.test_client().post(at, json=body, headers=headers, **options)
    assert answer.status_code == 200, answer.text
    return answer.json


def policy_decision_point(world: World, value: Any) -> None:
    assert value == ISSUER
    assert claims_of(world.bearer(world.erp))["iss"] == value


def evaluation(world: World, value: Any) -> None:
    question = world.question(world.grant(), world.erp)
    assert asked(world, path(value), question)["decision"] is True


def evaluations(world: World, value: Any) -> None:
    question = world.question(world.grant(), world.erp)
    answer = asked(world, path(value), {"evaluations": [question, {**question, "action": {"name": "write"}}]})
    assert [one["decision"] for one in answer["evaluations"]] == [True, False]


def search(kind: str) -> Row:
    def probe(world: World, value: Any) -> None:
        question = world.question(world.grant(), world.erp)
        if kind == "action":
            question.pop("action")
        elif kind == "subject":
            question["subject"] = {"type": "party"}
        else:
            question["resource"].pop("id")
        found = asked(world, path(value), question)["results"]
        assert found
        named = {
            "subject": {"type": "party", "id": world.bank.client_id},
            "action": {"name": "read"},
        }
        if kind in named:
            assert named[kind] in found
        else:
            assert {"trial_balance", "financial_statement"} <= {one["id"] for one in found}

    return probe


def obligations(world: World, value: Any) -> None:
    """Whatever a decision carries is named, and what is named a holder that uses our library can keep."""
    carried: set[str] = set()
    other = "0192:310045678"
    for changes in ({}, {"retention": "P0D"}, {"onward_sharing": [other]}):
        details = world.details(**changes)
        pushed = world.bank.push([details])
        if pushed.status_code != 201:
            continue
        token = world.bank.redeem(world.approve(world.sign_in(), pushed)["code"]).json
        carried |= {one["type"] for one in world.decide(token)["context"]["obligations"]}
    assert {"delete_after", "do_not_store", "use_only_for"} <= carried <= set(value)
    assert set(value) - {"step-up"} == set(KNOWN_OBLIGATIONS)


def signed_metadata(world: World, value: Any) -> None:
    claims = verified(world, value, None)
    document = world.app.test_client().get(DOCUMENT).json
    assert claims["iss"] == ISSUER
    assert {name: said for name, said in claims.items() if name not in {"iss", "iat"}} == {
        name: said for name, said in document.items() if name != "signed_metadata"
    }
    assert jwt.get_unverified_header(value)["alg"] == "ES256"


def aliases(world: World, value: Any) -> None:
    at = urlsplit(value["access_evaluation_endpoint"])
    question = world.question(world.grant(), world.erp)
    answer = asked(world, at.path, question, base_url=f"{at.scheme}://{at.netloc}")
    assert answer["decision"] is True


ROWS: dict[str, Row] = {
    "policy_decision_point": policy_decision_point,
    "access_evaluation_endpoint": evaluation,
    "access_evaluations_endpoint": evaluations,
    "search_subject_endpoint": search("subject"),
    "search_resource_endpoint": search("resource"),
    "search_action_endpoint": search("action"),
    "supported_obligations": obligations,
    "signed_metadata": signed_metadata,
    "mtls_endpoint_aliases": aliases,
}


def test_a_member_of_the_metadata_without_a_probe_fails(whole: World) -> None:
    assert set(whole.app.test_client().get(DOCUMENT).json) == set(ROWS)


@pytest.mark.parametrize("member", sorted(ROWS))
def test_what_is_claimed_is_done(whole: World, member: str) -> None:
    ROWS[member](whole, whole.app.test_client().get(DOCUMENT).json[member])
