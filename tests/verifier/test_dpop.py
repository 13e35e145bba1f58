"""RFC 9449 section 4.3: checking a DPoP proof, step by step."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from consent_service.verifier.dpop import DPoPKey, MemoryReplay, check_proof, thumbprint, token_hash
from consent_service.verifier.errors import DPoPError

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
URL = "https://erp.example.no/api/0192:310028142/trial_balance"
KEY = ec.generate_private_key(ec.SECP256R1())
JWK = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)


def proof(
    key: Any = KEY, algorithm: str = "ES256", header: dict[str, Any] | None = None, **changes: Any
) -> str:
    claims = {"jti": "j1", "htm": "GET", "htu": URL, "iat": int(NOW.timestamp())} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, {"typ": "dpop+jwt", "jwk": JWK} | (header or {}))


def check(*proofs: str, **changes: Any) -> str:
    options: dict[str, Any] = {"method": "GET", "url": URL, "now": NOW, "replay": MemoryReplay()}
    return check_proof(list(proofs), **(options | changes))


def test_a_proof_made_by_the_key_is_accepted_and_names_it() -> None:
    key = DPoPKey(KEY)
    assert check(key.proof("GET", URL, NOW)) == key.jkt


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    # RFC 7638 section 3.1: the example key and its thumbprint.
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"
        "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw"
        "apJzKnqDKgw"
    )
    assert (
        thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB"}) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


@pytest.mark.parametrize("proofs", [(), ("a", "b"), ("x",), ("a.b.c",), ("",), ("é",), ("x" * 9000,)])
def test_there_is_exactly_one_proof_and_it_is_a_jwt(proofs: tuple[str, ...]) -> None:
    with pytest.raises(DPoPError):
        check(*proofs)


def test_two_proofs_in_one_header_are_refused() -> None:
    with pytest.raises(DPoPError):
        check(f"{proof()},{proof(jti='j2')}")


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"jwk": None},
        {"jwk": "x"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": {"kty": "EC", "crv": "P-256"}},
        {"jwk": {**JWK, "x": 5}},
        {"jwk": {**JWK, "kty": ["EC"]}},
        {"jwk": {**JWK, "kty": {}}},
        {"jwk": {**JWK, "x": "!!"}},
        {"jwk": json.loads(ECAlgorithm.to_jwk(KEY))},
        {"jwk": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)},
    ],
)
def test_a_header_that_does_not_fit_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(DPoPError):
        check(proof(header=header))


def test_other_algorithms_are_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    assert check(proof(key, "PS256", {"jwk": jwk}))
    with pytest.raises(DPoPError):
        check(proof(key, "RS256", {"jwk": jwk}))
    with pytest.raises(DPoPError):
        check(jwt.encode({"jti": "j"}, "k" * 32, "HS256", {"typ": "dpop+jwt", "jwk": JWK}))
    with pytest.raises(DPoPError):
        check(jwt.encode({"jti": "j"}, None, "none", {"typ": "dpop+jwt", "jwk": JWK}))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # that is the point
def test_a_key_of_rsa_has_at_least_2048_bits() -> None:
    """FAPI 2.0 section 5.4.1."""
    key = rsa.generate_private_key(65537, 1024)
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    with pytest.raises(DPoPError, match="2048"):
        check(proof(key, "PS256", {"jwk": jwk}))


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "j" * 300},
        {"htm": "POST"},
        {"htm": None},
        {"htu": "https://other.example/api"},
        {"htu": None},
        {"htu": 5},
        {"htu": "https://erp.example.no:bad/"},
        {"iat": None},
        {"iat": "now"},
        {"iat": True},
        {"iat": 10**400},
        {"iat": -(10**400)},
        {"iat": float("inf")},
        {"iat": float("nan")},
        {"iat": int(NOW.timestamp()) - 3600},
        {"iat": int(NOW.timestamp()) + 3600},
    ],
)
def test_a_claim_that_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DPoPError):
        check(proof(**changes))


@pytest.mark.parametrize("seconds", [-30, -10, 0, 10, 15])
def test_clocks_may_differ_by_seconds(seconds: int) -> None:
    assert check(proof(iat=int(NOW.timestamp()) + seconds))


@pytest.mark.parametrize(
    "htu", [URL + "?from=2025-01-01", URL + "#x", URL.replace("erp", "ERP"), URL.replace(".no/", ".no:443/")]
)
def test_query_fragment_case_of_host_and_default_port_don_t_count(htu: str) -> None:
    assert check(proof(htu=htu))


def test_a_proof_is_used_once() -> None:
    replay, text = MemoryReplay(), proof()
    check(text, replay=replay)
    with pytest.raises(DPoPError, match="before"):
        check(text, replay=replay)


def test_a_memory_that_is_full_refuses_rather_than_forgets() -> None:
    replay = MemoryReplay(most=2)
    until = NOW + dt.timedelta(seconds=19)
    assert replay.use("k", "1", until)
    assert replay.use("k", "2", until)
    assert not replay.use("k", "3", until)
    assert replay.use("k", "4", until + dt.timedelta(minutes=5))


def test_ath_is_the_access_token_s_hash() -> None:
    assert check(proof(ath=token_hash("token")), access_token="token")
    for wrong in (None, "x", token_hash("other"), 5):
        with pytest.raises(DPoPError):
            check(proof(ath=wrong), access_token="token")
