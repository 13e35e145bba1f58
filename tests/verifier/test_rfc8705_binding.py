"""RFC 8705 section 3 at the data holder: a token bound to a certificate counts on its connection alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consent_service.verifier.certificate import thumbprint
from consent_service.verifier.guard import Call, Unauthorized
from tests.certificates import issue
from tests.verifier.test_guard import NOW, PARTY, URL, WANTED, guard, token

MINE = issue()
BOUND = {"cnf": {"x5t#S256": thumbprint(MINE.der)}}
BOTH = {"cnf": {"jkt": PARTY.jkt, "x5t#S256": thumbprint(MINE.der)}}


def call(certificate: bytes | None = MINE.der, scheme: str = "Bearer", **claims: Any) -> Call:
    text = token(**claims)
    proofs = [PARTY.proof("GET", URL, NOW, text)] if scheme == "DPoP" else []
    return Call("GET", URL, [f"{scheme} {text}"], proofs, certificate=certificate)


def test_the_thumbprint_is_the_base64url_sha_256_of_the_der() -> None:
    assert len(thumbprint(b"")) == 43
    assert thumbprint(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_a_token_shown_on_the_connection_of_its_certificate_leads_to_the_question() -> None:
    checked, peer = guard()
    assert checked.check(call(**BOUND), WANTED, NOW)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("certificate", [issue().der, issue(key=MINE.key).der, b""])
def test_if_the_certificate_does_not_match_the_request_must_be_rejected_with_invalid_token(
    certificate: bytes,
) -> None:
    checked, peer = guard()
    with pytest.raises(Unauthorized) as refused:
        checked.check(call(certificate, **BOUND), WANTED, NOW)
    assert refused.value.challenge.startswith('Bearer realm="data", error="invalid_token"')
    assert peer.asked == []


def test_without_a_certificate_the_token_is_refused() -> None:
    checked, peer = guard()
    with pytest.raises(Unauthorized):
        checked.check(call(None, **BOUND), WANTED, NOW)
    assert peer.asked == []


def test_a_token_bound_to_a_key_is_no_bearer_s_whatever_certificate_is_shown() -> None:
    checked, peer = guard()
    with pytest.raises(Unauthorized):
        checked.check(call(), WANTED, NOW)
    assert peer.asked == []


def test_a_token_bound_to_a_certificate_alone_is_not_of_type_dpop() -> None:
    checked, _peer = guard()
    with pytest.raises(Unauthorized):
        checked.check(call(scheme="DPoP", **BOUND), WANTED, NOW)


def test_a_token_bound_to_both_needs_both() -> None:
    checked, peer = guard()
    whole = call(scheme="DPoP", **BOTH)
    for part in (replace(whole, certificate=None), replace(whole, dpop=[]), call(**BOTH)):
        with pytest.raises(Unauthorized):
            checked.check(part, WANTED, NOW)
    assert peer.asked == []
    checked, peer = guard()
    assert checked.check(whole, WANTED, NOW)


@pytest.mark.parametrize(
    "cnf",
    [{"x5t#S256": ""}, {"x5t#S256": None}, {"x5t": "a"}, {"jkt": PARTY.jkt, "kid": "x"}, {"x5t#S256": 5}],
)
def test_a_binding_that_we_don_t_know_is_refused(cnf: dict[str, Any]) -> None:
    for scheme in ("Bearer", "DPoP"):
        checked, peer = guard()
        with pytest.raises(Unauthorized):
            checked.check(call(scheme=scheme, cnf=cnf), WANTED, NOW)
        assert peer.asked == []
