"""Ledger entries: kinds, canonical bytes, payload commitment.

Pure. An entry holds no personal data: its payload lies beside it and is committed to by
a salted hash, so that the payload can be erased and the entry still verifies.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from consent_service.clock import rfc3339

SALT_BYTES = 32


class Kind(StrEnum):
    """What an entry tells. The ledger holds these names: append only, never renamed or reused."""

    KEY_CREATED = "key.created"
    POLICY_PUBLISHED = "policy.published"
    CATALOGUE_PUBLISHED = "catalogue.published"
    PARTY_REGISTERED = "party.registered"
    PARTY_SUSPENDED = "party.suspended"
    PARTY_RESUMED = "party.resumed"
    REQUEST_REQUESTED = "request.requested"
    REQUEST_OPENED = "request.opened"
    REQUEST_DECLINED = "request.declined"
    REQUEST_LAPSED = "request.lapsed"
    GRANT_ACTIVATED = "grant.activated"
    GRANT_REVOKED = "grant.revoked"
    GRANT_EXPIRED = "grant.expired"
    GRANT_EXHAUSTED = "grant.exhausted"
    DECISION_PERMIT = "decision.permit"
    DECISION_DENY = "decision.deny"
    MANDATE_GIVEN = "representation.mandate_given"
    MANDATE_ENDED = "representation.mandate_ended"
    PAYLOAD_ERASED = "payload.erased"
    PARTY_LICENSED = "party.licensed"
    PARTY_LICENCE_ENDED = "party.licence_ended"
    GRANT_NOTIFIED = "grant.notified"
    GRANT_ENDED = "grant.ended"
    GRANT_SUSPENDED = "grant.suspended"
    GRANT_RESUMED = "grant.resumed"
    OWNER_DISPUTED = "owner.disputed"
    OWNER_SETTLED = "owner.settled"
    HOLDER_SERVES = "holder.serves"
    HOLDER_SERVES_NO_MORE = "holder.serves_no_more"
    HOLDER_SERVES_EVERYBODY = "holder.serves_everybody"
    PARTY_UPDATED = "party.updated"
    PARTY_ENDED = "party.ended"
    KEY_ACTIVATED = "key.activated"
    KEY_RETIRED = "key.retired"
    KEY_WITHDRAWN = "key.withdrawn"
    GRANT_AMENDED = "grant.amended"
    GRANT_TERMINATED = "grant.terminated"
    TOKEN_EXCHANGED = "token.exchanged"
    OFFER_MADE = "offer.made"
    OFFER_WITHDRAWN = "offer.withdrawn"
    OBJECTION_RAISED = "objection.raised"
    OWNER_STANDING = "owner.standing"


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf. Every member is an identifier, a version, a time or a hash."""

    entry_id: str
    kind: Kind
    time: dt.datetime
    payload_hash: str
    request_id: str | None = None
    grant_id: str | None = None
    grant_version: int | None = None
    client_id: str | None = None
    policy_digest: str | None = None

    def encode(self) -> bytes:
        """The entry as canonical JSON (RFC 8785); absent members are left out."""
        # Names are ASCII and in order, values texts or a small number: there is nothing to check or sort.
        document = {
            "client_id": self.client_id,
            "entry_id": self.entry_id,
            "grant_id": self.grant_id,
            "grant_version": self.grant_version,
            "kind": self.kind,
            "payload_hash": self.payload_hash,
            "policy_digest": self.policy_digest,
            "request_id": self.request_id,
            "time": rfc3339(self.time),
            "version": 1,
        }
        return orjson.dumps({name: value for name, value in document.items() if value is not None})


def canonical(document: dict[str, Any]) -> bytes:
    """Canonical JSON (RFC 8785) for documents with ASCII keys and integer numbers.

    Within that subset sorted keys give RFC 8785's bytes; a property test holds the two
    together. Anything outside it is refused, because it would not be canonical.

    :raises TypeError: a float, or a key that is not ASCII text
    """
    _check_subset(document)
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _check_subset(value: object) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise TypeError(f"a ledger document's key must be ASCII text: {key!r}")
            if type(member) is not str:  # most are, and this runs for every decision
                _check_subset(member)
    elif isinstance(value, list | tuple):
        for member in value:
            if type(member) is not str:
                _check_subset(member)
    elif isinstance(value, float):
        raise TypeError("a ledger document holds no floating-point number")
    elif isinstance(value, int) and abs(value) > 2**53 - 1:
        raise TypeError("a ledger document holds no number beyond 2^53 - 1")


def commit(salt: bytes, payload: bytes) -> str:
    """SHA-256(salt || payload) as ``sha256:<hex>``; the salt has a fixed length of 32 bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return "sha256:" + hashlib.sha256(salt + payload).hexdigest()
