"""Shared Signals Framework 1.0 section 8.1.1 and 8.1.2: streams and their status."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from consent_service.db import writing
from consent_service.registry import parties
from consent_service.registry.model import AuthMethod, ClientRole, Profile, Standing
from consent_service.registry.parties import Registration
from consent_service.signals import service, store
from consent_service.signals.model import Status
from tests.outgoing.conftest import Peer as Server
from tests.signals.conftest import (
    ALL,
    CREDENTIAL,
    POLL,
    PUSH,
    REVOKED,
    UPDATED,
    VERIFICATION,
    Receiver,
    deliver,
    settings_of,
)
from tests.world import ISSUER, World

STREAM, STATUS = "/ssf/stream", "/ssf/status"
DEVICE = "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change"
UNKNOWN = {"stream_id": "6d2f8f0e-0000-4000-8000-000000000000"}


def test_a_stream_is_created_with_201_and_all_that_is_required(both_receivers: Receiver) -> None:
    stream = both_receivers.create(description="ours", events_requested=[REVOKED, CREDENTIAL, DEVICE])
    assert stream["iss"] == ISSUER
    assert stream["aud"] == both_receivers.peer.client_id
    assert stream["events_requested"] == [REVOKED, CREDENTIAL, DEVICE]
    assert stream["events_delivered"] == [REVOKED, CREDENTIAL]
    assert set(stream["events_delivered"]) <= set(stream["events_supported"])
    assert stream["description"] == "ours"
    assert isinstance(stream["min_verification_interval"], int)


def test_without_delivery_the_method_is_poll_and_the_transmitter_says_where(receiver: Receiver) -> None:
    stream = receiver.create()
    assert stream["delivery"]["method"] == POLL
    assert stream["delivery"]["endpoint_url"].startswith(f"{ISSUER}/ssf/poll/")


def test_events_that_nobody_knows_are_ignored_and_without_a_request_nothing_is_delivered(
    receiver: Receiver,
) -> None:
    body = {"delivery": {"method": POLL}}
    made = receiver.call("POST", STREAM, json=body)
    assert (made.status_code, made.json["events_delivered"]) == (201, [])
    assert "events_requested" not in made.json
    receiver.call("DELETE", f"{STREAM}?stream_id={made.json['stream_id']}")
    assert receiver.create(events_requested=["urn:example:unknown"])["events_delivered"] == []


def test_a_second_stream_of_the_same_receiver_is_409(both_receivers: Receiver) -> None:
    both_receivers.create()
    again = both_receivers.call("POST", STREAM, json={"events_requested": ALL})
    assert again.status_code == 409


def test_of_many_that_create_at_once_one_does(both_receivers: Receiver) -> None:
    both_receivers.token  # noqa: B018  (fetched before the threads begin)
    statuses: list[int] = []

    def create() -> None:
        statuses.append(both_receivers.call("POST", STREAM, json={"events_requested": ALL}).status_code)

    threads = [threading.Thread(target=create) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(statuses) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    "body",
    [
        b";{ broken",
        b"",
        b"[]",
        b'"text"',
        b"null",
        b'{"events_requested": "x"}',
        b'{"events_requested": [1]}',
        b'{"description": 5}',
        b'{"description": "nul \\u0000"}',
        b'{"delivery": "poll"}',
        b'{"delivery": {}}',
        b'{"delivery": {"method": "urn:ietf:rfc:9999"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": 5}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "http://receiver.example/"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://169.254.169.254/"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://a.example/", "authorization_header": "a\\r\\nX: y"}}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_what_can_t_be_parsed_or_is_invalid_is_400(receiver: Receiver, body: bytes) -> None:
    for method in ("POST", "PATCH", "PUT"):
        answer = receiver.call(method, STREAM, data=body, content_type="application/json")
        assert answer.status_code == 400, (method, answer.text)
        assert answer.mimetype == "application/problem+json"


def test_no_token_or_an_unknown_one_is_401_for_every_operation(receiver: Receiver) -> None:
    stream_id = receiver.create()["stream_id"]
    calls: list[tuple[str, str, Any]] = [
        ("POST", STREAM, {}),
        ("GET", f"{STREAM}?stream_id={stream_id}", None),
        ("PATCH", STREAM, {"stream_id": stream_id}),
        ("PUT", STREAM, {"stream_id": stream_id}),
        ("DELETE", f"{STREAM}?stream_id={stream_id}", None),
        ("GET", f"{STATUS}?stream_id={stream_id}", None),
        ("POST", STATUS, {"stream_id": stream_id, "status": "paused"}),
        ("POST", "/ssf/verify", {"stream_id": stream_id}),
        ("POST", "/ssf/subjects/add", {}),
        ("POST", "/ssf/subjects/remove", {}),
        ("POST", f"/ssf/poll/{stream_id}", {}),
    ]
    for method, path, body in calls:
        assert receiver.call(method, path, json=body, token="invalid:token").status_code == 401, path
        bare = receiver.world.app.test_client().open(path, method=method, json=body)
        assert bare.status_code == 401, path
    query = receiver.world.app.test_client().get(f"{STREAM}?access_token={receiver.token}")
    assert query.status_code == 401, "RFC 6750 section 2.3: not in the query"


def test_a_token_for_something_else_is_403(receiver: Receiver) -> None:
    ledger = receiver.world.bearer(receiver.peer)
    answer = receiver.call("GET", STREAM, token=ledger)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_ssf_read_looks_and_polls_and_changes_nothing(receiver: Receiver) -> None:
    stream_id = receiver.create()["stream_id"]
    reader = Receiver(receiver.world, receiver.peer, scope="ssf.read", stream=receiver.stream)
    assert reader.call("GET", STREAM).status_code == 200
    assert reader.call("GET", f"{STATUS}?stream_id={stream_id}").status_code == 200
    assert reader.poll()["sets"] == {}
    for method, path, body in (
        ("POST", STREAM, {}),
        ("PATCH", STREAM, {"stream_id": stream_id}),
        ("PUT", STREAM, {"stream_id": stream_id}),
        ("DELETE", f"{STREAM}?stream_id={stream_id}", None),
        ("POST", STATUS, {"stream_id": stream_id, "status": "paused"}),
        ("POST", "/ssf/verify", {"stream_id": stream_id}),
        ("POST", "/ssf/subjects/add", {}),
        ("POST", "/ssf/subjects/remove", {}),
    ):
        assert reader.call(method, path, json=body).status_code == 403, path


def test_a_manage_token_alone_reads_too(receiver: Receiver) -> None:
    manager = Receiver(receiver.world, receiver.peer, scope="ssf.manage")
    manager.create()
    assert manager.call("GET", STREAM).status_code == 200


def test_the_token_is_short_lived_and_for_signals_alone(receiver: Receiver) -> None:
    form = {"grant_type": "client_credentials", "scope": "ssf.read ssf.manage"}
    given = receiver.peer.post("/oauth/token", form).json
    assert given["expires_in"] <= 3600
    assert set(given["scope"].split()) == {"ssf.read", "ssf.manage"}
    asked = receiver.call("GET", "/ledger/entries/x", token=given["access_token"])
    assert asked.status_code in {403, 404}
    mixed = receiver.peer.post("/oauth/token", form | {"scope": "ssf.read ledger"})
    assert mixed.json["error"] == "invalid_scope"


def test_without_stream_id_all_streams_are_listed_and_none_is_an_empty_list(receiver: Receiver) -> None:
    assert receiver.call("GET", STREAM).json == []
    receiver.create()
    assert receiver.call("GET", STREAM).json == [receiver.stream]


def test_a_receiver_sees_its_own_streams_only(both_receivers: Receiver) -> None:
    world = both_receivers.world
    stream_id = both_receivers.create()["stream_id"]
    other = Receiver(world, world.erp)
    assert other.call("GET", STREAM).json == []
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"{STREAM}?stream_id={stream_id}", None),
        ("PATCH", STREAM, {"stream_id": stream_id}),
        ("PUT", STREAM, {"stream_id": stream_id}),
        ("DELETE", f"{STREAM}?stream_id={stream_id}", None),
        ("GET", f"{STATUS}?stream_id={stream_id}", None),
        ("POST", STATUS, {"stream_id": stream_id, "status": "paused"}),
        ("POST", "/ssf/verify", {"stream_id": stream_id}),
        ("POST", "/ssf/subjects/add", {"stream_id": stream_id, "subject": {"format": "opaque", "id": "x"}}),
        (
            "POST",
            "/ssf/subjects/remove",
            {"stream_id": stream_id, "subject": {"format": "opaque", "id": "x"}},
        ),
        ("POST", f"/ssf/poll/{stream_id}", {}),
    ]
    for method, path, body in calls:
        assert other.call(method, path, json=body).status_code == 404, path
    assert both_receivers.call("GET", f"{STATUS}?stream_id={stream_id}").json["status"] == "enabled"


def test_an_unknown_stream_is_404_for_every_operation(receiver: Receiver) -> None:
    receiver.create()
    query = f"?stream_id={UNKNOWN['stream_id']}"
    assert receiver.call("GET", STREAM + query).status_code == 404
    assert receiver.call("DELETE", STREAM + query).status_code == 404
    assert receiver.call("DELETE", STREAM).status_code == 404
    assert receiver.call("GET", STATUS + query).status_code == 404
    assert receiver.call("GET", STATUS).status_code == 404
    for method in ("PATCH", "PUT"):
        assert receiver.call(method, STREAM, json=UNKNOWN).status_code == 404
    assert receiver.call("POST", STATUS, json=UNKNOWN | {"status": "paused"}).status_code == 404
    assert receiver.call("POST", "/ssf/verify", json=UNKNOWN).status_code == 404


def test_patch_changes_what_is_stated_and_nothing_else(both_receivers: Receiver) -> None:
    before = both_receivers.create(description="before")
    change = {"stream_id": before["stream_id"], "events_requested": [REVOKED]}
    after = both_receivers.call("PATCH", STREAM, json=change)
    assert after.status_code == 200
    assert after.json == before | {"events_requested": [REVOKED], "events_delivered": [REVOKED]}
    again = both_receivers.call(
        "PATCH", STREAM, json={"stream_id": before["stream_id"], "description": "after"}
    )
    assert again.json == after.json | {"description": "after"}


def test_put_replaces_all_and_what_is_missing_is_deleted(both_receivers: Receiver) -> None:
    before = both_receivers.create(description="before")
    put = {"stream_id": before["stream_id"], "events_requested": [CREDENTIAL]}
    after = both_receivers.call("PUT", STREAM, json=put)
    assert after.status_code == 200
    assert "description" not in after.json
    assert after.json["events_delivered"] == [CREDENTIAL]
    assert both_receivers.call("GET", STREAM).json == [after.json]


def test_what_was_read_can_be_put_back(receiver: Receiver, server: Server) -> None:
    receiver.push_to(server, authorization_header="Bearer of the receiver")
    read = receiver.call("GET", f"{STREAM}?stream_id={receiver.stream['stream_id']}").json
    put = receiver.call("PUT", STREAM, json=read)
    assert (put.status_code, put.json) == (200, read)
    receiver.verify()
    deliver(receiver.world)
    assert server.seen[0].headers["Authorization"] == "Bearer of the receiver"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_transmitter_supplied_properties_must_be_as_they_are(receiver: Receiver, method: str) -> None:
    stream = receiver.create()
    whole = receiver.call(method, STREAM, json=stream)
    assert whole.status_code == 200, whole.text
    wrong: dict[str, Any] = {
        "iss": "https://other.example",
        "aud": "another",
        "events_supported": [],
        "events_delivered": [REVOKED],
        "min_verification_interval": 0,
        "delivery": {"method": POLL, "endpoint_url": "https://receiver.example/poll"},
    }
    for name, value in wrong.items():
        answer = receiver.call(method, STREAM, json=stream | {name: value})
        assert answer.status_code == 400, name
    assert receiver.call("GET", STREAM).json == [stream]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_change_without_stream_id_is_400(receiver: Receiver, method: str) -> None:
    receiver.create()
    assert receiver.call(method, STREAM, json={"description": "x"}).status_code == 400


def test_a_push_credential_is_sealed_and_shown_to_who_manages_only(
    receiver: Receiver, server: Server
) -> None:
    from sqlalchemy import text

    from consent_service.db import reading

    receiver.push_to(server, authorization_header="Bearer top-secret")
    assert receiver.stream["delivery"]["authorization_header"] == "Bearer top-secret"
    reader = Receiver(receiver.world, receiver.peer, scope="ssf.read")
    assert "top-secret" not in reader.call("GET", STREAM).text
    with receiver.world.app.app_context():
        stored = reading().execute(text("SELECT * FROM signal_stream")).one()
    assert "top-secret" not in str(tuple(stored))


def test_delete_answers_204_and_the_stream_is_gone(both_receivers: Receiver) -> None:
    stream_id = both_receivers.create()["stream_id"]
    both_receivers.verify()
    gone = both_receivers.call("DELETE", f"{STREAM}?stream_id={stream_id}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert both_receivers.call("GET", STREAM).json == []
    assert both_receivers.call("DELETE", f"{STREAM}?stream_id={stream_id}").status_code == 404
    assert both_receivers.create()["stream_id"] != stream_id
    assert both_receivers.poll()["sets"] == {}, "what waited in the old one is gone"


def test_what_waits_to_be_pushed_is_not_sent_once_the_stream_is_deleted(
    both_receivers: Receiver, server: Server
) -> None:
    stream_id = both_receivers.push_to(server)["stream_id"]
    both_receivers.verify()
    both_receivers.call("DELETE", f"{STREAM}?stream_id={stream_id}")
    assert deliver(both_receivers.world) == 0
    assert server.seen == []


def test_answers_are_not_cached(receiver: Receiver) -> None:
    receiver.create()
    assert receiver.call("GET", STREAM).headers["Cache-Control"] == "no-store"


def test_the_status_is_read_and_set_with_its_reason(both_receivers: Receiver) -> None:
    stream_id = both_receivers.create()["stream_id"]
    read = both_receivers.call("GET", f"{STATUS}?stream_id={stream_id}")
    assert (read.status_code, read.json) == (200, {"stream_id": stream_id, "status": "enabled"})
    for status in ("enabled", "paused", "disabled"):
        answer = both_receivers.set_status(status, reason=f"because {status}")
        expected = {"stream_id": stream_id, "status": status, "reason": f"because {status}"}
        assert (answer.status_code, answer.json) == (200, expected)
        assert both_receivers.call("GET", f"{STATUS}?stream_id={stream_id}").json == expected


@pytest.mark.parametrize("body", [{"status": "asleep"}, {}, {"status": 5}, {"status": "paused", "reason": 5}])
def test_a_status_that_is_none_is_400(receiver: Receiver, body: dict[str, Any]) -> None:
    receiver.create()
    answer = receiver.call("POST", STATUS, json={"stream_id": receiver.stream["stream_id"]} | body)
    assert answer.status_code == 400


def test_a_paused_stream_sends_nothing_and_keeps_all_until_it_is_enabled(
    both_receivers: Receiver, server: Server
) -> None:
    both_receivers.push_to(server)
    both_receivers.verify(state="before")
    both_receivers.set_status("paused")
    both_receivers.world.clock.advance(seconds=20)
    both_receivers.verify(state="meanwhile")
    assert deliver(both_receivers.world) == 0
    both_receivers.set_status("enabled")
    deliver(both_receivers.world)
    states = {
        both_receivers.claims(one.body.decode())["events"][VERIFICATION]["state"] for one in server.seen
    }
    assert states == {"before", "meanwhile"}


def test_a_disabled_stream_drops_what_would_be_sent(both_receivers: Receiver) -> None:
    both_receivers.create()
    both_receivers.verify()
    both_receivers.set_status("disabled")
    both_receivers.world.clock.advance(seconds=20)
    assert both_receivers.verify().status_code == 400
    both_receivers.set_status("enabled")
    assert both_receivers.sets() == []


def test_a_paused_poll_stream_gives_nothing_until_it_is_enabled(both_receivers: Receiver) -> None:
    both_receivers.create()
    both_receivers.verify(state="kept")
    both_receivers.set_status("paused")
    assert both_receivers.sets() == []
    both_receivers.set_status("enabled")
    [event] = both_receivers.sets()
    assert event["events"][VERIFICATION] == {"state": "kept"}


def test_another_delivery_takes_along_what_has_not_arrived(both_receivers: Receiver, server: Server) -> None:
    stream_id = both_receivers.create()["stream_id"]
    both_receivers.verify(state="first")
    push = {"method": PUSH, "endpoint_url": server.url}
    changed = both_receivers.call("PATCH", STREAM, json={"stream_id": stream_id, "delivery": push})
    assert changed.json["delivery"] == push
    both_receivers.world.clock.advance(seconds=20)
    both_receivers.verify(state="second")
    back = both_receivers.call("PATCH", STREAM, json={"stream_id": stream_id, "delivery": {"method": POLL}})
    both_receivers.stream = back.json
    assert deliver(both_receivers.world) == 0
    states = [one["events"][VERIFICATION]["state"] for one in both_receivers.sets()]
    assert states == ["first", "second"]


@pytest.mark.parametrize("method", [POLL, PUSH])
def test_a_status_that_the_transmitter_sets_is_told_to_the_receiver(
    both_receivers: Receiver, server: Server, method: str
) -> None:
    world = both_receivers.world
    both_receivers.push_to(server) if method == PUSH else both_receivers.create()
    with world.app.app_context(), writing() as session:
        settings = settings_of(world)
        stream = store.of_client(session, both_receivers.peer.client_id, settings.secret_key)
        assert stream is not None
        service.impose_status(session, settings, stream, Status.PAUSED, "maintenance", world.clock.now())
    deliver(world)
    told = [both_receivers.claims(one.body.decode()) for one in server.seen] or both_receivers.sets()
    [event] = told
    assert event["events"] == {UPDATED: {"status": "paused", "reason": "maintenance"}}
    assert event["sub_id"] == {"format": "opaque", "id": both_receivers.stream["stream_id"]}


def test_a_client_that_may_not_take_part_is_answered_401_and_told_nothing(both_receivers: Receiver) -> None:
    world = both_receivers.world
    both_receivers.create()
    both_receivers.verify()
    with world.app.app_context(), writing() as session:
        parties.set_standing(
            session, "0192:310041238", Standing.SUSPENDED, reason="test", now=world.clock.now()
        )
    assert both_receivers.call("GET", STREAM).status_code == 401


def test_every_kind_of_client_can_receive(world: World) -> None:
    supervisor = world.register(ClientRole.SUPERVISOR, "Tilsynet", "0192:310052345")
    for peer in (world.bank, world.erp, supervisor):
        assert Receiver(world, peer).create()["aud"] == peer.client_id


@pytest.mark.parametrize("method", [AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST])
def test_a_client_that_people_sign_in_to_receives_with_its_secret(world: World, method: AuthMethod) -> None:
    registration = Registration(
        role=ClientRole.LOGIN,
        name="Skyregn",
        organisation="0192:310052345",
        jwks={},
        redirect_uris=("https://erp.example.no/callback",),
        profile=Profile.OIDC,
        auth_method=method,
        secret="s" * 43,
    )
    with world.app.app_context(), writing() as session:
        client_id = parties.register(session, registration, world.clock.now()).client_id
    form = {"grant_type": "client_credentials", "scope": "ssf.manage ssf.read"}
    options: dict[str, Any] = {"auth": (client_id, "s" * 43)}
    if method is AuthMethod.CLIENT_SECRET_POST:
        form |= {"client_id": client_id, "client_secret": "s" * 43}
        options = {}
    http = world.app.test_client()
    given = http.post("/oauth/token", data=form, **options)
    assert given.status_code == 200, given.text
    headers = {"Authorization": f"Bearer {given.json['access_token']}"}
    assert http.post(STREAM, json={}, headers=headers).json["aud"] == client_id
    for scope in ("", "decisions", "ledger"):
        refused = http.post("/oauth/token", data=form | {"scope": scope}, **options)
        assert refused.json["error"] == "unauthorized_client", scope


def test_a_client_whose_tokens_are_bound_needs_the_proof_each_time(world: World) -> None:
    form = {"grant_type": "client_credentials", "scope": "ssf.manage"}
    token = world.bank.post("/oauth/token", form, dpop=True).json["access_token"]
    client = world.app.test_client()
    bearer = client.get(STREAM, headers={"Authorization": f"Bearer {token}"})
    assert bearer.status_code == 401
    proof = world.bank.dpop.proof("GET", ISSUER + STREAM, world.clock.now(), token)
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert client.get(STREAM, headers=headers).json == []
    assert client.get(STREAM, headers=headers).status_code == 401, "a proof is used once"
