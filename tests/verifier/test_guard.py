"""RFC 9068 at the data holder, and AuthZEN's answer: whatever is not a clear yes is a no."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from consent_service.verifier.decision import Decision, DecisionClient
from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.errors import ServiceFailed
from consent_service.verifier.guard import Call, Guard, Unauthorized, Wanted
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service
from consent_service.verifier.status import StatusLists, TokenStatus
from consent_service.verifier.token import AccessToken

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
ISSUER, RESOURCE = "https://consent.example.no", "https://erp.example.no/api"
URL = f"{RESOURCE}/0192:310028142/trial_balance"
SIGNING = ec.generate_private_key(ec.SECP256R1())
HOLDER = ec.generate_private_key(ec.SECP256R1())
PARTY = DPoPKey(ec.generate_private_key(ec.SECP256R1()))
WANTED = Wanted("0192:310028142", "trial_balance", "2025-01-01", "2025-06-30")
PERMIT = {"decision": True, "context": {"reasons": [{"policy": "p", "text": "yes"}], "obligations": []}}

Answer = Callable[[httpx2.Request], httpx2.Response]


class Peer:
    """A service that answers as it is told; everything before the decision is as it should be."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked, self.tokens = answer, [], 0  # type: ignore[var-annotated]

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("oauth-authorization-server"):
            endpoints = {"token_endpoint": f"{ISSUER}/token", "jwks_uri": f"{ISSUER}/jwks"}
            return httpx2.Response(200, json={"issuer": ISSUER, **endpoints})
        if path == "/jwks":
            public = ECAlgorithm.to_jwk(SIGNING.public_key(), as_dict=True)
            return httpx2.Response(200, json={"keys": [{**public, "kid": "k", "use": "sig", "alg": "ES256"}]})
        if path == "/token":
            self.tokens += 1
            return httpx2.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": 600})
        if path.endswith("authzen-configuration"):
            metadata = {"policy_decision_point": ISSUER, "access_evaluation_endpoint": f"{ISSUER}/evaluation"}
            return httpx2.Response(200, json=metadata)
        self.asked.append(json.loads(request.content))
        return self.answer(request)


def guard(
    answer: Answer | dict[str, Any] = PERMIT, statuses: StatusLists | None = None
) -> tuple[Guard, Peer]:
    peer = Peer(answer if callable(answer) else lambda _request: httpx2.Response(200, json=answer))
    http = httpx2.Client(transport=httpx2.MockTransport(peer))
    key = ClientKey(json.loads(ECAlgorithm.to_jwk(HOLDER)))
    holder = Authenticated(Service(ISSUER, http), "erp", key)
    return Guard(holder, RESOURCE, DecisionClient(holder, http), statuses=statuses), peer


def token(
    key: Any = SIGNING, algorithm: str = "ES256", header: dict[str, Any] | None = None, **changes: Any
) -> str:
    at = int(NOW.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": "0192:310028142",
        "client_id": "bank",
        "iat": at,
        "exp": at + 600,
        "jti": "t1",
        "grant_id": "g1",
        "cnf": {"jkt": PARTY.jkt},
        "authorization_details": [{"type": "business_data", "purpose": "credit_assessment"}],
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, {"typ": "at+jwt", "kid": "k"} | (header or {}))


def call(text: str, proof: str | None = None) -> Call:
    made = proof or PARTY.proof("GET", URL, NOW, text)
    return Call("GET", URL, [f"DPoP {text}"], [made])


def test_a_valid_token_and_proof_lead_to_the_question_of_the_contract() -> None:
    checked, peer = guard()
    assert checked.check(call(token()), WANTED, NOW)
    assert peer.asked == [
        {
            "subject": {"type": "party", "id": "bank"},
            "action": {"name": "read"},
            "resource": {
                "type": "dataset",
                "id": "trial_balance",
                "properties": {
                    "owner": "0192:310028142",
                    "holder": "erp",
                    "from": "2025-01-01",
                    "to": "2025-06-30",
                },
            },
            "context": {"purpose": "credit_assessment", "grant_id": "g1", "token_jti": "t1"},
        }
    ]


@pytest.mark.parametrize(
    ("carried", "permit"),
    [
        ({"datatypes": ["trial_balance"], "period": {"from": "2025-01-01", "to": "2025-06-30"}}, True),
        ({"datatypes": ["financial_statement"]}, False),
        ({"datatypes": []}, False),
        ({"period": {"from": "2025-01-02", "to": "2025-12-31"}}, False),
        ({"period": {"from": "2024-01-01", "to": "2025-06-29"}}, False),
        ({"period": {}}, False),
    ],
)
def test_a_token_opens_no_more_than_the_details_that_it_carries(
    carried: dict[str, Any], permit: bool
) -> None:
    """RFC 9396 section 9.1: a party may have asked for less than its grant gives."""
    details = {"type": "business_data", "purpose": "credit_assessment"} | carried
    checked, peer = guard()
    decision = checked.check(call(token(authorization_details=[details])), WANTED, NOW)
    assert decision.permit is permit
    assert decision.answered
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "https://other.example/api"},
        {"aud": None},
        {"exp": int(NOW.timestamp()) - 11},
        {"exp": None},
        {"exp": "soon"},
        {"iat": int(NOW.timestamp()) + 60},
        {"nbf": int(NOW.timestamp()) + 60},
        {"client_id": None},
        {"client_id": 5},
        {"jti": None},
        {"cnf": None},
        {"cnf": {}},
        {"cnf": "x"},
        {"grant_id": None},
        {"authorization_details": None},
        {"authorization_details": []},
        {"authorization_details": [{}, {}]},
        {"header": {"typ": "JWT"}},
        {"header": {"kid": "unknown"}},
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"key": "k" * 32, "algorithm": "HS256"},
        {"key": None, "algorithm": "none"},
    ],
)
def test_a_token_that_does_not_fit_is_401_and_nothing_is_asked(changes: dict[str, Any]) -> None:
    checked, peer = guard()
    with pytest.raises(Unauthorized) as refused:
        checked.check(call(token(**changes)), WANTED, NOW)
    assert 'error="invalid_token"' in refused.value.challenge
    assert peer.asked == []


def test_a_stolen_token_without_its_key_is_refused() -> None:
    checked, peer = guard()
    thief = DPoPKey(ec.generate_private_key(ec.SECP256R1()))
    text = token()
    with pytest.raises(Unauthorized) as refused:
        checked.check(call(text, thief.proof("GET", URL, NOW, text)), WANTED, NOW)
    assert 'error="invalid_dpop_proof"' in refused.value.challenge
    assert peer.asked == []


def test_a_proof_is_good_for_one_request_and_one_token() -> None:
    checked, _peer = guard()
    text = token()
    one = call(text)
    assert checked.check(one, WANTED, NOW)
    with pytest.raises(Unauthorized):
        checked.check(one, WANTED, NOW)
    with pytest.raises(Unauthorized):
        checked.check(call(text, PARTY.proof("GET", URL, NOW, "another token")), WANTED, NOW)


@pytest.mark.parametrize(
    "authorization", [[], ["Bearer x"], ["DPoP"], ["DPoP "], ["DPoP x", "DPoP y"], ["x"]]
)
def test_without_one_dpop_token_it_is_401(authorization: list[str]) -> None:
    checked, _peer = guard()
    with pytest.raises(Unauthorized) as refused:
        checked.check(Call("GET", URL, authorization, []), WANTED, NOW)
    assert refused.value.challenge.startswith("DPoP ")


def broken(_request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused")


@pytest.mark.parametrize(
    "answer",
    [
        broken,
        lambda _request: httpx2.Response(500),
        lambda _request: httpx2.Response(403, json=PERMIT),
        lambda _request: httpx2.Response(200, text="yes"),
        lambda _request: httpx2.Response(200, json=[True]),
        lambda _request: httpx2.Response(200, json={"decision": True, "context": {"obligations": ["x"]}}),
        {"decision": "true"},
        {"decision": 1},
        {},
        {"decision": False},
        {"decision": True, "context": {"obligations": [{"id": "x", "type": "pay_a_fee"}]}},
        {"decision": True, "context": {"reasons": 5}},
    ],
)
def test_whatever_is_not_a_clear_yes_is_a_no(answer: Any) -> None:
    checked, _peer = guard(answer)
    assert not checked.check(call(token()), WANTED, NOW)


def test_an_answer_with_obligations_that_we_know_is_a_yes() -> None:
    known = [{"id": "retention", "type": "delete_after", "properties": {"duration": "P90D"}}]
    checked, _peer = guard({"decision": True, "context": {"obligations": known}})
    assert checked.check(call(token()), WANTED, NOW) == Decision(True, obligations=tuple(known))


def test_its_own_token_is_kept_until_it_ends_and_renewed_once_on_401() -> None:
    answers = [200, 200, 401, 200]

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(answers.pop(0), json=PERMIT)

    checked, peer = guard(answer)
    for number in range(3):
        assert checked.check(call(token(jti=f"t{number}")), WANTED, NOW)
    assert peer.tokens == 2


def test_metadata_of_another_issuer_is_not_used() -> None:
    http = httpx2.Client(
        transport=httpx2.MockTransport(
            lambda _request: httpx2.Response(200, json={"issuer": "https://evil.example"})
        )
    )
    with pytest.raises(ServiceFailed):
        Service(ISSUER, http).metadata()


LISTED = {"status_list": {"idx": 1, "uri": f"{ISSUER}/oauth/status-lists/1"}}


class Says(StatusLists):
    """Lists that say one thing of every token, or can't be had."""

    def __init__(self, found: TokenStatus | None) -> None:
        self.found = found

    def check(self, _token: AccessToken, _now: dt.datetime) -> TokenStatus:
        if self.found is None:
            raise ServiceFailed("the status list can't be had")
        return self.found


def away(_request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("nobody there")


@pytest.mark.parametrize("found", [TokenStatus.INVALID, TokenStatus.SUSPENDED])
def test_without_a_decision_a_token_that_the_lists_say_is_over_is_refused_as_such(found: TokenStatus) -> None:
    checked, _peer = guard(away, Says(found))
    with pytest.raises(Unauthorized, match=r"revoked|suspended") as refused:
        checked.check(call(token(status=LISTED)), WANTED, NOW)
    assert 'error="invalid_token"' in refused.value.challenge


@pytest.mark.parametrize("found", [TokenStatus.VALID, None])
def test_without_a_decision_a_valid_status_is_no_yes(found: TokenStatus | None) -> None:
    checked, _peer = guard(away, Says(found))
    decision = checked.check(call(token(status=LISTED)), WANTED, NOW)
    assert not decision
    assert not decision.answered


def test_a_deny_comes_with_its_reasons_whatever_the_lists_say() -> None:
    deny = {"decision": False, "context": {"reasons": [{"policy": "p", "text": "no"}], "obligations": []}}
    checked, peer = guard(deny, Says(TokenStatus.INVALID))
    decision = checked.check(call(token(status=LISTED)), WANTED, NOW)
    assert (decision.answered, decision.reasons) == (True, ("no",))
    assert len(peer.asked) == 1, "so the owner sees who tried"
