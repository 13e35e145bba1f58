"""What the owner sees of reads: the picture with its table, marks by stated rules, and files to keep."""

from __future__ import annotations

import csv
import io
import json

import pytest

from consent_service.portal.activity import _cell
from tests.world import World


def test_the_picture_has_the_same_numbers_in_a_table(both_worlds: World) -> None:
    world = both_worlds
    token, browser = world.grant(), world.sign_in()
    for data_set in ("trial_balance", "trial_balance", "payroll_summary"):
        world.decide(token, data_set=data_set)
    world.clock.advance(seconds=1)
    page = browser.get("/activity").text
    assert '<svg viewBox="0 0 720' in page
    assert "Nordhavn Bank ASA</bdi>: 2" in page
    assert "Refused</bdi>: 1" in page
    assert page.count('<th scope="row">') == 12
    assert "<td>2</td><td>1</td>" in page


def test_reads_and_refusals_can_be_looked_at_alone(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    world.decide(token)
    world.decide(token, data_set="payroll_summary")
    assert browser.get("/activity?show=read").text.count('role="row" class="is-') == 1
    assert 'class="is-refused"' not in browser.get("/activity?show=read").text
    assert 'class="is-read"' not in browser.get("/activity?show=refused").text
    assert browser.get("/activity?show=%00").text.count('role="row" class="is-') == 2


def test_what_is_unusual_is_marked_by_the_rules_that_the_page_states(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    for _ in range(2):
        world.decide(token)
        world.clock.advance(seconds=1)
    page = browser.get("/activity").text
    assert page.count("First read under this grant") == 1
    for _ in range(6):
        world.decide(token, data_set="payroll_summary")
        world.clock.advance(seconds=1)
    page = browser.get("/activity").text
    assert page.count("Refused often within a day") == 2, "the fifth and the sixth"
    assert "the fifth refusal under a grant within a day" in page


def test_everything_can_be_taken_along_and_nothing_of_anybody_else(both_worlds: World) -> None:
    world = both_worlds
    token, browser = world.grant(), world.sign_in()
    world.decide(token)
    world.decide(token, data_set="payroll_summary")
    world.clock.advance(seconds=1)
    table = browser.get("/activity.csv")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(table.text)))
    assert [one["result"] for one in lines] == ["read", "refused"]
    assert lines[0]["data_set"] == "trial_balance"
    assert lines[0]["grant_id"] == token["grant_id"]
    found = json.loads(browser.get("/activity.json").text)
    assert [one["entry_id"] for one in found] == [one["entry_id"] for one in lines]
    assert found[1]["reasons"]
    stranger = world.sign_in("elsa")
    assert json.loads(stranger.get("/activity.json").text) == []
    assert len(stranger.get("/activity.csv").text.splitlines()) == 1
    assert world.app.test_client().get("/activity.csv").status_code == 303


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert _cell(text) == f"'{text}"
