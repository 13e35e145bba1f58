"""Metadata of the authorization server (RFC 8414, OpenID Connect Discovery): each claim held against behaviour."""

from __future__ import annotations

import pytest

from consent_service.oauth.metadata import OURS
from tests.metadata import endpoints, requests, sign_in
from tests.world import World

ROWS = endpoints.ROWS | requests.ROWS | sign_in.ROWS
DOCUMENTS = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_member_of_the_metadata_without_a_probe_fails(whole: World, path: str) -> None:
    left_out = OURS if "openid" in path else frozenset()
    assert set(whole.app.test_client().get(path).json) == set(ROWS) - left_out


@pytest.mark.parametrize("member", sorted(ROWS))
def test_what_is_claimed_is_done_and_what_is_not_claimed_is_refused(whole: World, member: str) -> None:
    ROWS[member](whole, whole.app.test_client().get(DOCUMENTS[0]).json[member])
