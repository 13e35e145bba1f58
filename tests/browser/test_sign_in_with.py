"""Signing in to an ERP system with the service, in a real browser: the page, silence the second time, out again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import jwt
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.shots import ROOT, look

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def vendor() -> Iterator[tuple[str, list[str]]]:
    """An ERP vendor's site: its address, and what came through the back channel."""
    told: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>The vendor</title><main>Back at the vendor</main>")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.append(parse_qs(body)["logout_token"][0])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_said: Any) -> None:
            """Nothing: the test looks at what came."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}", told
    server.shutdown()
    server.server_close()


def register(demo: dict[str, str], vendor: str, folder: Path) -> tuple[str, str]:
    """The client's id and secret, as an operator registers it."""
    more = folder / "metadata.json"
    metadata = {
        "post_logout_redirect_uris": [f"{vendor}/out"],
        "backchannel_logout_uri": f"{vendor}/backchannel",
    }
    more.write_text(json.dumps(metadata))
    environ = {
        **os.environ,
        "CONSENT_ISSUER": demo["service"],
        "CONSENT_SANDBOX": "1",
        "CONSENT_HOME": str(Path(demo["home"]) / "demo"),
        "CONSENT_SECRET_KEY": "k" * 40,
    }
    command = [sys.executable, "-m", "consent_service", "client", "register", "--role", "login", "--json"]
    command += ["--profile", "oidc", "--auth", "client_secret_basic", "--name", "Skyregn Regnskap"]
    command += ["--org", "0192:310052345", "--redirect-uri", f"{vendor}/in", "--metadata", str(more)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, cwd=ROOT)
    answer = json.loads(done.stdout)
    return answer["client_id"], answer["client_secret"]


def test_signing_in_to_the_vendor_and_out_again(
    demo: dict[str, str], chromium: Browser, vendor: tuple[str, list[str]], tmp_path: Path
) -> None:
    site, told = vendor
    client_id, secret = register(demo, site, tmp_path)
    document = httpx2.get(f"{demo['service']}/.well-known/openid-configuration").json()
    asked = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": f"{site}/in",
        "scope": "openid profile organisations",
        "state": "a-state",
        "nonce": "a-nonce",
    }
    begin = f"{document['authorization_endpoint']}?{urlencode(asked)}"
    context = chromium.new_context(locale="en-GB", java_script_enabled=False)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)

    # The person comes from the vendor, signs in with the eID, and is asked what to show.
    page.goto(begin)
    expect(page.locator("h1")).to_contain_text("Sign in to go on to")
    page.click("#sign-in-eid")
    page.click('button[name=person][value="ingrid"]')
    for words in ("Skyregn Regnskap", "wants to know who you are", "Your name", "Ingrid Hauge", "90 days"):
        expect(page.locator("main")).to_contain_text(words)
    page.check("input[name=organisations] >> nth=0")
    page.click("#approve")
    page.wait_for_url(f"{site}/in**")
    back = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert (back["state"], back["iss"]) == ("a-state", demo["service"])

    # The vendor redeems the code and learns what was ticked.
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": f"{site}/in"}
    token = httpx2.post(document["token_endpoint"], data=form, auth=(client_id, secret)).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    person = httpx2.get(document["userinfo_endpoint"], headers=headers).json()
    assert person["name"] == "Ingrid Hauge"
    assert [one["name"] for one in person["organisations"]] == ["Fjellvik Båtbyggeri AS"]

    # The second time nobody is asked.
    page.goto(f"{begin}&prompt=none")
    page.wait_for_url(f"{site}/in**")
    assert "code=" in page.url

    # A fresh sign-in is shown as one, and the way back is open from the eID too.
    page.goto(f"{begin}&prompt=login")
    page.click("#sign-in-eid")
    page.click('button[name=person][value="ingrid"]')
    page.wait_for_url(f"{site}/in**")
    page.goto(f"{demo['service']}/account")
    expect(page.locator("main")).to_contain_text("Skyregn Regnskap")

    # Out again: asked, told what stays, back at the vendor, which hears of it.
    out = {"id_token_hint": token["id_token"], "post_logout_redirect_uri": f"{site}/out", "state": "bye"}
    page.goto(f"{document['end_session_endpoint']}?{urlencode(out)}")
    expect(page.locator("main")).to_contain_text("What you granted stays as it is")
    page.click("#sign-out")
    page.wait_for_url(f"{site}/out?state=bye")
    claims = jwt.decode(token["id_token"], options={"verify_signature": False})
    for _ in range(50):
        if told:
            break
        page.wait_for_timeout(200)
    said = jwt.decode(told[0], options={"verify_signature": False})
    assert (said["sub"], said["sid"]) == (claims["sub"], claims["sid"])
    assert problems == []
    context.close()


def test_the_pages_read_well_at_both_widths(
    demo: dict[str, str], chromium: Browser, vendor: tuple[str, list[str]], tmp_path: Path
) -> None:
    site, _told = vendor
    client_id, _secret = register(demo, site, tmp_path)
    asked = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": f"{site}/in",
        "scope": "openid profile organisations offline_access",
    }
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{demo['service']}/oauth/authorize?{urlencode(asked)}")
    look(page, "login-sign-in")
    page.click("#sign-in-eid")
    page.click('button[name=person][value="ingrid"]')
    look(page, "login")
    page.click("#approve")
    page.wait_for_url(f"{site}/in**")
    page.goto(f"{demo['service']}/account")
    look(page, "account-with-sign-ins")
    page.goto(f"{demo['service']}/oauth/logout?client_id={client_id}")
    look(page, "sign-out")
    page.goto(f"{demo['service']}/oauth/logout?id_token_hint=nonsense")
    look(page, "sign-out-refused")
    context.close()
