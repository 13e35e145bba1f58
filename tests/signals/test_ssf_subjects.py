"""Shared Signals Framework 1.0 section 8.1.3, RFC 9493: subjects, removed and added again."""

from __future__ import annotations

from typing import Any

import pytest

from consent_service.registry.occurrences import Happening
from consent_service.signals.subjects import digest, same
from tests.signals.conftest import Receiver, happen, person_of, tell
from tests.world import ISSUER

ADD, REMOVE = "/ssf/subjects/add", "/ssf/subjects/remove"
EMAIL = {"format": "email", "email": "example.user@example.com"}
USER = {"format": "iss_sub", "iss": ISSUER, "sub": "sub-1"}


def change(receiver: Receiver, path: str, subject: Any, **more: Any) -> Any:
    body = {"stream_id": receiver.stream["stream_id"], "subject": subject} | more
    return receiver.call("POST", path, json=body)


@pytest.mark.parametrize(
    "subject",
    [
        EMAIL,
        USER,
        {"format": "opaque", "id": "x"},
        {"format": "account", "uri": "acct:x@example.com"},
        {"format": "phone_number", "phone_number": "+4712345678"},
        {"format": "did", "url": "did:example:123"},
        {"format": "uri", "uri": "https://example.com/x"},
        {"format": "jwt_id", "iss": ISSUER, "jti": "x"},
        {"format": "complex", "user": USER, "session": {"format": "opaque", "id": "s"}},
        {"format": "complex", "tenant": {"format": "opaque", "id": "t"}},
    ],
)
def test_adding_answers_an_empty_200_and_removing_204_whether_we_know_the_subject_or_not(
    receiver: Receiver, subject: dict[str, Any]
) -> None:
    receiver.create()
    added = change(receiver, ADD, subject, verified=True)
    assert (added.status_code, added.data) == (200, b"")
    removed = change(receiver, REMOVE, subject)
    assert (removed.status_code, removed.data) == (204, b"")
    assert change(receiver, REMOVE, subject).status_code == 204


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "x",
        [],
        {},
        {"format": "email"},
        {"format": "email", "email": 5},
        {"format": "email", "email": ""},
        {"format": "email", "email": "x" * 2000},
        {"format": "iss_sub", "iss": ISSUER},
        {"format": "nonsense", "id": "x"},
        {"format": ["email"]},
        {"format": "complex"},
        {"format": "complex", "user": "x"},
        {"format": "complex", "user": {"format": "complex", "user": USER}},
        {"format": "complex", **{f"m{n}": {"format": "opaque", "id": "x"} for n in range(20)}},
    ],
)
def test_what_is_no_subject_is_400(receiver: Receiver, subject: Any) -> None:
    receiver.create()
    for path in (ADD, REMOVE):
        assert change(receiver, path, subject).status_code == 400
    assert change(receiver, ADD, EMAIL, verified="yes").status_code == 400


def test_every_subject_is_in_a_stream_until_it_is_removed_and_again_once_it_is_added(
    both_receivers: Receiver,
) -> None:
    world = both_receivers.world
    world.sign_in()
    ingrid = person_of(world)
    both_receivers.knows(ingrid, "sub-1")
    both_receivers.create()
    tell(world)
    for path, expected in ((None, 1), (REMOVE, 0), (ADD, 1)):
        if path:
            change(both_receivers, path, USER)
        happen(world, Happening.SIGNED_OUT, ingrid)
        tell(world)
        given = both_receivers.poll()["sets"]
        assert len(given) == expected, path
        both_receivers.poll(ack=list(given))


def test_the_stream_itself_can_t_be_removed(receiver: Receiver) -> None:
    receiver.create()
    change(receiver, REMOVE, {"format": "opaque", "id": receiver.stream["stream_id"]})
    receiver.verify()
    assert len(receiver.sets()) == 1


def test_which_subjects_are_the_same() -> None:
    session = {"format": "opaque", "id": "s"}
    both = {"format": "complex", "user": USER, "session": session}
    assert same(USER, USER)
    assert not same(USER, USER | {"sub": "sub-2"})
    assert same(USER, both), "a person is meant by what speaks of a session of theirs"
    assert same({"format": "complex", "user": USER}, both)
    assert not same({"format": "complex", "user": USER, "tenant": session}, both)
    assert not same({"format": "complex", "user": USER}, USER)
    assert not same(session, both)


def test_a_subject_s_members_have_no_order() -> None:
    assert digest(USER) == digest(dict(reversed(list(USER.items()))))
    assert digest(USER) != digest(USER | {"sub": "x"})


def test_there_is_an_end_to_what_can_be_removed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    from consent_service.signals import store

    monkeypatch.setattr(store, "MOST_REMOVED", 2)
    receiver.create()
    statuses = [
        change(receiver, REMOVE, {"format": "opaque", "id": str(number)}).status_code for number in range(3)
    ]
    assert statuses == [204, 204, 429]
