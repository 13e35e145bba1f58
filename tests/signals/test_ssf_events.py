"""Shared Signals Framework 1.0 sections 4 and 8.1.4, CAEP 1.0, RFC 8417: what is told, when, to whom, and how it is written."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from consent_service.config import Settings
from consent_service.db import writing
from consent_service.ledger.model import Kind
from consent_service.registry.occurrences import Happening
from consent_service.signals.told import GRANT_CHANGES
from consent_service.web.current import current
from tests.oauth.relying import verified
from tests.oauth.test_openid_connect_fapi import answered, begin
from tests.outgoing.conftest import Peer as Server
from tests.signals.authenticator import create
from tests.signals.conftest import (
    CLAIMS,
    CREDENTIAL,
    REVOKED,
    VERIFICATION,
    Receiver,
    deliver,
    happen,
    person_of,
    tell,
)
from tests.world import ISSUER, OWNER, World, csrf


def one(receiver: Receiver) -> tuple[str, dict[str, Any]]:
    """The only event that waits: its token and its claims."""
    [token] = receiver.poll()["sets"].values()
    return token, receiver.claims(token)


def acquainted(receiver: Receiver, subject: str = "sub-1") -> str:
    """A person who signed in to the receiver; returns who it is."""
    receiver.world.sign_in()
    person_id = person_of(receiver.world)
    receiver.knows(person_id, subject)
    return person_id


def test_an_event_is_written_as_rfc_8417_and_ssf_4_1_want_it(receiver: Receiver) -> None:
    receiver.create()
    receiver.verify(state="s")
    token, claims = one(receiver)
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("secevent+jwt", "RS256")
    assert set(claims) == {"iss", "aud", "iat", "jti", "txn", "sub_id", "events"}
    assert claims["iss"] == receiver.stream["iss"]
    assert claims["aud"] == receiver.stream["aud"]
    assert claims["iat"] <= receiver.world.clock.now().timestamp()
    assert len(claims["events"]) == 1


def test_a_verification_event_echoes_the_state_and_names_the_stream(receiver: Receiver) -> None:
    receiver.create()
    answer = receiver.verify(state="VGhpcyBpcw==")
    assert (answer.status_code, answer.data) == (204, b"")
    _, claims = one(receiver)
    assert claims["events"] == {VERIFICATION: {"state": "VGhpcyBpcw=="}}
    assert claims["sub_id"] == {"format": "opaque", "id": receiver.stream["stream_id"]}


def test_without_a_state_the_event_has_none(receiver: Receiver) -> None:
    receiver.create()
    receiver.verify()
    assert one(receiver)[1]["events"] == {VERIFICATION: {}}


def test_a_verification_is_sent_whatever_events_were_requested(receiver: Receiver) -> None:
    receiver.create(events_requested=[])
    receiver.verify()
    assert len(receiver.sets()) == 1


def test_asking_faster_than_min_verification_interval_is_429_and_slower_is_not(
    both_receivers: Receiver,
) -> None:
    both_receivers.create()
    interval = both_receivers.stream["min_verification_interval"]
    assert both_receivers.verify().status_code == 204
    too_soon = both_receivers.verify()
    assert (too_soon.status_code, too_soon.headers["Retry-After"]) == (429, str(interval))
    both_receivers.world.clock.advance(seconds=interval)
    assert both_receivers.verify().status_code == 204
    assert len(both_receivers.sets()) == 2


@pytest.mark.parametrize("body", [{"state": 5}, {"stream_id": 5}, {"state": "x" * 2000}, {"state": "\x00"}])
def test_a_verification_request_that_is_invalid_is_400(receiver: Receiver, body: dict[str, Any]) -> None:
    receiver.create()
    answer = receiver.call("POST", "/ssf/verify", json={"stream_id": receiver.stream["stream_id"]} | body)
    assert answer.status_code == 400


def test_signing_out_tells_the_clients_that_this_session_signed_in_to_and_no_others(
    both_receivers: Receiver,
) -> None:
    world = both_receivers.world
    assert both_receivers.peer is world.bank
    browser = world.sign_in()
    page = begin(world, browser, scope="openid", authorization_details=None)
    token = world.bank.redeem(answered(browser, page)["code"]).json["id_token"]
    signed_in = verified(world, token, world.bank.client_id)
    both_receivers.create()
    stranger = Receiver(world, world.erp)
    stranger.knows(person_of(world), "known-from-another-session")
    stranger.create()
    browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/account"))})
    assert tell(world) > 0
    _, claims = one(both_receivers)
    assert claims["sub_id"] == {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": ISSUER, "sub": signed_in["sub"]},
        "session": {"format": "opaque", "id": signed_in["sid"]},
    }
    event = claims["events"][REVOKED]
    assert event["initiating_entity"] == "user"
    assert event["event_timestamp"] == int(world.clock.now().timestamp())
    assert event["reason_admin"]["en"]
    assert stranger.sets() == []


def test_signing_out_without_having_signed_in_tells_nobody_anything(receiver: Receiver) -> None:
    receiver.create()
    browser = receiver.world.app.test_client()
    browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/sign-in"))})
    tell(receiver.world)
    assert receiver.sets() == []


def test_a_session_that_clients_know_by_name_is_told_to_them_under_that_name(receiver: Receiver) -> None:
    person_id = acquainted(receiver)
    other = Receiver(receiver.world, receiver.world.erp)
    other.knows(person_id, "another-name")
    receiver.create()
    other.create()
    happen(receiver.world, Happening.SIGNED_OUT, person_id, sessions={receiver.peer.client_id: "session-7"})
    tell(receiver.world)
    _, claims = one(receiver)
    assert claims["sub_id"] == {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": ISSUER, "sub": "sub-1"},
        "session": {"format": "opaque", "id": "session-7"},
    }
    assert other.sets() == [], "that session was none of its"


@pytest.mark.parametrize(
    ("kind", "change"), [(Happening.PASSKEY_ADDED, "create"), (Happening.PASSKEY_REMOVED, "delete")]
)
def test_a_passkey_that_comes_or_goes_is_a_credential_change(
    receiver: Receiver, kind: Happening, change: str
) -> None:
    person_id = acquainted(receiver)
    receiver.create()
    happen(receiver.world, kind, person_id, about="fido2-platform")
    tell(receiver.world)
    _, claims = one(receiver)
    event = claims["events"][CREDENTIAL]
    assert (event["credential_type"], event["change_type"]) == ("fido2-platform", change)
    assert event["reason_admin"]["en"]
    assert claims["sub_id"]["sub"] == "sub-1"


def test_one_happening_has_one_txn_and_each_event_its_own_jti(receiver: Receiver) -> None:
    person_id = acquainted(receiver)
    other = Receiver(receiver.world, receiver.world.erp)
    other.knows(person_id, "sub-2")
    receiver.create()
    other.create()
    happen(receiver.world, Happening.SIGNED_OUT, person_id)
    tell(receiver.world)
    first, second = one(receiver)[1], one(other)[1]
    assert first["txn"] == second["txn"]
    assert first["jti"] != second["jti"]


def test_every_change_of_a_grant_is_told_to_the_party_that_holds_it(both_receivers: Receiver) -> None:
    world = both_receivers.world
    both_receivers.create()
    holder = Receiver(world, world.erp)
    holder.create()
    browser = world.sign_in()
    token = world.grant(browser=browser)
    world.revoke(browser, token["grant_id"])
    tell(world)
    told = both_receivers.sets()
    assert [one["sub_id"] for one in told] == [{"format": "opaque", "id": token["grant_id"]}] * 2
    assert [one["events"][CLAIMS]["claims"] for one in told] == [
        {"grant_id": token["grant_id"], "grant_version": 1, "grant_status": "active"},
        {"grant_id": token["grant_id"], "grant_version": 2, "grant_status": "revoked"},
    ]
    assert OWNER not in str(told)
    assert holder.sets() == []


def test_a_revocation_is_told_once_however_often_the_teller_looks(both_receivers: Receiver) -> None:
    world = both_receivers.world
    browser = world.sign_in()
    token = world.grant(browser=browser)
    world.clock.advance(seconds=1)
    both_receivers.create()
    world.revoke(browser, token["grant_id"])
    for _ in range(3):
        tell(world)
    [event] = both_receivers.sets()
    assert event["events"][CLAIMS]["claims"]["grant_status"] == "revoked"


def test_what_was_before_a_stream_is_not_told(both_receivers: Receiver) -> None:
    world = both_receivers.world
    other = Receiver(world, world.erp)
    other.create()
    world.grant()
    person_id = person_of(world)
    both_receivers.knows(person_id, "sub-1")
    happen(world, Happening.SIGNED_OUT, person_id)
    world.clock.advance(seconds=1)
    both_receivers.create()
    tell(world)
    assert both_receivers.sets() == []


def test_only_what_was_asked_for_is_told(receiver: Receiver) -> None:
    person_id = acquainted(receiver)
    receiver.create(events_requested=[CREDENTIAL])
    happen(receiver.world, Happening.SIGNED_OUT, person_id)
    receiver.world.grant()
    tell(receiver.world)
    assert receiver.sets() == []


def test_a_receiver_that_may_not_take_part_any_more_is_told_nothing(both_receivers: Receiver) -> None:
    from consent_service.registry import parties
    from consent_service.registry.model import Standing

    world = both_receivers.world
    person_id = acquainted(both_receivers)
    both_receivers.create()
    for standing in (Standing.SUSPENDED, Standing.ACTIVE):
        with world.app.app_context(), writing() as session:
            parties.set_standing(session, "0192:310041238", standing, reason="test", now=world.clock.now())
        if standing is Standing.SUSPENDED:
            happen(world, Happening.SIGNED_OUT, person_id)
            tell(world)
    assert both_receivers.sets() == []


def test_nothing_that_happened_to_a_person_stays_once_it_was_told(both_worlds: World) -> None:
    from sqlalchemy import func, select

    from consent_service.db import reading
    from consent_service.registry.occurrences import OccurrenceRow

    browser = both_worlds.sign_in()
    browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/account"))})
    counts = []
    for _ in range(2):
        with both_worlds.app.app_context():
            counts.append(reading().scalar(select(func.count()).select_from(OccurrenceRow)))
        tell(both_worlds)
    assert counts == [1, 0]


def test_every_kind_of_entry_that_changes_a_grant_is_told_and_so_is_an_objection() -> None:
    changes = {kind for kind in Kind if kind.value.startswith("grant.")}
    assert changes | {Kind.OBJECTION_RAISED} == set(GRANT_CHANGES)


def test_tellers_side_by_side_tell_everything_once(both_receivers: Receiver) -> None:
    import threading

    from consent_service.db import db
    from consent_service.signals.teller import Teller

    world = both_receivers.world
    person_id = acquainted(both_receivers)
    both_receivers.create()
    for _ in range(20):
        happen(world, Happening.SIGNED_OUT, person_id)
    with world.app.app_context():
        engine, settings = db.engine, current(Settings)
    tellers = [Teller(engine, settings, world.clock) for _ in range(4)]
    threads = [threading.Thread(target=teller.step) for teller in tellers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    tell(world)
    assert len(both_receivers.poll()["sets"]) == 20


def test_the_teller_s_thread_tells_and_goes_on_after_a_failure(receiver: Receiver) -> None:
    import time

    from consent_service.db import db
    from consent_service.signals.teller import Teller

    world = receiver.world
    person_id = acquainted(receiver)
    receiver.create()
    happen(world, Happening.SIGNED_OUT, person_id)
    with world.app.app_context():
        teller = Teller(db.engine, current(Settings), world.clock)
    broken, step = [True], teller.step

    def sometimes() -> int:
        if broken and broken.pop():
            raise RuntimeError
        return step()

    teller.step = sometimes  # type: ignore[method-assign]
    thread = teller.start()
    for _ in range(100):
        if receiver.poll()["sets"]:
            break
        time.sleep(0.05)
    teller.stopped.set()
    thread.join(timeout=5)
    assert len(receiver.sets()) == 1


def test_a_key_that_was_replaced_still_verifies_what_it_signed(receiver: Receiver, server: Server) -> None:
    from consent_service import keys

    receiver.push_to(server)
    receiver.verify()
    world = receiver.world
    with world.app.app_context(), writing() as session:
        fresh = keys.generate(keys.Algorithm.RS256)
        keys.rotate(session, current(Settings).secret_key, fresh, world.clock.now(), at_once=True)
    world.clock.advance(hours=23)
    deliver(world)
    assert receiver.claims(server.seen[0].body.decode())["events"] == {VERIFICATION: {}}


@pytest.mark.parametrize(
    ("attachment", "kind"), [("platform", "fido2-platform"), ("cross-platform", "fido2-roaming")]
)
def test_adding_a_passkey_is_told_to_the_clients_that_know_the_person(
    receiver: Receiver, attachment: str, kind: str
) -> None:
    browser = receiver.world.sign_in()
    receiver.knows(person_of(receiver.world), "sub-1")
    receiver.create()
    headers = {"X-CSRFToken": csrf(browser.get("/account"))}
    options = browser.post("/passkey/options", headers=headers).json
    made = create(options, ISSUER, attachment) | {"name": "My phone"}
    added = browser.post("/passkey", json=made, headers=headers)
    assert added.status_code == 204, added.text
    tell(receiver.world)
    _, claims = one(receiver)
    event = claims["events"][CREDENTIAL]
    assert (event["credential_type"], event["change_type"]) == (kind, "create")
    assert "My phone" not in str(claims), "what the person called it is theirs"
