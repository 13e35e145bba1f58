"""Transmitter configuration metadata (SSF 1.0 section 7.1): each claim held against behaviour."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from consent_service.registry.model import ClientRole
from consent_service.registry.occurrences import Happening
from tests.metadata.clients import Row, client, header_of, only
from tests.metadata.endpoints import path
from tests.signals.conftest import ALL, POLL, PUSH, Receiver, happen, person_of, tell
from tests.world import ISSUER, World

DOCUMENT = "/.well-known/ssf-configuration"


def receiver(world: World) -> Receiver:
    return Receiver(world, client(world, ClientRole.HOLDER))


def with_stream(world: World) -> Receiver:
    made = receiver(world)
    made.create()
    return made


def issuer(world: World, value: Any) -> None:
    assert value == ISSUER
    assert with_stream(world).stream["iss"] == value


def spec_version(_world: World, value: Any) -> None:
    assert value == "1_0"


def jwks_uri(world: World, value: Any) -> None:
    made = with_stream(world)
    assert made.verify(state="s").status_code == 204
    tell(world)
    [token] = made.poll()["sets"].values()
    keys = world.app.test_client().get(path(value)).json["keys"]
    assert header_of(token)["kid"] in {one["kid"] for one in keys}


def delivery_methods(world: World, value: Any) -> None:
    def works(method: str) -> bool:
        address = {"endpoint_url": "https://receiver.example.no/events"} if method == PUSH else {}
        body = {"events_requested": ALL, "delivery": {"method": method, **address}}
        return receiver(world).call("POST", "/ssf/stream", json=body).status_code == 201

    assert POLL in value
    only(
        value,
        (PUSH, POLL, "urn:ietf:rfc:9999", "https://schemas.openid.net/secevent/risc/delivery-method/push"),
        works,
    )


def configuration(world: World, value: Any) -> None:
    made = receiver(world)
    at = path(value)
    created = made.call("POST", at, json={"events_requested": ALL})
    assert created.status_code == 201
    stream_id = created.json["stream_id"]
    named = {"query_string": {"stream_id": stream_id}}
    assert made.call("GET", at, **named).json["stream_id"] == stream_id
    changed = {"stream_id": stream_id, "description": "ours"}
    assert made.call("PATCH", at, json=changed).json["description"] == "ours"
    assert made.call("DELETE", at, **named).status_code == 204
    assert made.call("GET", at, **named).status_code == 404


def status(world: World, value: Any) -> None:
    made = with_stream(world)
    body = {"stream_id": made.stream["stream_id"], "status": "paused"}
    assert made.call("POST", path(value), json=body).json["status"] == "paused"
    asked = {"stream_id": made.stream["stream_id"]}
    assert made.call("GET", path(value), query_string=asked).json["status"] == "paused"


def subject(expected: int) -> Row:
    def probe(world: World, value: Any) -> None:
        made = with_stream(world)
        body = {
            "stream_id": made.stream["stream_id"],
            "subject": {"format": "iss_sub", "iss": ISSUER, "sub": "somebody"},
        }
        assert made.call("POST", path(value), json=body).status_code == expected

    return probe


def verification(world: World, value: Any) -> None:
    made = with_stream(world)
    body = {"stream_id": made.stream["stream_id"], "state": "s"}
    assert made.call("POST", path(value), json=body).status_code == 204
    tell(world)
    [claims] = made.sets()
    assert any(name.endswith("/verification") for name in claims["events"])


def critical_members(world: World, value: Any) -> None:
    made = with_stream(world)
    world.sign_in()
    person_id = person_of(world)
    made.knows(person_id, secrets.token_urlsafe(8))
    happen(world, Happening.SIGNED_OUT, person_id, sessions={made.peer.client_id: "session-7"})
    tell(world)
    [subject] = [one["sub_id"] for one in made.sets()]
    assert subject["format"] == "complex"
    assert set(value) <= subject.keys()


def authorization_schemes(world: World, value: Any) -> None:
    assert value == [{"spec_urn": "urn:ietf:rfc:6749"}]
    made = receiver(world)
    assert made.call("GET", "/ssf/stream").status_code == 200
    assert made.call("GET", "/ssf/stream", token="not one of ours").status_code == 401
    basic = {"Authorization": "Basic eDp5"}
    assert world.app.test_client().get("/ssf/stream", headers=basic).status_code == 401


def default_subjects(world: World, value: Any) -> None:
    assert value == "ALL"
    critical_members(world, ["user"])  # nobody added that person to the stream


ROWS: dict[str, Row] = {
    "issuer": issuer,
    "spec_version": spec_version,
    "jwks_uri": jwks_uri,
    "delivery_methods_supported": delivery_methods,
    "configuration_endpoint": configuration,
    "status_endpoint": status,
    "add_subject_endpoint": subject(200),
    "remove_subject_endpoint": subject(204),
    "verification_endpoint": verification,
    "critical_subject_members": critical_members,
    "authorization_schemes": authorization_schemes,
    "default_subjects": default_subjects,
}


def test_a_member_of_the_metadata_without_a_probe_fails(whole: World) -> None:
    assert set(whole.app.test_client().get(DOCUMENT).json) == set(ROWS)


@pytest.mark.parametrize("member", sorted(ROWS))
def test_what_is_claimed_is_done_and_what_is_not_claimed_is_refused(whole: World, member: str) -> None:
    ROWS[member](whole, whole.app.test_client().get(DOCUMENT).json[member])
