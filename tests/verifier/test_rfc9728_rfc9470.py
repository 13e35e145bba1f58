"""RFC 9728 and RFC 9470 at the data holder: where to get a token, and when a better sign-in is needed."""

from __future__ import annotations

import pytest

from consent_service.verifier.guard import Unauthorized
from consent_service.verifier.resource import metadata, metadata_url
from tests.verifier.test_guard import NOW, RESOURCE, WANTED, call, guard, token

FRESH = "urn:consent-service:acr:fresh-confirmation"
DENY = {
    "decision": False,
    "context": {
        "reasons": [{"policy": "confirmation-fresh", "text": 'The owner agreed "too" long ago.'}],
        "obligations": [{"id": "s", "type": "step-up", "properties": {"acr_value": FRESH}}],
    },
}


@pytest.mark.parametrize(
    ("resource", "lies_at"),
    [
        ("https://erp.example/api", "https://erp.example/.well-known/oauth-protected-resource/api"),
        ("https://erp.example/api/", "https://erp.example/.well-known/oauth-protected-resource/api"),
        ("https://erp.example", "https://erp.example/.well-known/oauth-protected-resource"),
        ("https://erp.example:8443/a/b", "https://erp.example:8443/.well-known/oauth-protected-resource/a/b"),
    ],
)
def test_the_metadata_lies_at_the_well_known_path_before_the_resource_s_own(
    resource: str, lies_at: str
) -> None:
    assert metadata_url(resource) == lies_at


def test_the_metadata_names_its_own_resource_and_authorization_server() -> None:
    document = metadata(RESOURCE, "https://consent.example.no", "An ERP system", certificates=False)
    assert document["tls_client_certificate_bound_access_tokens"] is False
    assert document["resource"] == RESOURCE
    assert document["authorization_servers"] == ["https://consent.example.no"]


def test_every_401_says_where_the_metadata_lies() -> None:
    checked, _peer = guard()
    with pytest.raises(Unauthorized) as refused:
        checked.check(call("no token"), WANTED, NOW)
    assert f'resource_metadata="{metadata_url(RESOURCE)}"' in refused.value.challenge


def test_a_deny_that_a_fresh_sign_in_would_mend_is_a_step_up_challenge() -> None:
    checked, _peer = guard(DENY)
    with pytest.raises(Unauthorized) as refused:
        checked.check(call(token()), WANTED, NOW)
    challenge = refused.value.challenge
    assert challenge.startswith("DPoP ")
    assert 'error="insufficient_user_authentication"' in challenge
    assert f'acr_values="{FRESH}"' in challenge
    assert challenge.count('"') % 2 == 0


def test_another_deny_is_no_challenge() -> None:
    checked, _peer = guard({"decision": False, "context": {"reasons": [], "obligations": []}})
    decision = checked.check(call(token()), WANTED, NOW)
    assert not decision
    assert decision.answered
