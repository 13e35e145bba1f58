"""The story in a real browser: eID once, a passkey ceremony, the owner's page, revocation, refusal.

Debian's Chromium with a virtual authenticator over the DevTools protocol. Screenshots at
phone and desktop width go to ``var/screenshots``.
"""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.shots import SHOTS, look, to_request

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_the_story_with_a_passkey(demo: dict[str, str], chromium: Browser) -> None:
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )

    # 2. The bank pushes its request and sends the browser to the service.
    page.goto(demo["bank"])
    look(page, "bank-start")
    page.click("#apply")
    look(page, "sign-in")

    # 1. The person proves who they are with the eID, and makes a passkey.
    page.click("#sign-in-eid")
    page.wait_for_url("**/eid/authorize**")
    look(page, "test-eid")
    page.click('button[name=person][value="ingrid"]')
    expect(page.locator("#create-passkey")).to_be_visible()
    look(page, "passkey-offer")
    page.click("#create-passkey")

    # 3. The owner's page says it in plain words.
    page.wait_for_selector("#approve")
    text = page.inner_text("main")
    for words in (
        "Nordhavn Bank ASA",
        "310041238",
        "Norway",
        "Fjellvik Båtbyggeri AS",
        "Credit assessment",
        "Trial balance",
        "Financial statement",
        "At most 4 times a day",
        "Deletes its copy after 90 days",
        "Not passed on to anyone",
        "Your consent",
        "1 January 2024",
        "31 December 2025",
        "Your loan application 4711",
    ):
        assert words in text, words
    look(page, "request")

    # From then on the passkey signs in: out, and in again without the eID.
    waiting = page.url
    page.click("#sign-out")
    page.goto(waiting)
    page.click("#sign-in-passkey")
    page.wait_for_selector("#approve")

    page.click("#approve")

    # 4. and 5. The bank redeems the code and reads from the ERP system.
    page.wait_for_url(f"{demo['bank']}/**")
    page.click("#read")
    expect(page.locator(".result.ok")).to_have_count(2)
    expect(page.locator("main")).to_contain_text("debit and credit agree")
    expect(page.locator("main")).to_contain_text("the balance sheet balances")
    look(page, "bank-read")

    # 7. The owner sees the reads within a second.
    read_at = time.monotonic()
    page.goto(f"{demo['service']}/activity")
    expect(page.locator("main")).to_contain_text("Trial balance")
    assert time.monotonic() - read_at < 5  # the page is there at once; the machine may be busy
    look(page, "activity")
    page.goto(demo["service"])
    look(page, "overview")
    page.goto(f"{demo['service']}/account")
    look(page, "account")
    page.goto(f"{demo['service']}/grants")
    look(page, "grants")
    page.click("a[href='/data-sets']")
    expect(page.locator("main")).to_contain_text("Financial statement")
    look(page, "data-sets")
    page.goto(f"{demo['service']}/grants")
    page.click("a[href^='/grants/']:not([href*='show'])")
    look(page, "grant")
    page.click("#revoke")
    expect(page.locator("main")).to_contain_text("Taken back")
    look(page, "grant-revoked")

    # The bank's very next read is refused, with the reason.
    page.goto(demo["bank"])
    page.click("#read")
    expect(page.locator(".result.refused")).to_have_count(2)
    expect(page.locator("main")).to_contain_text("The owner has taken this grant back")
    look(page, "bank-refused")
    page.goto(f"{demo['service']}/activity")
    look(page, "activity-refused")
    page.goto(f"{demo['service']}/nothing-here")
    look(page, "not-found")
    assert [one for one in problems if "404" not in one] == []
    context.close()


def test_decline_and_a_request_that_is_no_longer_open(demo: dict[str, str], chromium: Browser) -> None:
    context = chromium.new_context(
        locale="en-GB", java_script_enabled=False
    )  # all of it works without scripts
    page = context.new_page()
    to_request(page, demo, "odd")
    waiting = page.url
    page.uncheck("input[name=datatypes] >> nth=0")
    page.uncheck("input[name=datatypes] >> nth=1")
    page.click("#approve")
    expect(page.locator("main")).to_contain_text("Choose at least one data set")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "request-error-phone.png", full_page=True)
    page.click("#decline")
    page.wait_for_url(f"{demo['bank']}/**")
    expect(page.locator("main")).to_contain_text("The owner declined")
    page.goto(waiting)
    expect(page.locator("main")).to_contain_text("answered already")
    page.screenshot(path=SHOTS / "request-closed-phone.png", full_page=True)
    context.close()


def test_somebody_else_s_request_is_refused(demo: dict[str, str], chromium: Browser) -> None:
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    to_request(page, demo, "elsa")
    expect(page.locator("main")).to_contain_text("can't act for this business")
    assert page.locator("#approve").count() == 0
    page.goto(demo["service"])
    look(page, "overview-empty")
    context.close()
