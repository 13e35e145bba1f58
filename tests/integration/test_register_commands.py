"""``register show``, ``register check`` and the doctor's lines, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consent_service.cli import main
from consent_service.db import reading
from consent_service.registry import watch
from consent_service.registry.extract import LegalStatus
from tests.conftest import FrozenClock
from tests.nations import Nation
from tests.world import ISSUER, OWNER, World

SECRET = "k" * 40


@pytest.fixture
def environ(sqlite_url: str, nation: Nation, tmp_path: Path) -> dict[str, str]:
    access = nation.access("DK")
    return {
        "CONSENT_ISSUER": ISSUER,
        "CONSENT_SECRET_KEY": SECRET,
        "CONSENT_HOME": str(tmp_path),
        "CONSENT_DATABASE_URL": sqlite_url,
        "CONSENT_REGISTER_NO_URL": nation.access("NO").url,
        "CONSENT_REGISTER_DK_URL": access.url,
        "CONSENT_REGISTER_DK_USER": access.user,
        "CONSENT_REGISTER_DK_SECRET": access.secret,
    }


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environ)


def test_register_show_says_who_binds_an_organisation_and_how_old_that_is(environ: dict[str, str]) -> None:
    told = run(environ, "register", "show", "0192:310060011").output
    assert "Storvik Sag AS (0192:310060011, NOFOR.310060011) is registered" in told
    assert "said by Enhetsregisteret" in told
    assert "0 minutes ago" in told
    assert "Styrets leder (chair): Kari Storvik" in told
    assert "binds it, 2 together, signature: Styrets leder og ett styremedlem i fellesskap." in told
    assert "TEST-NO" not in told


def test_register_show_says_what_it_could_not_read_or_does_not_know(
    environ: dict[str, str], nation: Nation
) -> None:
    assert "knows no 0192:923609016" in run(environ, "register", "show", "0192:923609016").output
    assert "can't be reached" in run(environ, "register", "show", "0007:5599980108").output
    assert "could not be read" not in run(environ, "register", "show", "0184:99810106").output
    assert run(environ, "register", "show", "0192:1").exit_code == 2
    nowhere = {name: value for name, value in environ.items() if "_REGISTER_" not in name}
    assert "the settings name no register" in run(nowhere, "register", "show", OWNER).output


def test_register_check_looks_now_and_suspends(
    environ: dict[str, str], nation: Nation, clock: FrozenClock, tmp_path: Path
) -> None:
    with World.make(environ["CONSENT_DATABASE_URL"], nation.url, clock, tmp_path / "world") as world:
        token = world.grant()
        assert run(environ, "register", "check").output == "0 looked at\n"
        nation.set_status(OWNER, "bankrupt")
        told = run(environ, "register", "check", OWNER, "0007:5599980108").output
        assert f"{OWNER} is bankrupt now; 1 grants suspended or resumed" in told
        assert "0007:5599980108 was not told of" in told
        assert f"{OWNER} is bankrupt, as before" in run(environ, "register", "check", OWNER).output
        assert not world.decide(token)["decision"]
        with world.app.app_context():
            assert watch.status_of(reading(), OWNER) is LegalStatus.BANKRUPT


def test_the_doctor_has_a_line_for_each_register(environ: dict[str, str]) -> None:
    run(environ, "register", "show", OWNER)
    told = run(environ, "doctor").output
    assert "ok       business register of NO: Enhetsregisteret, http://localhost" in told
    assert "open; answered last 20" in told
    assert "ok       business register of DK: CVR," in told
    assert "by credentials" in told
    assert environ["CONSENT_REGISTER_DK_SECRET"] + "@" not in told
    assert "business register: none for SE, FI, IS: nobody acts for a business there" in told


def test_the_doctor_says_which_register_does_not_answer(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent_service.registry.registers import asking

    monkeypatch.setattr(asking, "PAUSES", ())
    broken = environ | {"CONSENT_REGISTER_NO_URL": "http://localhost:9"}
    assert "can't be reached" in run(broken, "register", "show", OWNER).output
    done = run(broken, "doctor")
    assert "MISSING  business register of NO: Enhetsregisteret" in done.output
    assert "1 failures in a row, no answer since ever" in done.output
    assert done.exit_code == 1


def test_a_client_s_name_comes_from_its_own_register(environ: dict[str, str]) -> None:
    refused = run(
        environ, "client", "invite", "--role", "party", "--org", "0192:923609016", "--until", "2030-01-31"
    )
    assert "Enhetsregisteret has no active organisation 0192:923609016" in refused.output
    assert (
        run(
            environ, "client", "invite", "--role", "party", "--org", "0192:310041238", "--until", "2030-01-31"
        ).exit_code
        == 0
    )
    unnamed = run(
        environ, "client", "invite", "--role", "party", "--org", "0007:5599980108", "--until", "2030-01-31"
    )
    assert "say its --name" in unnamed.output
