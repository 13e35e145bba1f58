"""``consent-service demo --story``: separate programs over HTTP, and what their logs give away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

pytestmark = [pytest.mark.story, pytest.mark.xdist_group("story")]
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT.parent / "shared" / "data" / "saft-no" / "saft-financial-999999999.xml"


def play(home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    return subprocess.run(
        [sys.executable, "-m", "consent_service", "demo", *arguments],
        env={**clean, "CONSENT_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )


def test_the_story_on_the_shipped_file_and_nothing_secret_in_the_logs(tmp_path: Path) -> None:
    done = play(tmp_path, "--story")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The owner has taken this grant back" in done.stdout
    assert "Every step gave the expected answer" in done.stdout
    logs = "".join(path.read_text() for path in (tmp_path / "demo").glob("*.log"))
    assert '"route":"/access/v1/evaluation"' in logs
    for forbidden in (
        r"eyJ[A-Za-z0-9_-]{10}",  # a JWT
        r"urn:ietf:params:oauth:request_uri",
        r"code=",
        r"Hauge|Ingrid",  # the person's name
        r"TEST-NO-0001",
        r'"d":',  # a private key
        r"Traceback",
    ):
        assert not re.search(forbidden, logs), forbidden


def test_the_story_on_postgresql(tmp_path: Path, postgresql_server: str) -> None:
    name = f"story_{uuid.uuid4().hex[:8]}"
    engine = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    head, _, query = postgresql_server.partition("?")
    url = head.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
    done = play(tmp_path, "--story", CONSENT_DATABASE_URL=url)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    not EXAMPLE.exists(), reason="the tax administration's example lies beside the project, not in it"
)
def test_the_story_on_the_tax_administration_s_example(tmp_path: Path) -> None:
    done = play(tmp_path, "--story", "--saft", str(EXAMPLE))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("content", ["", "not xml", "<a/>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_a_file_that_is_no_saf_t_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "file.xml"
    path.write_text(content)
    done = play(tmp_path, "--story", "--saft", str(path))
    assert done.returncode == 2
    assert done.stderr.startswith("consent-service: ")
    assert "Traceback" not in done.stderr


def test_the_test_eid_refuses_to_start_outside_the_sandbox() -> None:
    arguments = ["--port", "1", "--seed", "x", "--redirect-uri", "http://localhost/x"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    done = subprocess.run(
        [sys.executable, "-m", "consent_service.sandbox.country", *arguments],
        env=clean,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "CONSENT_SANDBOX" in done.stderr
