"""Whom no register names: the page says so, and they can say for which business they act."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.shots import look


def test_somebody_without_a_business_names_one_and_is_told_what_the_register_says(
    demo: dict[str, str], chromium: Browser
) -> None:
    page = chromium.new_context().new_page()
    page.goto(f"{demo['service']}/sign-in")
    page.locator("#sign-in-eid").click()
    page.locator("button[name=person][value=jonas]").click()
    page.goto(demo["service"])
    expect(page.locator("h2").first).to_have_text("We found no business that you may act for")
    look(page, "no-business")
    page.locator("#country").select_option("NO")
    page.locator("#number").fill("310 028 142")
    page.locator("#look-up").click()
    expect(page.get_by_text("names nobody of your name who acts alone")).to_be_visible()
    look(page, "no-business-refused")
