"""Screenshots at phone and desktop width, and what axe finds on them."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "var" / "screenshots"
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


def look(page: Page, name: str) -> None:
    """A screenshot at both widths, and axe's opinion of what is on it."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        page.screenshot(path=SHOTS / f"{name}-{size}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, f"{name} scrolls sideways at {size} width"
    found = Axe().run(page).response["violations"]
    assert not found, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


def to_request(page: Page, demo: dict[str, str], person: str) -> None:
    """From the bank to the page on which a person answers, signed in by the eID and without a passkey."""
    page.goto(demo["bank"])
    page.click("#apply")
    page.click("#sign-in-eid")
    page.click(f'button[name=person][value="{person}"]')
    page.click("#skip-passkey")
