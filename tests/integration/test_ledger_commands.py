"""The ledger's commands, as an operator runs them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consent_service.cli import main

SECRET = "s" * 40


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A production set-up that has its tables and keys."""
    environ = {
        "CONSENT_ISSUER": "https://consent.example.no",
        "CONSENT_SECRET_KEY": SECRET,
        "CONSENT_HOME": str(tmp_path),
    }
    for arguments in (("db", "upgrade"), ("keys", "rotate")):
        assert run(environ, *arguments).exit_code == 0
    return environ


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environ)


def file_of(home: dict[str, str]) -> Path:
    return Path(home["CONSENT_HOME"]) / "consent.db"


def register(home: dict[str, str], role: str, *more: str) -> str:
    name = f"{role}.jwk"
    done = run(
        home,
        *("client", "register", "--role", role, "--name", f"A {role}", "--org", "0192:310041238", "--json"),
        *("--new-key", str(Path(home["CONSENT_HOME"]) / name), *more),
    )
    assert done.exit_code == 0, done.output
    return str(json.loads(done.output)["client_id"])


def test_a_log_is_made_filled_verified_and_replayed(home: dict[str, str]) -> None:
    register(home, "party", "--redirect-uri", "https://bank.example.no/callback")
    done = run(home, "ledger", "sequence", "--once")
    # Three signing keys, each made and put to use; the party and its licence.
    assert (done.exit_code, done.output) == (0, "the tree has 8 entries\n")
    done = run(home, "ledger", "verify")
    assert done.exit_code == 0
    assert "consent.example.no/ledger\n8\n" in done.output
    assert run(home, "ledger", "replay").exit_code == 0
    doctor = run(home, "doctor").output
    assert "ok       ledger: 8 entries, key consent.example.no/ledger+" in doctor


def test_an_older_copy_stops_the_start_and_every_command_that_writes(home: dict[str, str]) -> None:
    run(home, "ledger", "sequence", "--once")
    with sqlite3.connect(file_of(home)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    copy = file_of(home).read_bytes()
    register(home, "holder")
    run(home, "ledger", "sequence", "--once")
    for one in Path(home["CONSENT_HOME"]).glob("consent.db-*"):
        one.unlink()
    file_of(home).write_bytes(copy)
    for command in (("serve",), ("ledger", "sequence", "--once"), ("ledger", "resume"), ("keys", "rotate")):
        done = run(home, *command)
        assert done.exit_code == 2, (command, done.output)
    assert "put back from an older copy" in run(home, "serve").output
    assert "MISSING  ledger" in run(home, "doctor").output
    begun = run(home | {"CONSENT_LEDGER_ORIGIN": "consent.example.no/second"}, "ledger", "sequence", "--once")
    assert begun.exit_code == 0, begun.output


def test_mandates_are_given_and_ended(home: dict[str, str]) -> None:
    supervisor = register(home, "supervisor")
    give = ("mandate", "give", supervisor, "--basis", "GDPR article 58", "--kind", "decision")
    done = run(home, *give, "--until", "2099-01-01")
    assert done.exit_code == 0, done.output
    mandate = done.output.split()[1]
    assert run(home, "mandate", "end", mandate).exit_code == 0
    again = run(home, "mandate", "end", mandate)
    assert (again.exit_code, "no mandate" in again.output) == (2, True)
    assert run(home, *give, "--until", "2001-01-01").exit_code == 2
    assert run(home, "mandate", "give", "nobody", "--basis", "x", "--until", "2099-01-01").exit_code == 2
    run(home, "ledger", "sequence", "--once")
    assert run(home, "ledger", "verify").exit_code == 0


def test_erasing_what_is_not_there_or_not_an_owner_s_is_a_clear_error(home: dict[str, str]) -> None:
    done = run(home, "ledger", "erase", "nothing", "--reason", "test")
    assert (done.exit_code, "no entry nothing" in done.output) == (2, True)
    with sqlite3.connect(file_of(home)) as connection:
        [entry_id] = connection.execute("SELECT entry_id FROM ledger_payload").fetchone()
    connection.close()
    done = run(home, "ledger", "erase", entry_id, "--reason", "test")
    assert (done.exit_code, "nothing that could be erased" in done.output) == (2, True)


def test_a_wrong_witness_is_named_at_the_start(home: dict[str, str]) -> None:
    done = run(home | {"CONSENT_WITNESSES": "somebody@https://w.example"}, "ledger", "sequence", "--once")
    assert (done.exit_code, "CONSENT_WITNESSES" in done.output) == (2, True)


def test_wrong_options_are_one_line(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in (
        ("replay", "--policies", str(tmp_path / "empty")),
        ("replay", "--database", str(tmp_path / "nothing")),
        ("replay", "--from", "-1"),
        ("verify", "--url", "http://127.0.0.1:9"),
        ("verify", "--checkpoint", str(file_of(home)), "--key", "nonsense"),
        ("verify", str(file_of(home)), "--witness", "nonsense"),
    ):
        done = run(home, "ledger", *arguments)
        assert done.exit_code == 2, (arguments, done.output)
        assert "Traceback" not in done.output
