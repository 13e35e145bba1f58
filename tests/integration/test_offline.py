"""The ERP system while the service is away: nothing is read; what was revoked is refused as such."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from consent_service.sandbox.browser import Browser
from consent_service.verifier.client import PartyClient, Tokens
from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.keys import ClientKey, new_ec_key
from consent_service.verifier.service import Authenticated
from consent_service.verifier.service import Service as Client
from tests.interop.test_interop import OWNER, Service, answered, callback, details, running

pytestmark = [pytest.mark.story, pytest.mark.xdist_group("interop")]


@pytest.fixture
def away(tmp_path: Path) -> Iterator[tuple[Service, ExitStack]]:
    """The service and the ERP system; closing the stack stops the service, and it alone."""
    with ExitStack() as erp, ExitStack() as service:
        yield running(tmp_path, service, erp), service


def test_a_revoked_token_is_refused_while_the_service_is_away(away: tuple[Service, ExitStack]) -> None:
    service, stack = away
    with (
        callback() as redirect_uri,
        closing(Browser()) as browser,
        closing(Browser()) as another,
        httpx2.Client() as http,
    ):
        bank, key = service.register(
            "bank", "--role", "party", "--org", "0192:310041238", "--redirect-uri", redirect_uri
        )
        party = Authenticated(Client(service.issuer, http), bank["client_id"], ClientKey(key))
        client = PartyClient(party, DPoPKey(new_ec_key()), http)

        def granted(browser: Browser) -> Tokens:
            asked = client.ask(details(service), redirect_uri, dt.datetime.now(dt.UTC))
            back = dict(parse_qsl(urlsplit(answered(browser, asked.url, redirect_uri)).query))
            return client.redeem(asked, back, dt.datetime.now(dt.UTC))

        def read(tokens: Tokens) -> httpx2.Response:
            url = f"{service.erp}/{OWNER}/trial_balance"
            period = "?from=2025-01-01&to=2025-06-30"
            return client.read(url + period, tokens.access_token, dt.datetime.now(dt.UTC))

        revoked, alive = granted(browser), granted(another)
        browser.open(f"{service.issuer}/grants/{revoked.grant_id}")
        browser.press(id="revoke")
        denied = read(revoked)
        assert denied.status_code == 403, "while the service answers, it decides, and the owner sees it"
        assert denied.json()["decision"]["entry_id"]
        assert read(alive).status_code == 200
        stack.close()
        gone = read(revoked)
        assert gone.status_code == 401, gone.text
        assert 'error="invalid_token"' in gone.headers["www-authenticate"]
        assert gone.json()["reasons"] == ["the token was revoked"]
        assert read(alive).status_code == 503, "no decision is no yes"
