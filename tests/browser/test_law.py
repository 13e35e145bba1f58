"""Access by law as the owner sees it: the statistics office reads, nobody was asked, and the page says so."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, expect

from consent_service.verifier.client import PartyClient
from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.keys import ClientKey, new_ec_key
from consent_service.verifier.service import Authenticated, Service
from tests.browser.shots import ROOT, look

OWNER = "0192:310028142"


def test_what_a_law_opens_is_shown_beside_the_consents(
    demo: dict[str, str], chromium: Browser, tmp_path: Path
) -> None:
    key = tmp_path / "statistics.jwk"
    environ = {
        **os.environ,
        "CONSENT_ISSUER": demo["service"],
        "CONSENT_SANDBOX": "1",
        "CONSENT_HOME": str(Path(demo["home"]) / "demo"),
        "CONSENT_SECRET_KEY": "k" * 40,
    }
    command = [sys.executable, "-m", "consent_service", "client", "register", "--role", "party", "--json"]
    command += ["--name", "Statistisk sentralbyrå", "--org", "0192:971526920", "--new-key", str(key)]
    command += ["--redirect-uri", "https://statistics.example.no/callback"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, cwd=ROOT)
    client_id = json.loads(done.stdout)["client_id"]

    now = dt.datetime.now(dt.UTC)
    http = httpx2.Client()
    office = Authenticated(Service(demo["service"], http), client_id, ClientKey.read(key))
    party = PartyClient(office, DPoPKey(new_ec_key()), http)
    place = f"{demo['erp']}/api"
    tokens = party.invoke_law(
        {
            "type": "business_data",
            "owner": {"authority": "iso6523-actorid-upis", "ID": OWNER},
            "purpose": "statistics",
            "datatypes": ["trial_balance"],
            "actions": ["read"],
            "locations": [place],
            "period": {"from": "2024-01-01", "to": "2025-12-31"},
            "access": {
                "mode": "recurring",
                "frequency": {"unit": "month", "value": 4},
                "valid_until": (now + dt.timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "retention": "P1Y",
            "onward_sharing": [],
            "legal_basis": "no_statistics",
        },
        now,
    )
    url = f"{place}/{OWNER}/trial_balance?from=2024-01-01&to=2024-12-31"
    answer = party.read(url, tokens.access_token, dt.datetime.now(dt.UTC))
    assert answer.status_code == 200, answer.text
    http.close()

    page = chromium.new_context(locale="en-GB").new_page()
    page.goto(demo["service"])
    page.click("#sign-in-eid")
    page.click('button[name=person][value="odd"]')
    page.click("#skip-passkey")
    page.goto(f"{demo['service']}/grants")
    expect(page.locator("main")).to_contain_text("a law, without your consent")
    look(page, "grants-law")
    page.goto(f"{demo['service']}/grants/{tokens.grant_id}")
    expect(page.locator("main")).to_contain_text("Statistikkloven § 10")
    expect(page.locator("main")).to_contain_text("Announced by law")
    expect(page.locator("#revoke")).to_have_count(0)
    look(page, "grant-law")
