"""Protected resource metadata (RFC 9728) of a guarded API: each claim held against what the guard does."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from joserfc.jwk import import_key

from consent_service.verifier.certificate import thumbprint
from consent_service.verifier.guard import Call, Unauthorized
from consent_service.verifier.resource import metadata
from tests.certificates import issue
from tests.metadata.clients import ALL, key_of, only, public
from tests.verifier.test_guard import ISSUER, NOW, RESOURCE, URL, WANTED, call, guard, token


def accepted(text: str, proof: str | None = None, **changes: Any) -> bool:
    checked, _peer = guard()
    shown = replace(call(text, proof), **changes)
    try:
        return bool(checked.check(shown, WANTED, NOW))
    except Unauthorized:
        return False


def resource(value: Any) -> None:
    assert accepted(token(aud=value))
    assert not accepted(token(aud=f"{value}/other"))


def resource_name(value: Any) -> None:
    assert value.isprintable()


def authorization_servers(value: Any) -> None:
    only(value, ("https://other.example",), lambda one: accepted(token(iss=one)))


def bearer_methods(value: Any) -> None:
    """The guard is shown nothing but header fields, so a token in a body or a query reaches nobody."""
    assert value == ["header"]
    assert set(Call.__dataclass_fields__) == {
        "method",
        "url",
        "authorization",
        "dpop",
        "request_id",
        "certificate",
    }
    text = token()
    assert not accepted(text, authorization=[], url=f"{URL}?access_token={text}")


def details_types(value: Any) -> None:
    def works(name: str) -> bool:
        details = [{"type": name, "purpose": "credit_assessment"}]
        return accepted(token(authorization_details=details))

    only(value, ("payment_initiation",), works)


def dpop_algorithms(value: Any) -> None:
    def works(algorithm: str) -> bool:
        jwk = public(algorithm)
        text = token(cnf={"jkt": import_key(jwk).thumbprint()})
        ath = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        claims = {
            "jti": secrets.token_urlsafe(12),
            "htm": "GET",
            "htu": URL,
            "iat": int(NOW.timestamp()),
            "ath": ath,
        }
        header = {"typ": "dpop+jwt", "jwk": {name: one for name, one in jwk.items() if name != "kid"}}
        return accepted(text, jwt.encode(claims, key_of(algorithm), algorithm, headers=header))

    only(value, ALL, works)


def certificate_bound(value: Any) -> None:
    assert value is False, "the sandbox's server hands no certificates on"
    shown = issue()
    bound = token(cnf={"x5t#S256": thumbprint(shown.der)})
    plain = {"authorization": [f"Bearer {bound}"], "dpop": []}
    assert not accepted(bound, **plain)
    assert accepted(bound, **plain, certificate=shown.der), "and who does says certificates=True"
    said = metadata(RESOURCE, ISSUER, "x", certificates=True)
    assert said["tls_client_certificate_bound_access_tokens"] is True


ROWS: dict[str, Callable[[Any], None]] = {
    "resource": resource,
    "resource_name": resource_name,
    "authorization_servers": authorization_servers,
    "bearer_methods_supported": bearer_methods,
    "authorization_details_types_supported": details_types,
    "dpop_signing_alg_values_supported": dpop_algorithms,
    "tls_client_certificate_bound_access_tokens": certificate_bound,
}
DOCUMENT = metadata(RESOURCE, ISSUER, "An ERP system", certificates=False)


def test_a_member_of_the_metadata_without_a_probe_fails() -> None:
    assert set(DOCUMENT) == set(ROWS)


@pytest.mark.parametrize("member", sorted(ROWS))
def test_what_is_claimed_is_done_and_what_is_not_claimed_is_refused(member: str) -> None:
    ROWS[member](DOCUMENT[member])
