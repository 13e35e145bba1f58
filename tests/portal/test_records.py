"""What lies behind an entry: who may read it, its proof, its erasure."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from consent_service.db import db, reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import disputes, records
from consent_service.ledger import proof, store
from consent_service.ledger.model import Kind
from consent_service.ledger.note import VerifierKey
from consent_service.ledger.proof import Bundle
from consent_service.ledger.store import PayloadRow
from consent_service.ledger.verify import verify
from consent_service.registry import mandates
from consent_service.registry.model import ClientRole
from tests.world import OWNER, Peer, World, csrf

BANK2 = "0192:310052345"


def entry_of(world: World, kind: Kind) -> str:
    with world.app.app_context():
        return str(reading().scalar(select(PayloadRow.entry_id).where(PayloadRow.kind == kind)))


def lived(world: World) -> tuple[Any, dict[str, Any]]:
    browser = world.sign_in()
    token = world.grant(browser=browser)
    world.decide(token)
    world.sequence()
    return browser, token


def look(world: World, entry_id: str, peer: Peer | None = None) -> TestResponse:
    headers = {"Authorization": f"Bearer {world.bearer(peer)}"} if peer else {}
    return world.app.test_client().get(f"/ledger/entries/{entry_id}", headers=headers)


def test_anybody_sees_the_bare_entry_and_nothing_behind_it(world: World) -> None:
    lived(world)
    for kind in (Kind.GRANT_ACTIVATED, Kind.DECISION_PERMIT, Kind.PARTY_REGISTERED):
        answer = look(world, entry_of(world, kind))
        assert answer.status_code == 200
        assert set(answer.json) == {"index", "entry"}
        assert answer.json["entry"]["kind"] == kind
        text = world.app.test_client().get(f"/ledger/entries/{entry_of(world, kind)}/proof").text
        assert Bundle.parse(text).payload is None


def test_the_party_of_the_grant_sees_its_entries_and_no_other_party_does(world: World) -> None:
    lived(world)
    other = world.register(
        ClientRole.PARTY, "Another Bank", BANK2, redirect="https://other.example.no/callback"
    )
    for kind in (Kind.GRANT_ACTIVATED, Kind.DECISION_PERMIT):
        entry_id = entry_of(world, kind)
        assert "payload" in look(world, entry_id, world.bank).json
        assert "payload" not in look(world, entry_id, other).json
    assert "payload" in look(world, entry_of(world, Kind.REQUEST_REQUESTED), world.bank).json
    assert "payload" not in look(world, entry_of(world, Kind.REQUEST_REQUESTED), other).json
    assert "payload" not in look(world, entry_of(world, Kind.PARTY_REGISTERED), world.bank).json
    given = world.app.test_client().get(
        f"/ledger/entries/{entry_of(world, Kind.DECISION_PERMIT)}/proof",
        headers={"Authorization": f"Bearer {world.bearer(world.bank)}"},
    )
    assert Bundle.parse(given.text).payload is not None
    assert given.headers["Cache-Control"] == "no-store"


def test_a_token_for_something_else_opens_nothing(world: World) -> None:
    _, token = lived(world)
    entry_id = entry_of(world, Kind.DECISION_PERMIT)
    for bearer, status in ((world.bearer(world.erp), 403), (token["access_token"], 401), ("nonsense", 401)):
        headers = {"Authorization": f"Bearer {bearer}"}
        assert (
            world.app.test_client().get(f"/ledger/entries/{entry_id}", headers=headers).status_code == status
        )


def supervise(world: World, **scope: Any) -> tuple[Peer, str]:
    peer = world.register(ClientRole.SUPERVISOR, "Datatilsynet", BANK2)
    with world.app.app_context(), writing() as session:
        mandate = mandates.give(
            session,
            peer.client_id,
            mandates.Scope(**scope),
            basis="GDPR article 58(1)(e)",
            valid_until=world.clock.now() + dt.timedelta(days=30),
            now=world.clock.now(),
        )
    return peer, mandate


def test_a_supervisor_sees_the_scope_of_its_mandate_while_it_lasts(world: World) -> None:
    lived(world)
    peer, mandate = supervise(world, owners=(OWNER,), kinds=("decision",))
    assert "payload" in look(world, entry_of(world, Kind.DECISION_PERMIT), peer).json
    assert "payload" not in look(world, entry_of(world, Kind.GRANT_ACTIVATED), peer).json
    assert "payload" not in look(world, entry_of(world, Kind.PARTY_REGISTERED), peer).json
    world.clock.advance(days=31)
    assert "payload" not in look(world, entry_of(world, Kind.DECISION_PERMIT), peer).json
    world.clock.advance(days=-31)
    with world.app.app_context(), writing() as session:
        mandates.end(session, mandate, world.clock.now())
    assert "payload" not in look(world, entry_of(world, Kind.DECISION_PERMIT), peer).json


def test_another_owner_s_mandate_and_none_at_all_show_nothing(world: World) -> None:
    lived(world)
    peer, _ = supervise(world, owners=("0007:5599980108",))
    assert "payload" not in look(world, entry_of(world, Kind.DECISION_PERMIT), peer).json
    everywhere, _ = supervise(world)
    assert "payload" in look(world, entry_of(world, Kind.GRANT_ACTIVATED), everywhere).json


@pytest.mark.parametrize(
    "wrong",
    [{"basis": " "}, {"scope": mandates.Scope(kinds=("secrets",))}, {"days": 0}, {"client": "nobody"}],
)
def test_a_mandate_needs_a_supervisor_a_basis_an_end_and_known_kinds(
    world: World, wrong: dict[str, Any]
) -> None:
    peer = world.register(ClientRole.SUPERVISOR, "Datatilsynet", BANK2)
    with world.app.app_context(), pytest.raises(ServiceError), writing() as session:
        mandates.give(
            session,
            wrong.get("client", peer.client_id),
            wrong.get("scope", mandates.Scope()),
            basis=wrong.get("basis", "a law"),
            valid_until=world.clock.now() + dt.timedelta(days=wrong.get("days", 1)),
            now=world.clock.now(),
        )
    with world.app.app_context(), pytest.raises(ServiceError), writing() as session:
        mandates.give(
            session,
            world.bank.client_id,
            mandates.Scope(),
            basis="a law",
            valid_until=world.clock.now() + dt.timedelta(days=1),
            now=world.clock.now(),
        )


def test_the_owner_downloads_a_proof_of_any_line_with_one_click(world: World) -> None:
    browser, token = lived(world)
    key = VerifierKey.parse(browser.get("/ledger/key").text)
    for page in ("/activity", f"/grants/{token['grant_id']}"):
        links = [part.partition('"')[0] for part in browser.get(page).text.split('href="')[1:]]
        proofs = [one for one in links if one.endswith("/proof")]
        assert proofs
        for link in proofs:
            answer = browser.get(link)
            assert answer.headers["Content-Disposition"].endswith('.tlog-proof"')
            assert proof.check(Bundle.parse(answer.text), key).payload is not None


def test_somebody_else_s_record_is_not_there(world: World) -> None:
    lived(world)
    stranger = world.sign_in("jonas")
    entry_id = entry_of(world, Kind.DECISION_PERMIT)
    for path in (f"/activity/{entry_id}", f"/activity/{entry_id}/proof"):
        assert stranger.get(path).status_code == 404
    page = stranger.get("/account")
    done = stranger.post(f"/activity/{entry_id}/erase", data={"csrf_token": csrf(page), "sure": "yes"})
    assert done.status_code == 404
    assert world.app.test_client().get(f"/activity/{entry_id}").status_code == 303


def erase(browser: Any, entry_id: str, sure: str = "yes") -> TestResponse:
    page = browser.get(f"/activity/{entry_id}")
    return browser.post(f"/activity/{entry_id}/erase", data={"csrf_token": csrf(page), "sure": sure})


def test_erasing_destroys_the_payload_and_leaves_every_proof(both_worlds: World) -> None:
    world = both_worlds
    browser, _ = lived(world)
    entry_id = entry_of(world, Kind.DECISION_PERMIT)
    before = browser.get(f"/activity/{entry_id}/proof").text
    key = VerifierKey.parse(browser.get("/ledger/key").text)
    assert erase(browser, entry_id, sure="").status_code == 400
    assert erase(browser, entry_id).status_code == 303
    world.sequence()
    with world.app.app_context():
        row = store.payload(reading(), entry_id)
        assert row is not None
        assert (row.body, row.salt) == (None, None)
        order = store.payload(reading(), str(row.erased_by))
        assert order is not None
        assert json.loads(order.body or b"{}")["entry_id"] == entry_id
        found = verify(reading(), key)
        assert found, found.problem
        assert found.erased == 1
        erased_by = str(row.erased_by)
    assert proof.check(Bundle.parse(before), key).payload is not None  # who kept a copy can still prove it
    after = Bundle.parse(browser.get(f"/activity/{entry_id}/proof").text)
    assert after.erased_by == erased_by
    assert proof.check(after, key).payload is None
    page = browser.get(f"/activity/{entry_id}").text
    assert erased_by in page
    assert browser.get("/activity").status_code == 200
    assert look(world, entry_id, world.bank).json["erased_by"] == erased_by
    assert "payload" not in look(world, entry_id, world.bank).json


def test_what_is_erased_stays_erased(world: World) -> None:
    browser, _ = lived(world)
    entry_id = entry_of(world, Kind.DECISION_PERMIT)
    with world.app.app_context():
        row = store.payload(reading(), entry_id)
        assert row is not None
        kept = (row.salt, row.body)
    assert erase(browser, entry_id).status_code == 303
    page = browser.get("/account")
    again = browser.post(f"/activity/{entry_id}/erase", data={"csrf_token": csrf(page), "sure": "yes"})
    assert again.status_code == 409
    world.sequence()
    with world.app.app_context(), writing() as session:  # an operator puts it back from a copy
        session.connection().exec_driver_sql(
            "UPDATE ledger_payload SET salt = ?, body = ?, erased_by = NULL WHERE entry_id = ?",
            (*kept, entry_id),
        )
    with world.app.app_context():
        found = verify(reading())
        assert not found
        assert found.bad_entry == entry_id
        assert "is back" in str(found.problem)


def test_what_an_active_grant_rests_on_can_t_be_erased_until_it_is_taken_back(world: World) -> None:
    browser, token = lived(world)
    entry_id = entry_of(world, Kind.GRANT_ACTIVATED)
    assert erase(browser, entry_id).status_code == 409
    with world.app.app_context(), writing() as session:
        disputes.begin(session, OWNER, actor="operator", reason="x", now=world.clock.now())
    assert erase(browser, entry_id).status_code == 409  # it may go on, and then it must be replayed
    world.revoke(browser, token["grant_id"])
    assert erase(browser, entry_id).status_code == 303
    assert browser.get(f"/grants/{token['grant_id']}").status_code == 200


def test_what_is_about_the_service_itself_is_not_an_owner_s_to_erase(world: World) -> None:
    lived(world)
    entry_id = entry_of(world, Kind.PARTY_REGISTERED)
    with world.app.app_context(), pytest.raises(ServiceError), writing() as session:
        records.erase_for_owner(session, "", entry_id, actor="x", reason="x", now=world.clock.now())


def test_a_person_s_right_reaches_everything_in_which_they_acted(world: World) -> None:
    _browser, token = lived(world)
    with world.app.app_context():
        row = store.payload(reading(), entry_of(world, Kind.GRANT_ACTIVATED))
        assert row is not None
        person = json.loads(row.body or b"{}")["actor"]
        kinds = [
            store.payload(reading(), entry_id).kind  # type: ignore[union-attr]
            for _, entry_id in records.naming(reading(), person)
        ]
    assert sorted(kinds) == ["grant.activated", "request.opened"]
    assert token


def test_erased_bytes_are_not_in_the_file_any_more(world: World) -> None:
    browser, _ = lived(world)
    entry_id = entry_of(world, Kind.DECISION_PERMIT)
    with world.app.app_context():
        row = store.payload(reading(), entry_id)
        assert row is not None
        salt, path = bytes(row.salt or b""), str(db.engine.url.database)
        db.session.remove()
    erase(browser, entry_id)
    with world.app.app_context():
        db.session.remove()
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(path, "rb") as file:
        assert salt not in file.read()
