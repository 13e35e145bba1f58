"""The demo as a newcomer starts it, and Debian's Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.shots import ROOT

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """``consent-service demo`` as a newcomer starts it; yields the addresses that it prints."""
    home = tmp_path_factory.mktemp("home")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "consent_service", "demo"],
        env={**environ, "CONSENT_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout
    addresses: dict[str, str] = {"home": str(home)}
    for line in process.stdout:
        words = line.split()
        if len(words) == 2 and words[1].startswith("http://"):
            addresses[words[0]] = words[1]
        if line.startswith("Ctrl-C"):
            break
    assert {"service", "erp", "bank"} <= set(addresses), addresses
    yield addresses
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=15) == 0, "Ctrl-C stops the demo cleanly"
    process.stdout.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        executable = shutil.which("chromium")
        assert executable, "make test installs Chromium"
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()
