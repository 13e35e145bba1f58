"""Entries: canonical JSON (RFC 8785) and the payload's commitment."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from consent_service.ledger.model import Entry, Kind, canonical, commit

KEYS = st.text(st.characters(max_codepoint=0x7F, exclude_categories=["Cc", "Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_the_fast_encoder_gives_rfc_8785_s_bytes(document: dict[str, object]) -> None:
    assert canonical(document) == rfc8785.dumps(document)


@pytest.mark.parametrize("document", [{"a": 1.5}, {"ø": 1}, {"a": {"é": 1}}, {"a": [2**53]}, {1: 2}])
def test_what_would_not_be_canonical_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        canonical(document)


def test_an_entry_holds_ids_time_and_hashes_alone() -> None:
    at = dt.datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=dt.UTC)
    entry = Entry("e", Kind.DECISION_PERMIT, at, "sha256:0", grant_id="g", grant_version=3, client_id="c")
    assert json.loads(entry.encode()) == {
        "version": 1,
        "entry_id": "e",
        "kind": "decision.permit",
        "time": "2026-06-01T12:00:00.000005Z",
        "payload_hash": "sha256:0",
        "grant_id": "g",
        "grant_version": 3,
        "client_id": "c",
    }


def test_a_commitment_needs_a_salt_of_32_bytes() -> None:
    assert commit(b"s" * 32, b"x") == "sha256:" + hashlib.sha256(b"s" * 32 + b"x").hexdigest()
    with pytest.raises(ValueError):
        commit(b"short", b"x")


def test_names_that_the_ledger_holds_have_not_changed() -> None:
    # Append only: a name that was written once is read for ever.
    assert {
        "key.created",
        "policy.published",
        "catalogue.published",
        "party.registered",
        "party.suspended",
        "party.resumed",
        "request.requested",
        "request.opened",
        "request.declined",
        "request.lapsed",
        "grant.activated",
        "grant.revoked",
        "grant.expired",
        "grant.exhausted",
        "decision.permit",
        "decision.deny",
        "representation.mandate_given",
        "representation.mandate_ended",
        "payload.erased",
    } <= {kind.value for kind in Kind}
