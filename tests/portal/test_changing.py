"""What an owner does with a grant that stands: changed, renewed, paused, taken back; true at the next read."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update
from werkzeug.test import TestResponse

from consent_service.cli import main
from consent_service.db import db, reading, writing
from consent_service.grants import disputes, store
from consent_service.ledger.store import PayloadRow
from consent_service.policy.engine import PolicySet
from consent_service.policy.publish import publish
from consent_service.web.session import SessionRow
from tests.policy.test_replay import run
from tests.world import OWNER, POLICIES, World, csrf

BOTH = ["financial_statement", "trial_balance"]


def change(world: World, browser: Any, grant_id: str, **form: Any) -> TestResponse:
    """Send the page of a change, filled in as it comes but for ``form``."""
    page = browser.get(f"/grants/{grant_id}/change")
    with world.app.app_context():
        grant = store.current(reading(), OWNER, grant_id)
    assert grant
    filled = {
        "csrf_token": csrf(page),
        "version": grant.version,
        "datatypes": BOTH,
        "period_from": "2024-01-01",
        "period_to": "2025-12-31",
        "valid_until": grant.terms.access.valid_until.date().isoformat(),
        "frequency": 4,
    }
    return browser.post(f"/grants/{grant_id}/change", data=filled | form)


def press(browser: Any, grant_id: str, what: str, **form: Any) -> TestResponse:
    token = csrf(browser.get(f"/grants/{grant_id}"))
    return browser.post(f"/grants/{grant_id}/{what}", data={"csrf_token": token} | form)


def why(answer: dict[str, Any]) -> list[str]:
    return [one["policy"] for one in answer["context"]["reasons"]]


def test_a_change_is_a_new_version_and_true_at_the_next_data_request(both_worlds: World) -> None:
    world = both_worlds
    token, browser = world.grant(), world.sign_in()
    assert world.decide(token)["decision"] is True
    answer = change(world, browser, token["grant_id"], datatypes=["financial_statement"], frequency=2)
    assert answer.status_code == 303, answer.text
    denied = world.decide(token)
    assert denied["decision"] is False
    with world.app.app_context():
        grant = store.current(reading(), OWNER, token["grant_id"])
    assert grant
    assert (grant.version, grant.terms.datatypes) == (2, ("financial_statement",))
    assert grant.terms.access.frequency
    assert grant.terms.access.frequency.value == 2
    page = browser.get(f"/grants/{token['grant_id']}").text
    assert "Changed" in page
    assert "No longer:" in page


def test_the_owner_can_go_back_to_all_that_was_asked_for_and_to_no_more(world: World) -> None:
    token, browser = world.grant_of(world.details(), datatypes=["trial_balance"]), world.sign_in()
    grant_id = token["grant_id"]
    assert change(world, browser, grant_id).status_code == 303
    assert world.decide(token, resource={"id": "financial_statement"})["decision"] is True
    refused = change(world, browser, grant_id, datatypes=["payroll_summary"])
    assert refused.status_code == 400
    assert "Choose at least one data set" in refused.text
    refused = change(world, browser, grant_id, frequency=5)
    assert "Choose a number from 1 to 4" in refused.text
    refused = change(world, browser, grant_id, period_from="2023-01-01")
    assert "The period can start" in refused.text


def test_an_end_that_is_left_as_it_is_stays_to_the_second(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    [given] = token["authorization_details"]
    assert change(world, browser, token["grant_id"], frequency=3).status_code == 303
    with world.app.app_context():
        grant = store.current(reading(), OWNER, token["grant_id"])
    assert grant
    assert grant.terms.access.valid_until == dt.datetime.fromisoformat(given["access"]["valid_until"])


def test_a_day_ends_where_the_business_is(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    assert change(world, browser, token["grant_id"], valid_until="2027-01-15").status_code == 303
    with world.app.app_context():
        grant = store.current(reading(), OWNER, token["grant_id"])
    assert grant
    assert grant.terms.access.valid_until == dt.datetime(2027, 1, 15, 22, 59, 59, tzinfo=dt.UTC), "in Oslo"
    assert "15 January 2027" in browser.get(f"/grants/{token['grant_id']}").text


def test_a_change_made_on_an_older_version_changes_nothing(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    assert change(world, browser, token["grant_id"], frequency=3).status_code == 303
    stale = change(world, browser, token["grant_id"], version=1, datatypes=["trial_balance"])
    assert stale.status_code == 409
    with world.app.app_context():
        grant = store.current(reading(), OWNER, token["grant_id"])
    assert grant
    assert (grant.version, list(grant.terms.datatypes)) == (2, BOTH)


def test_the_end_can_be_later_than_asked_as_far_as_the_purpose_allows(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    later = world.clock.now().date() + dt.timedelta(days=180)
    assert change(world, browser, token["grant_id"], valid_until=later.isoformat()).status_code == 303
    too_late = world.clock.now().date() + dt.timedelta(days=4000)
    refused = change(world, browser, token["grant_id"], valid_until=too_late.isoformat())
    assert refused.status_code == 400
    assert "Access can end between" in refused.text


def test_renewing_lets_a_grant_go_on_as_long_again(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    world.clock.advance(days=70)
    with world.app.app_context(), writing() as session:  # the eID's clock stands still: nobody signs in again
        session.execute(update(SessionRow).values(expires_at=world.clock.now() + dt.timedelta(days=1)))
    page = browser.get("/grants").text
    assert "Ends soon" in page
    assert "One grant ends within 30 days" in page
    assert press(browser, token["grant_id"], "renew", version=1).status_code == 303
    with world.app.app_context():
        grant = store.current(reading(), OWNER, token["grant_id"])
    assert grant
    left = grant.terms.access.valid_until - world.clock.now()
    assert dt.timedelta(days=89) < left < dt.timedelta(days=91)
    world.clock.advance(days=80)
    assert world.decide(token)["decision"] is True


def test_nothing_is_read_under_a_paused_grant_and_it_goes_on_when_its_owner_says_so(
    both_worlds: World,
) -> None:
    world = both_worlds
    token, browser = world.grant(), world.sign_in()
    assert press(browser, token["grant_id"], "suspend").status_code == 303
    denied = world.decide(token)
    assert denied["decision"] is False
    assert why(denied) == ["grant-suspended"]
    assert "Paused" in browser.get(f"/grants/{token['grant_id']}").text
    assert press(browser, token["grant_id"], "suspend").status_code == 303, "twice is no error"
    assert press(browser, token["grant_id"], "resume").status_code == 303
    assert world.decide(token)["decision"] is True


def test_what_a_dispute_suspended_is_not_the_owner_s_to_resume(world: World) -> None:
    token, browser = world.grant(), world.sign_in()
    with world.app.app_context(), writing() as session:
        disputes.begin(session, OWNER, actor="operator", reason="court", now=world.clock.now())
    assert press(browser, token["grant_id"], "resume").status_code == 409
    assert world.decide(token)["decision"] is False


def test_all_of_one_party_and_all_at_once_are_taken_back_in_one_action(both_worlds: World) -> None:
    world = both_worlds
    one, other, browser = world.grant(), world.grant(), world.sign_in()
    page = browser.get(f"/grants/{one['grant_id']}").text
    assert "Take back this and one more of theirs" in page
    stop = browser.get("/stop")
    assert "2 grants end at once" in stop.text
    form = {"csrf_token": csrf(stop), "owner": OWNER}
    assert browser.post("/stop", data=form | {"owner": "0192:310041238"}).status_code == 409
    assert browser.post("/stop", data=form | {"party": "0192:999999999"}).status_code == 303
    assert world.decide(one)["decision"] is True, "somebody else's are not touched"
    assert browser.post("/stop", data=form).status_code == 303
    assert world.decide(one)["decision"] is False
    assert world.decide(other)["decision"] is False
    assert "There is nothing to take back" in browser.get("/stop").text


def test_nobody_changes_another_owner_s_grant(world: World) -> None:
    token, stranger = world.grant(), world.sign_in("elsa")
    own = csrf(stranger.get("/account"))
    grant_id = token["grant_id"]
    assert stranger.get(f"/grants/{grant_id}/change").status_code == 404
    for what in ("change", "renew", "suspend", "resume", "revoke"):
        form = {"csrf_token": own, "version": 1, "datatypes": BOTH}
        assert stranger.post(f"/grants/{grant_id}/{what}", data=form).status_code == 404, what
    stranger.post("/stop", data={"csrf_token": own, "owner": OWNER})
    assert world.decide(token)["decision"] is True


def test_changing_and_revoking_at_once_ends_in_a_grant_that_is_taken_back(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    grant_id = token["grant_id"]
    browsers = [world.sign_in(), world.sign_in()]
    start = threading.Barrier(2)

    def work(number: int) -> None:
        start.wait()
        if number:
            press(browsers[1], grant_id, "revoke")
        else:
            change(world, browsers[0], grant_id, frequency=1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.app.app_context():
        grant = store.current(reading(), OWNER, grant_id)
    assert grant
    assert grant.status == "revoked"
    assert world.decide(token)["decision"] is False


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("q=nordhavn", True),
        ("q=NORDHAVN+trial", True),
        ("q=310041238", True),
        ("q=somebody", False),
        ("party=0192:310041238", True),
        ("party=0192:310052345", False),
        ("q=%00", False),
    ],
)
def test_grants_are_found_by_words_and_by_party(world: World, query: str, shown: bool) -> None:
    token, browser = world.grant(), world.sign_in()
    page = browser.get(f"/grants?{query}")
    assert page.status_code == 200
    assert (token["grant_id"] in page.text) is shown
    assert ("Nothing found" in page.text) is not shown


def test_a_no_says_why_to_the_party_and_in_the_ledger(world: World) -> None:
    pushed, browser = world.bank.push(), world.sign_in()
    waiting, page = world.open_request(browser, pushed)
    assert "They ask for too much" in page.text
    back = world.answer(browser, waiting, page, answer="decline", reason="too_much")
    assert back.status_code == 303
    at_bank = browser.get(back.location)
    assert "asks+for+too+much" in at_bank.location or "asks%20for%20too%20much" in at_bank.location
    with world.app.app_context():
        row = reading().query(PayloadRow).filter_by(kind="request.declined").one()
    assert json.loads(row.body)["reason"] == "too_much"


def test_what_an_owner_changed_follows_from_the_ledger_alone(both_worlds: World) -> None:
    world = both_worlds
    with world.app.app_context(), writing() as session:
        publish(session, PolicySet.load(POLICIES), world.clock.now())
    token, browser = world.grant(), world.sign_in()
    world.decide(token)
    change(world, browser, token["grant_id"], datatypes=["financial_statement"])
    world.decide(token)
    press(browser, token["grant_id"], "suspend")
    world.decide(token)
    press(browser, token["grant_id"], "resume")
    world.sequence()
    done = run(world)
    assert done.exit_code == 0, done.output


def test_a_word_by_phone_is_recorded_as_such_and_true_at_the_next_read(both_worlds: World) -> None:
    """There must be more than one way to withdraw, and the record must say which it was (CDR #329)."""
    world = both_worlds
    token = world.grant()
    with world.app.app_context():
        url = db.engine.url.render_as_string(hide_password=False)
    command = ["grant", "revoke", token["grant_id"], "--channel", "phone", "--note", "Ingrid called back"]
    environ = {
        "CONSENT_DATABASE_URL": url,
        "CONSENT_SECRET_KEY": "k" * 40,
        "CONSENT_ISSUER": "http://localhost",
    }
    done = CliRunner().invoke(main, command, env=environ)
    assert done.exit_code == 0, done.output
    assert world.decide(token)["decision"] is False
    page = world.sign_in().get(f"/grants/{token['grant_id']}").text
    assert "the operator, at your word by phone" in page
    again = CliRunner().invoke(main, command, env=environ)
    assert again.exit_code == 2
    assert "has ended already" in again.output
