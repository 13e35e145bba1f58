"""What an owner does with a grant that stands, change, pause, go on, emergency."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.shots import look, to_request

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_change_pause_and_take_everything_back(demo: dict[str, str], chromium: Browser) -> None:
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    to_request(page, demo, "odd")
    page.click("summary")
    look(page, "request-dates")
    page.click("#approve")
    page.goto(f"{demo['service']}/grants")
    look(page, "grants-found")
    page.click("main .grant-card h2 a")
    look(page, "grant-active")

    page.click("#change")
    look(page, "change")
    page.uncheck("#datatypes-2")
    page.fill("#frequency", "9")
    page.click("#save")
    expect(page.locator("main")).to_contain_text("Choose a number from 1 to 4")
    look(page, "change-wrong")
    page.fill("#frequency", "2")
    page.click("#save")
    expect(page.locator("main")).to_contain_text("Changed. It counts from the next data request on")
    expect(page.locator("main")).to_contain_text("No longer:")
    look(page, "grant-changed")

    page.click("#suspend")
    expect(page.locator("main")).to_contain_text("Nothing is read for the time being")
    look(page, "grant-paused")
    page.click("#resume")
    expect(page.locator("main")).to_contain_text("The grant goes on")

    page.goto(f"{demo['service']}/grants?q=nothing")
    look(page, "grants-nothing-found")
    page.goto(f"{demo['service']}/stop")
    look(page, "stop")
    page.click("#stop")
    expect(page.locator("main")).to_contain_text("Taken back")
    look(page, "stopped")
    page.goto(f"{demo['service']}/stop")
    look(page, "stop-nothing")

    page.goto(f"{demo['service']}/offers")
    look(page, "offers-none")
    page.click("#offer-new")
    look(page, "offer-to")
    page.click("#next")
    page.check("#datatypes")
    look(page, "offer")
    page.click("#offer")
    link = page.input_value("#link")
    look(page, "offered")
    page.goto(f"{demo['service']}/offers")
    look(page, "offers")
    page.goto(f"{demo['service']}/grants?show=ended")
    page.click("main .grant-card h2 a")
    page.click("#receipt")
    look(page, "receipt")
    context.close()

    anybody = chromium.new_context(locale="en-GB").new_page()
    anybody.goto(link)
    expect(anybody.locator("main")).to_contain_text("Fjellvik Båtbyggeri AS offers Nordhavn Bank ASA")
    look(anybody, "offer-link")
    anybody.context.close()
