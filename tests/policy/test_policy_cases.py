"""``policy test``, ``check``, ``diff`` and ``publish``, and the operator's commands that policies look at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_service.cli import main
from consent_service.config import POLICIES
from consent_service.db import db
from consent_service.policy import cases
from tests.world import World


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["policy", *arguments])
    return done.exit_code, done.output


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(POLICIES, tmp_path / "policies")
    return tmp_path / "policies"


def test_our_own_cases_come_out_and_every_policy_has_decided_one() -> None:
    code, output = run("test")
    assert code == 0, output
    assert "never" not in output
    assert f"{len(cases.load(POLICIES))} of {len(cases.load(POLICIES))} cases" in output


def test_a_case_that_comes_out_otherwise_is_named(copy: Path) -> None:
    path = copy / "10-grant.cedar"
    path.write_text(path.read_text().replace('context.grant.status == "revoked"', "false"))
    code, output = run("test", str(copy))
    assert code == 1
    assert "FAILED  The owner has taken the grant back" in output
    assert "expected deny (grant-revoked)" in output


def test_a_policy_that_no_case_tries_is_named(copy: Path) -> None:
    (copy / "90-more.cedar").write_text(
        '@id("unheard-of")@explanation("Never.")forbid (principal, action == Action::"read", resource) when { context.reads > 999 };'
    )
    code, output = run("test", str(copy))
    assert code == 1
    assert "unheard-of" in output
    assert "no case tries it" in output


def test_a_difference_between_two_directories_is_shown(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSENT_HOME", str(tmp_path))
    code, output = run("diff", str(POLICIES), str(copy))
    assert (code, "no recorded decisions were looked at: there is no database" in output) == (0, True)
    (copy / "90-more.cedar").write_text(
        '@id("no-trial-balance")@explanation("Not that.")'
        'forbid (principal, action, resource == dataset::"trial_balance");'
    )
    code, output = run("diff", str(POLICIES), str(copy))
    assert code == 1
    assert "CHANGED  The bank reads what the owner agreed to" in output
    assert "would be deny (no-trial-balance)" in output


def test_a_difference_in_recorded_decisions_is_counted(operator: World, copy: Path) -> None:
    token = operator.grant()
    for data_set in ("trial_balance", "financial_statement", "trial_balance"):
        assert operator.decide(token, data_set=data_set)["decision"] is True
    assert operator.decide(token, data_set="waste")["decision"] is False
    same = run("diff", str(POLICIES), str(copy))
    assert (same[0], same[1].splitlines()[-1]) == (0, "0 of 4 recorded decisions change")
    purposes = copy / "catalogue" / "purposes.yaml"
    masked = "licence: credit\n  mask: {financial_statement: [notes]}\n"
    purposes.write_text(purposes.read_text().replace("licence: credit\n", masked))
    code, output = run("diff", str(POLICIES), str(copy))
    assert code == 1
    assert "0 of " in output  # no case has to do with it
    assert "1 of 4 recorded decisions change, 1 of them in reasons or obligations alone" in output
    (copy / "90-more.cedar").write_text(
        '@id("no-trial-balance")@explanation("Not that.")'
        'forbid (principal, action == Action::"read", resource == dataset::"trial_balance");'
    )
    code, output = run("diff", str(POLICIES), str(copy))
    assert code == 1
    assert "3 of 4 recorded decisions change, 1 of them" in output
    row = [operator.bank.client_id, "credit_assessment", "0192:310028142", "permit", "deny", "2"]
    assert row in [line.split() for line in output.splitlines()]
    # Beside each other, not beside the record: what the first one denied already is no change.
    assert "0 of 4 recorded decisions change" in run("diff", str(copy), str(copy))[1]
    assert "recorded" not in run("diff", "--cases-only", str(POLICIES), str(copy))[1]


def test_a_database_that_is_no_ledger_is_a_clear_error(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.db").touch()
    monkeypatch.setenv("CONSENT_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    code, output = run("diff", str(POLICIES), str(copy))
    assert (code, "not a ledger" in output) == (2, True), output
    assert run("diff", "--cases-only", str(POLICIES), str(copy))[0] == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "cases: 5",
        "cases: [{}]",
        "cases: [nothing]",
        "cases:\n - name: x\n   expect: perhaps",
        "{",
        "cases: []\ncases: []",
        "cases: [{name: x, grant: null, grant: null}]",
        "? [a]\n: b",
    ],
)
def test_cases_that_say_not_enough_are_a_clear_error(copy: Path, text: str) -> None:
    (copy / "tests" / "broken.yaml").write_text(text)
    code, output = run("test", str(copy))
    assert code == 2, output
    assert "broken.yaml" in output


def test_a_directory_without_cases_is_a_clear_error(copy: Path) -> None:
    shutil.rmtree(copy / "tests")
    assert run("test", str(copy))[0] == 2
    assert run("test", str(copy / "catalogue"))[0] == 2


def test_check_finds_what_can_never_decide(copy: Path) -> None:
    policies = sum(file.read_text().count("\n@id(") for file in copy.glob("*.cedar"))
    assert run("check", str(copy)) == (0, f"{policies} policies fit the schema, and each can decide\n")
    (copy / "90-more.cedar").write_text(
        '@id("again")@explanation("Again.")forbid (principal, action == Action::"read", resource)'
        'when { context has grant && context.grant.status == "revoked" && context.reads > 3 };'
    )
    code, output = run("check", str(copy))
    assert code == 1
    assert "SHADOWED  again: wherever it applies, grant-revoked forbids too" in output
    (copy / "90-more.cedar").write_text("forbid (principal, action, resource) when { context.colour };")
    code, output = run("check", str(copy))
    assert code == 2
    assert "colour" in output


@pytest.fixture
def operator(both_worlds: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """The settings of a running service, as its operator's shell has them."""
    world = both_worlds
    with world.app.app_context():
        url = db.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("CONSENT_DATABASE_URL", url)
    monkeypatch.setenv("CONSENT_ISSUER", "http://localhost")
    monkeypatch.setenv("CONSENT_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("CONSENT_HOME", str(tmp_path))
    return world


def test_what_is_published_decides_and_what_is_broken_is_refused(operator: World, copy: Path) -> None:
    token = operator.grant()
    before = operator.decide(token)["context"]["policy_digest"]
    more = copy / "90-more.cedar"
    for text, said in (
        ("forbid (principal, action, resource) when { context.colour };", "colour"),
        ("forbid (principal, action, resource", "consent-service: "),
        ('@id("all")@explanation("No.")forbid (principal, action, resource);', "not published: "),
        (
            (
                '@id("some")@explanation("No.")forbid (principal, action == Action::"read", resource)'
                'when { resource == dataset::"trial_balance" };'
            ),
            "cases come out otherwise, the first: ",
        ),
    ):
        more.write_text(text)
        code, output = run("publish", str(copy))
        assert (code, said in output) == (2, True), output
        answer = operator.decide(token, data_set="financial_statement")
        assert (answer["decision"], answer["context"]["policy_digest"]) == (True, before)
    more.write_text(
        '@id("no-waste")@explanation("No waste.")forbid (principal, action == Action::"read", resource)'
        'when { resource == dataset::"waste" };'
    )
    code, output = run("publish", str(copy))
    assert (code, "decides from now on" in output) == (0, True), output
    answer = operator.decide(token, data_set="financial_statement")
    assert answer["context"]["policy_digest"] in output
    again = run("publish", str(copy))[1]
    assert "decides already\n" in again
    assert f"Set CONSENT_POLICY_DIR to {copy}" in again


def test_the_operator_s_commands_change_the_next_decision(operator: World) -> None:
    token = operator.grant()
    bank, owner = "0192:310041238", "0192:310028142"

    def policies() -> list[str]:
        return [one["policy"] for one in operator.decide(token, context={})["context"]["reasons"]]

    def command(*arguments: str) -> str:
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output

    assert "has no licence credit" in command("party", "unlicense", bank, "credit", "--reason", "withdrawn")
    assert policies() == ["party-licensed"]
    licence = ("party", "license", bank, "credit", "--source", "Finanstilsynet", "--until", "2099-01-01")
    assert "until 2099-01-01" in command(*licence)
    assert policies() == ["grant-allows-read"]
    assert (
        command("owner", "dispute", owner, "--reason", "two boards") == f"1 grants of {owner} are suspended\n"
    )
    assert policies() == ["grant-in-dispute"]
    assert command("owner", "settle", owner, "--reason", "court") == f"1 grants of {owner} go on\n"
    assert policies() == ["grant-allows-read"]
    for wrong in (
        ("party", "license", "0192:974760673", "credit", "--source", "x", "--until", "2099-01-01"),
        ("party", "license", bank, "Credit!", "--source", "x", "--until", "2099-01-01"),
        ("party", "license", bank, "credit", "--source", "x", "--until", "2001-01-01"),
        ("party", "unlicense", bank, "gambling", "--reason", "x"),
        ("owner", "settle", owner, "--reason", "x"),
        ("owner", "dispute", "0192:1", "--reason", "x"),
    ):
        done = CliRunner().invoke(main, list(wrong))
        assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
