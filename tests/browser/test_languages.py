"""Two languages at two widths, from the sign-in to the account: no sentence of English is left over."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.shots import look

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ENGLISH = re.compile(
    r"\b(the|you|your|and|may|read|grant|request|business|until|from|every|sign|access|purpose|take|back)\b",
    re.IGNORECASE,
)
"""Words that are in nearly every English sentence here, and in none of these languages."""


@pytest.mark.parametrize(
    ("language", "person", "day"),
    [("nb", "odd", r"\d\. [a-zæøå]+ 20\d\d"), ("fi", "odd", r"\d\. [a-zäö]+kuuta 20\d\d")],
)
def test_the_owners_way_in_another_language(
    demo: dict[str, str], chromium: Browser, language: str, person: str, day: str
) -> None:
    context = chromium.new_context(locale=language)
    page = context.new_page()
    page.goto(demo["bank"])
    page.click("#apply")
    see(page, language, "sign-in")
    page.click(f'footer button[value="{language}"]')  # chosen before the person is known: theirs from then on
    page.click("#sign-in-eid")
    page.click(f'button[name=person][value="{person}"]')
    if page.locator("#skip-passkey").count():
        see(page, language, "passkey")
        page.click("#skip-passkey")
    page.click("summary")
    see(page, language, "request")
    page.click("#approve")
    for path, name in (
        ("/", "overview"),
        ("/grants", "grants"),
        ("/activity", "activity"),
        ("/account", "account"),
    ):
        page.goto(f"{demo['service']}{path}")
        see(page, language, name)
    page.goto(f"{demo['service']}/grants")
    page.click("main .grant-card h2 a")
    see(page, language, "grant")
    assert re.search(day, page.inner_text("main")), "days are written as people write them"
    page.click('footer button[value="en"]')
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.click(f'footer button[value="{language}"]')
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.click('footer button[value="en"]')  # the choice is the person's, and others sign in as them
    expect(page.locator("html")).to_have_attribute("lang", "en")
    context.close()


def see(page: Page, language: str, name: str) -> None:
    """A look at both widths, and no English but in what others wrote: names, quotes, records."""
    expect(page.locator("html")).to_have_attribute("lang", language)
    look(page, f"{name}-{language}")
    text = page.evaluate(
        """() => {
          const copy = document.body.cloneNode(true);
          for (const part of copy.querySelectorAll("bdi, blockquote, footer .languages, .code, script, noscript"))
            part.remove();
          return copy.textContent;
        }"""
    )
    left = ENGLISH.findall(f"{text} {page.title()}")
    assert not left, (name, left)
