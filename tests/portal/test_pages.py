"""The portal's pages: who sees what, what a form may do, and what every answer carries."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from consent_service.db import writing
from consent_service.registry import licences, parties
from consent_service.registry.model import Standing
from tests.world import OWNER, World, csrf

HTML = {"Accept": "text/html"}


def test_the_session_cookie_is_host_bound_secure_and_http_only(world: World) -> None:
    cookie = world.app.test_client().get("/sign-in", headers=HTML).headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie


def test_every_answer_carries_the_security_headers(world: World) -> None:
    client = world.app.test_client()
    for path in ("/sign-in", "/healthz", "/oauth/jwks", "/nothing", "/static/portal.css"):
        with client.get(path, headers=HTML) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Request-ID"]


def test_pages_have_no_inline_script_or_style(world: World) -> None:
    browser = world.sign_in()
    _path, page = world.open_request(browser, world.bank.push())
    for text in (page.text, browser.get("/").text, browser.get("/account").text):
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text)


def test_a_form_without_the_csrf_token_changes_nothing(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    answer = browser.post(f"/grants/{token['grant_id']}/revoke", headers=HTML)
    assert answer.status_code == 400
    assert world.decide(token)["decision"] is True


def test_signing_in_gives_the_session_another_key(world: World) -> None:
    browser = world.app.test_client()
    browser.get("/sign-in", headers=HTML)
    before = browser.get_cookie("__Host-session")
    assert before
    browser.delete_cookie("__Host-session")
    signed_in = world.sign_in()
    after = signed_in.get_cookie("__Host-session")
    assert after
    assert after.value != before.value


def test_signing_out_ends_the_session_on_the_server(world: World) -> None:
    browser = world.sign_in()
    cookie = browser.get_cookie("__Host-session")
    assert cookie
    browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/"))})
    browser.set_cookie("__Host-session", cookie.value)
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", "evil", ""],
)
def test_next_leads_nowhere_else(world: World, target: str) -> None:
    page = world.app.test_client().get("/sign-in", query_string={"next": target}, headers=HTML)
    assert "evil.example" not in page.text
    assert "javascript:" not in page.text


def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(world: World) -> None:
    answer = world.app.test_client().get("/grants?show=all")
    assert answer.status_code == 303
    assert answer.location == "/sign-in?next=/grants%3Fshow%3Dall"


def test_a_person_who_represents_nobody_else_s_business_sees_nothing_of_it(world: World) -> None:
    token = world.grant()
    pushed = world.bank.push()
    owner = world.sign_in("ingrid")
    waiting, page = world.open_request(owner, pushed)
    form = {"csrf_token": "", "answer": "approve", "datatypes": ["trial_balance"]}
    for stranger in (world.sign_in("elsa"), world.sign_in("jonas"), world.sign_in("marte")):
        assert stranger.get(f"/grants/{token['grant_id']}").status_code == 404
        assert stranger.get(waiting).status_code == 403
        own = csrf(stranger.get("/account"))
        assert stranger.post(f"{waiting}/answer", data=form | {"csrf_token": own}).status_code == 403
        assert (
            stranger.post(f"/grants/{token['grant_id']}/revoke", data={"csrf_token": own}).status_code == 404
        )
        assert stranger.post("/act-for", data={"csrf_token": own, "owner": OWNER}).status_code == 403
        for path in ("/", "/grants?show=all", "/activity"):
            assert "Nordhavn" not in stranger.get(path).text
    assert world.decide(token)["decision"] is True
    assert world.answer(owner, waiting, page).status_code == 303


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"datatypes": []}, "Choose at least one data set"),
        ({"datatypes": ["payroll_summary"]}, "Choose at least one data set"),
        ({"period_from": "2023-12-31"}, "The period can start"),
        ({"period_to": "2026-01-01"}, "The period can end"),
        ({"period_from": "2025-06-01", "period_to": "2025-01-01"}, "The period can end"),
        ({"period_from": "soon"}, "Enter a date"),
        ({"valid_until": "2999-01-01"}, "Access can end"),
        ({"valid_until": "2020-01-01"}, "Access can end"),
        ({"answer": "ask"}, "Approve or decline"),
        ({"answer": "maybe"}, "Approve or decline"),
    ],
)
def test_an_answer_that_can_t_be_meant_is_explained_and_changes_nothing(
    world: World, form: dict[str, Any], said: str
) -> None:
    browser, pushed = world.sign_in(), world.bank.push()
    path, page = world.open_request(browser, pushed)
    answer = world.answer(browser, path, page, **form)
    assert answer.status_code == 400
    assert said in answer.text
    assert world.answer(browser, path, page).status_code == 303  # still open


def test_narrowing_is_what_the_decision_follows(world: World) -> None:
    browser, pushed = world.sign_in(), world.bank.push()
    form = {"datatypes": ["trial_balance"], "period_to": "2025-03-31"}
    token = world.bank.redeem(world.approve(browser, pushed, **form)["code"]).json
    short = {"from": "2025-01-01", "to": "2025-03-31"}
    assert world.decide(token, properties=short)["decision"] is True
    assert world.decide(token)["decision"] is False
    assert world.decide(token, data_set="financial_statement", properties=short)["decision"] is False


def test_two_tabs_that_approve_at_once_make_one_grant(both_worlds: World) -> None:
    world = both_worlds
    browser, pushed = world.sign_in(), world.bank.push()
    path, page = world.open_request(browser, pushed)
    cookie = browser.get_cookie("__Host-session")
    assert cookie
    filled = {"csrf_token": csrf(page), "answer": "approve", "datatypes": ["trial_balance"]}
    answers: list[int] = []

    def tab() -> None:
        other = world.app.test_client()
        other.set_cookie("__Host-session", cookie.value)
        answers.append(other.post(f"{path}/answer", data=filled).status_code)

    tabs = [threading.Thread(target=tab) for _ in range(6)]
    for one in tabs:
        one.start()
    for one in tabs:
        one.join()
    assert sorted(answers) == [303] + [409] * 5
    assert browser.get("/grants").text.count("Take access back") == 1


def test_an_approval_after_the_request_ran_out_is_refused_and_recorded(world: World) -> None:
    browser, pushed = world.sign_in(), world.bank.push()
    path, page = world.open_request(browser, pushed)
    world.clock.advance(minutes=30)
    answer = world.answer(browser, path, page)
    assert answer.status_code == 409
    assert "has run out" in answer.text
    assert "Nordhavn" not in browser.get("/grants").text
    returned = browser.get(f"/oauth/authorize/{path.rpartition('/')[2]}/return")
    assert "error=access_denied" in returned.location


def test_hostile_text_is_shown_as_text(world: World) -> None:
    from consent_service.registry.model import ClientRole

    evil = world.register(
        ClientRole.PARTY, '<script>alert("x")</script>', "0007:5599980116", redirect="https://evil.example/cb"
    )
    world.license("0007:5599980116")
    details = world.details(message={"en": "<img src=x onerror=alert(1)> & more"})
    pushed = evil.push([details], redirect_uri="https://evil.example/cb")
    _path, page = world.open_request(world.sign_in(), pushed, peer=evil)
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text


def test_the_owner_sees_each_read_and_each_refusal_with_its_reason(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    world.decide(token)
    world.decide(token, data_set="payroll_summary")
    text = browser.get("/activity").text
    assert "Trial balance" in text
    assert "This data set was not granted" in text
    assert "Nordhavn Bank ASA" in text


def test_activity_is_paged(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    bearer = world.bearer(world.erp)
    for _ in range(30):
        world.ask(world.erp, world.question(token, world.erp), bearer=bearer)
    first = browser.get("/activity").text
    [older] = re.findall(r'href="(/activity\?before=[0-9a-f-]{36})"', first)
    second = browser.get(older).text
    entries = [set(re.findall(r"/activity/([0-9a-f-]{36})/proof", text)) for text in (first, second)]
    assert len(entries[0] | entries[1]) == 30
    assert not entries[0] & entries[1]
    assert browser.get("/activity?before=nonsense").status_code == 200


def test_revoking_twice_is_no_error_and_changes_nothing(world: World) -> None:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    page = browser.get(f"/grants/{token['grant_id']}")
    for _ in range(2):
        answer = browser.post(f"/grants/{token['grant_id']}/revoke", data={"csrf_token": csrf(page)})
        assert answer.status_code == 303
    assert browser.get(f"/grants/{token['grant_id']}").text.count("Taken back by") <= 1


def test_a_role_counts_for_an_hour_and_is_asked_for_again(world: World) -> None:
    browser = world.sign_in()
    world.clock.advance(minutes=61)
    pushed = world.bank.push()
    assert world.approve(browser, pushed)["code"]


def test_errors_are_pages_for_people_and_problems_for_programs(world: World) -> None:
    client = world.app.test_client()
    assert client.get("/nothing", headers=HTML).mimetype == "text/html"
    assert client.get("/nothing").mimetype == "application/problem+json"
    wrong = client.delete("/oauth/token")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["Allow"]


def test_an_eid_answer_that_was_not_asked_for_is_refused(world: World) -> None:
    browser = world.app.test_client()
    assert browser.get("/sign-in/eid/callback?code=x&state=y", headers=HTML).status_code == 400
    page = browser.get("/sign-in", headers=HTML)
    browser.post("/sign-in/eid", data={"csrf_token": csrf(page)})
    answer = browser.get("/sign-in/eid/callback?code=x&state=other", headers=HTML)
    assert answer.status_code == 400
    assert browser.get("/").status_code == 303


def test_a_passkey_that_is_not_one_is_refused(world: World) -> None:
    browser = world.sign_in()
    headers = {"X-CSRFToken": csrf(browser.get("/account"))}
    assert browser.post("/passkey/options", headers=headers).status_code == 200
    for body in (
        {},
        {"id": "x"},
        {"id": 5, "rawId": [], "response": {}},
        {"id": "eA", "response": {"clientDataJSON": "!"}},
    ):
        assert browser.post("/passkey", json=body, headers=headers).status_code == 400
        assert browser.post("/sign-in/passkey", json=body, headers=headers).status_code == 400
    assert browser.post("/passkey", data="x", headers=headers).status_code == 400


def test_a_passkey_nested_deeper_than_can_be_read_is_refused(world: World) -> None:
    browser = world.app.test_client()
    headers = {"X-CSRFToken": csrf(browser.get("/sign-in", headers=HTML))}
    answer = browser.post(
        "/sign-in/passkey", data=b"[" * 100_000, content_type="application/json", headers=headers
    )
    assert answer.status_code == 400


def test_who_may_read_what_is_the_policy_engine_s_own_answer(world: World) -> None:
    browser = world.sign_in()
    assert "Nobody may read your data" in browser.get("/data-sets").text
    token = world.grant(browser=browser)
    text = browser.get("/data-sets").text
    assert "Trial balance" in text
    assert "Nordhavn Bank ASA" in text
    assert "General ledger" not in text
    with world.app.app_context(), writing() as session:
        parties.set_standing(session, "0192:310041238", Standing.SUSPENDED, reason="x", now=world.clock.now())
    assert "Nobody may read your data" in browser.get("/data-sets").text
    with world.app.app_context(), writing() as session:
        parties.set_standing(session, "0192:310041238", Standing.ACTIVE, reason="x", now=world.clock.now())
    assert "Trial balance" in browser.get("/data-sets").text
    world.revoke(browser, token["grant_id"])
    assert "Nobody may read your data" in browser.get("/data-sets").text


def ledger_request(world: World) -> dict[str, Any]:
    """An accountant asks for the general ledger, which can say something about people."""
    return world.details(purpose="accounting_services", datatypes=["general_ledger"])


def test_what_tells_of_people_is_agreed_to_after_a_fresh_sign_in(world: World) -> None:
    browser = world.sign_in()
    pushed = world.bank.push([ledger_request(world)])
    path, page = world.open_request(browser, pushed)
    world.clock.advance(minutes=15, seconds=1)
    sent = world.answer(browser, path, page, datatypes=["general_ledger"])
    assert sent.status_code == 303
    assert sent.location.startswith("/sign-in?next=")
    assert "Sign in again to agree to it" in browser.get(sent.location).text
    world.clock.advance(minutes=-15)  # the eID's clock is real
    again = world.sign_in_again(browser)
    assert again.status_code == 303
    world.clock.advance(minutes=14, seconds=59)
    answered = world.answer(browser, path, browser.get(path), datatypes=["general_ledger"])
    assert answered.status_code == 303
    assert answered.location.endswith("/return")


def test_what_the_policies_refuse_is_said_on_the_page_and_nothing_is_granted(world: World) -> None:
    browser = world.sign_in()
    path, page = world.open_request(browser, world.bank.push())
    with world.app.app_context(), writing() as session:
        licences.end_licence(session, "0192:310041238", "credit", reason="x", now=world.clock.now())
    answered = world.answer(browser, path, page)
    assert answered.status_code == 409
    assert "only for parties with a licence" in answered.text
    assert "Nobody may read your data" in browser.get("/grants").text
