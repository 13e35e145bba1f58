"""A proof in a real browser: one click downloads it, a page checks it with Web Crypto, and sends it nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.shots import look

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def check(page: Page, file: Path) -> str:
    page.set_input_files("#proof", file)
    page.click("#check-form button")
    expect(page.locator("#verdict")).to_contain_text("hold")
    return page.inner_text("#outcome")


def test_a_proof_is_downloaded_and_checked_in_the_browser(
    demo: dict[str, str], chromium: Browser, tmp_path: Path
) -> None:
    context = chromium.new_context(locale="en-GB", accept_downloads=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(demo["bank"])
    page.click("#apply")
    page.click("#sign-in-eid")
    page.click('button[name=person][value="odd"]')
    page.click("#skip-passkey")
    page.click("#approve")
    page.wait_for_url(f"{demo['bank']}/**")
    page.click("#read")
    expect(page.locator(".result.ok")).to_have_count(2)

    page.goto(f"{demo['service']}/activity")
    with page.expect_download() as begun:
        page.click("a[href$='/proof'] >> nth=0")
    proof = tmp_path / begun.value.suggested_filename
    begun.value.save_as(proof)
    assert proof.suffix == ".tlog-proof"
    page.click("a[href^='/activity/']:not([href$='/proof']) >> nth=0")
    expect(page.locator("main")).to_contain_text("financial_statement")
    look(page, "record")

    page.goto(f"{demo['service']}/ledger/")
    page.wait_for_load_state("networkidle")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    said = check(page, proof)
    assert "The proof holds." in said
    assert "decision.permit" in said
    assert "financial_statement" in said
    assert sent == [], "checking asks nobody"
    look(page, "ledger-good")

    text = proof.read_text()
    lines = text.split("\n")
    lines[3] = lines[4]
    wrong = {
        "another index": text.replace("\nindex ", "\nindex 1"),
        "another sibling": "\n".join(lines),
        "cut short": text[: len(text) // 2],
        "no proof": "something else",
    }
    for name, content in wrong.items():
        file = tmp_path / "wrong"
        file.write_text(content)
        assert "does not hold" in check(page, file), name
    key = page.input_value("#key")
    page.fill("#key", "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    assert "does not hold" in check(page, proof)
    look(page, "ledger-bad")
    page.fill("#key", key)
    assert "The proof holds." in check(page, proof)

    # Erased, the entry and its proof stay.
    page.goto(f"{demo['service']}/activity")
    page.click("a[href^='/activity/']:not([href$='/proof']) >> nth=0")
    page.check("input[name=sure]")
    page.click("main form .button-stop")
    expect(page.locator("main")).to_contain_text("This was erased")
    look(page, "record-erased")
    with page.expect_download() as begun:
        page.click("#download-proof")
    erased = tmp_path / "erased"
    begun.value.save_as(erased)
    page.goto(f"{demo['service']}/ledger/")
    assert "The proof holds." in check(page, erased)
    page.goto(f"{demo['service']}/activity")
    look(page, "activity-erased")
    assert problems == []
    context.close()
