"""One service for all probes of this folder, with everything on that a setting can turn on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consent_service.clock import SystemClock
from consent_service.config import Settings
from consent_service.web.certificate_names import Authorities
from consent_service.web.current import current, provide
from tests.certificates import authority
from tests.world import World


@pytest.fixture(scope="module")
def whole(sqlite_template: Path, country: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The service with its real clock, a certificate authority and another name for certificates."""
    folder = tmp_path_factory.mktemp("metadata")
    shutil.copy(sqlite_template, folder / "consent.db")
    url = f"sqlite:///{folder / 'consent.db'}"
    root, bundle = authority(), folder / "authorities.pem"
    bundle.write_bytes(root.pem)
    with World.make(url, country, SystemClock(), folder) as world:
        with world.app.app_context():
            settings = replace(current(Settings), mtls_ca=bundle, mtls_url="http://certificates.localhost")
        provide(world.app, settings, Authorities(bundle))
        world.app.extensions["authority"] = root
        yield world
