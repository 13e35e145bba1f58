"""The operator looks at what became of a grant: every version, who made it, and the entry behind it."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from consent_service.cli import main
from consent_service.config import Settings
from consent_service.db import writing
from consent_service.ledger import erasure
from consent_service.web.current import current
from tests.world import OWNER, World


def history(world: World, *arguments: str) -> Result:
    with world.app.app_context():
        settings = current(Settings)
    environ = {
        "CONSENT_ISSUER": settings.issuer,
        "CONSENT_SECRET_KEY": settings.secret_key,
        "CONSENT_DATABASE_URL": settings.database_url,
        "CONSENT_HOME": str(settings.home),
    }
    return CliRunner().invoke(main, ["grant", "history", *arguments], env=environ)


def test_every_version_is_shown_with_who_made_it_and_what_was_decided(both_worlds: World) -> None:
    world, browser = both_worlds, both_worlds.sign_in()
    granted = world.grant(browser=browser)
    assert world.decide(granted)["decision"] is True
    world.revoke(browser, granted["grant_id"])
    assert world.decide(granted)["decision"] is False
    told = json.loads(history(world, granted["grant_id"], "--json").output)
    assert (told["owner"], told["party"], told["client_id"]) == (
        OWNER,
        "0192:310041238",
        world.bank.client_id,
    )
    first, second = told["versions"]
    assert (first["version"], first["status"], first["event"]) == (1, "active", "grant.activated")
    assert (second["version"], second["status"], second["event"]) == (2, "revoked", "grant.revoked")
    assert first["actor"] == second["actor"] != "erased"
    assert first["terms"]["purpose"] == "credit_assessment"
    assert told["decisions"] == {"decision.permit": 1, "decision.deny": 1}
    shown = history(world, granted["grant_id"])
    assert shown.exit_code == 0
    assert [line.split("  ")[0] for line in shown.output.splitlines() if " entry " in line] == ["1", "2"]
    assert "1 decision.permit, 1 decision.deny" in shown.output


def test_what_was_erased_is_not_shown_and_the_version_still_is(world: World) -> None:
    granted = world.grant()
    told = json.loads(history(world, granted["grant_id"], "--json").output)
    [only] = told["versions"]
    with world.app.app_context(), writing() as session:
        erasure.erase(session, only["entry_id"], actor="x", reason="asked for", now=world.clock.now())
    [only] = json.loads(history(world, granted["grant_id"], "--json").output)["versions"]
    assert (only["status"], only["actor"]) == ("active", "erased")


def test_a_grant_that_there_is_not_is_said_in_one_line(world: World) -> None:
    answer = history(world, "none")
    assert (answer.exit_code, answer.output) == (2, "consent-service: there is no grant none\n")
