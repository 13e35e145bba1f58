"""RFC 7515, RFC 7518: the usual ES256 assertion is verified by one key, or not this way."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from consent_service.keys import es256

KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
CLAIMS = {"sub": "erp", "jti": "x"}


def public(key: Any = KEY, **more: Any) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}


def signed(key: Any = KEY, algorithm: str = "ES256", **header: Any) -> str:
    return jwt.encode(CLAIMS, key, algorithm=algorithm, headers=header)


def verifies(token: str, *keys: dict[str, Any]) -> bool:
    found = es256.read(token)
    return found is not None and es256.verifies(token, found[0], {"keys": list(keys)})


def test_a_signature_counts_by_the_single_key_or_by_the_one_that_kid_names() -> None:
    assert verifies(signed(), public())
    assert verifies(signed(kid="a"), public(OTHER, kid="b"), public(kid="a"))
    assert es256.read(signed())[1] == CLAIMS  # type: ignore[index]


@pytest.mark.parametrize(
    ("token", "keys"),
    [
        (signed(OTHER), [public()]),
        (signed(), []),
        (signed(), [public(), public(OTHER)]),
        (signed(kid="a"), [public(kid="b")]),
        (signed(kid="a"), [public(kid="a"), public(OTHER, kid="a")]),
        (signed(kid="b"), [public(OTHER, kid="b"), public(kid="a")]),
        (signed(), [public(use="enc")]),
        (signed(), [public(alg="ES384")]),
        (signed(), [public(key_ops=["sign"])]),
        (signed(), [public() | {"crv": "P-384"}]),
        (signed(crit=["exp"], exp=1), [public()]),
        (signed(jwk=public(OTHER)), [public()]),
        (signed("k" * 32, "HS256"), [public()]),
        (jwt.encode(CLAIMS, None, algorithm="none"), [public()]),
    ],
)
def test_whatever_is_not_plain_is_not_verified_this_way(token: str, keys: list[dict[str, Any]]) -> None:
    assert not verifies(token, *keys)


def test_what_was_changed_after_signing_does_not_count() -> None:
    head, payload, signature = signed().split(".")
    other = jwt.encode(CLAIMS | {"sub": "bank"}, OTHER, algorithm="ES256").split(".")[1]
    assert not verifies(f"{head}.{other}.{signature}", public())
    assert not verifies(f"{head}.{payload}.{signature[:-4]}", public())
    assert not verifies(f"{head}.{payload}.{'A' * len(signature)}", public())


@pytest.mark.parametrize(
    "text",
    ["", "a.b", "a.b.c.d", "a.b.c", "e30.e30", "e30.W10.AA=", "bnVsbA.e30.AA", f"{'e30' * 200}.e30.AA"],
)
def test_what_is_no_plain_jws_is_not_read(text: str) -> None:
    assert es256.read(text) is None


def test_neither_padding_nor_another_alphabet_is_base64url() -> None:
    head, payload, signature = signed().split(".")
    for changed in (signature + "==", signature[:-1] + "+", signature[:-1] + "/", signature + "\n"):
        assert not verifies(f"{head}.{payload}.{changed}", public())
