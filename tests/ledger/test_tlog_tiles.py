"""C2SP tlog-tiles: paths, widths, and the HTTP surface."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from consent_service.db import reading
from consent_service.ledger import tree
from consent_service.ledger.checkpoint import open_checkpoint
from consent_service.ledger.note import VerifierKey
from consent_service.ledger.store import EntryRow
from consent_service.ledger.tiles import Tile
from tests.world import World


def test_the_specification_s_own_example_of_a_path() -> None:
    assert Tile(0, 1234067).path == "0/x001/x234/067"
    assert Tile.parse("0/x001/x234/067") == Tile(0, 1234067)
    assert Tile(None, 0, 17).path == "entries/000.p/17"


def test_the_specification_s_own_example_of_widths() -> None:
    # "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of
    # width 112, one full level 1 tile, one partial level 1 tile of width 17, and one partial level 2
    # tile of width 1"
    def widths(level: int) -> list[int]:
        return [one for index in range(400) if (one := Tile(level, index).width_at(70_000))]

    assert widths(0) == [256] * 273 + [112]
    assert widths(1) == [256, 17]
    assert widths(2) == [1]
    assert widths(3) == []
    assert Tile(0, 0).width_at(256) == 256
    assert Tile(1, 0).width_at(256) == 1


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/1",
        "0/0001",
        "00/000",
        "64/000",
        "-1/000",
        "0/x000/001",
        "0/001/002",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/",
        "0/000/",
        "entry/000",
        "0/" + "x001/" * 40 + "001",
        "0/٠٠٠",
        "../../secret",
    ],
)
def test_what_is_not_a_tile_s_path_is_404(world: World, path: str) -> None:
    with pytest.raises(ValueError):
        Tile.parse(path)
    assert world.app.test_client().get(f"/ledger/tile/{path}").status_code in {404, 308}


def test_an_outsider_verifies_the_log_from_its_tiles(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    for _ in range(3):
        world.decide(token)
    world.sequence()
    http = world.app.test_client()
    log = VerifierKey.parse(http.get("/ledger/key").text)
    answer = http.get("/ledger/checkpoint")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "immutable" not in answer.headers["Cache-Control"]
    head = open_checkpoint(answer.text, log).checkpoint
    assert log.name == "localhost/ledger"
    tile, bundle = (http.get(f"/ledger/tile/{level}/000.p/{head.size}") for level in ("0", "entries"))
    for one in (tile, bundle):
        assert one.headers["Content-Type"] == "application/octet-stream"
        assert one.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Vary" not in one.headers
        assert one.headers["Access-Control-Allow-Origin"] == "*"
        assert one.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Set-Cookie" not in one.headers
    entries, at = [], 0
    while at < len(bundle.data):
        length = int.from_bytes(bundle.data[at : at + 2])
        entries.append(bundle.data[at + 2 : at + 2 + length])
        at += 2 + length
    assert b"".join(tree.leaf_hash(one) for one in entries) == tile.data
    assert tree.root_over([tree.leaf_hash(one) for one in entries]) == head.root
    assert sum(json.loads(one)["kind"] == "decision.permit" for one in entries) == 3


def test_partial_tiles_stay_and_what_is_not_yet_there_is_404(world: World) -> None:
    http = world.app.test_client()
    world.sequence()
    size = int(http.get("/ledger/checkpoint").text.split("\n")[1])
    early = http.get(f"/ledger/tile/0/000.p/{size}").data
    assert http.get(f"/ledger/tile/0/000.p/{size + 1}").status_code == 404
    assert http.get("/ledger/tile/0/000").status_code == 404
    assert http.get("/ledger/tile/1/000.p/1").status_code == 404
    assert http.get("/ledger/tile/entries/001.p/1").status_code == 404
    world.grant()
    world.sequence()
    assert http.get(f"/ledger/tile/0/000.p/{size}").data == early


def test_the_public_entry_holds_ids_and_hashes_alone(world: World) -> None:
    token = world.grant()
    world.decide(token)
    world.sequence()
    with world.app.app_context():
        bodies = list(reading().scalars(select(EntryRow.body)))
    allowed = {
        "version",
        "entry_id",
        "kind",
        "time",
        "payload_hash",
        "request_id",
        "grant_id",
        "grant_version",
        "client_id",
        "policy_digest",
    }
    for body in bodies:
        assert set(json.loads(body)) <= allowed
        assert b"0192:" not in body
        assert b"Ingrid" not in body
