"""``policy test`` and ``policy diff``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_service.cli import main
from consent_service.config import POLICIES
from consent_service.policy import cases


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


def test_a_difference_between_two_directories_is_shown(copy: Path) -> None:
    assert run("diff", str(POLICIES), str(copy))[0] == 0
    (copy / "90-more.cedar").write_text(
        '@id("no-trial-balance")@explanation("Not that.")'
        'forbid (principal, action, resource == dataset::"trial_balance");'
    )
    code, output = run("diff", str(POLICIES), str(copy))
    assert code == 1
    assert "CHANGED  The bank reads what the owner agreed to" in output
    assert "would be deny (no-trial-balance)" in output


@pytest.mark.parametrize(
    "text",
    ["", "[]", "cases: 5", "cases: [{}]", "cases: [nothing]", "cases:\n - name: x\n   expect: perhaps", "{"],
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
