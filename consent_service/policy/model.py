"""What a decision is made of, and the decision: plain frozen data that can be written down and read back.

Pure: no Flask, no SQL, no clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consent_service.clock import rfc3339


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """One AuthZEN question (Authorization API 1.0 section 5), its form checked at the edge."""

    subject_type: str
    subject_id: str
    action: str
    resource_type: str
    resource_id: str
    subject_properties: Mapping[str, Any] = field(default_factory=dict)
    action_properties: Mapping[str, Any] = field(default_factory=dict)
    resource_properties: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The question in the standard's own shape."""
        return {
            "subject": {
                "type": self.subject_type,
                "id": self.subject_id,
                "properties": dict(self.subject_properties),
            },
            "action": {"name": self.action, "properties": dict(self.action_properties)},
            "resource": {
                "type": self.resource_type,
                "id": self.resource_id,
                "properties": dict(self.resource_properties),
            },
            "context": dict(self.context),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EvaluationRequest:
        """The inverse of :meth:`to_json`."""
        subject, action, resource = document["subject"], document["action"], document["resource"]
        return cls(
            subject_type=subject["type"],
            subject_id=subject["id"],
            action=action["name"],
            resource_type=resource["type"],
            resource_id=resource["id"],
            subject_properties=subject["properties"],
            action_properties=action["properties"],
            resource_properties=resource["properties"],
            context=document["context"],
        )


@dataclass(frozen=True, slots=True)
class PartyFacts:
    """What the registry says of the party that would read."""

    client_id: str
    organisation: str
    status: str
    licences: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        return {
            "client_id": self.client_id,
            "organisation": self.organisation,
            "status": self.status,
            **({"licences": sorted(self.licences)} if self.licences else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PartyFacts:
        """The inverse of :meth:`to_json`."""
        licences = frozenset(document.get("licences", ()))
        return cls(document["client_id"], document["organisation"], document["status"], licences)


@dataclass(frozen=True, slots=True)
class HolderFacts:
    """The holder that asks; ``serves`` are those of the grant's locations that are its own.

    ``serves_owner``: whether it may ask about the owner in question at all.
    """

    client_id: str
    status: str
    serves: frozenset[str]
    serves_owner: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "client_id": self.client_id,
            "status": self.status,
            "serves": sorted(self.serves),
            # Left out where there is nothing to say: entries of before don't have it.
            **({} if self.serves_owner else {"serves_owner": False}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> HolderFacts:
        """The inverse of :meth:`to_json`."""
        serves, serves_owner = frozenset(document["serves"]), document.get("serves_owner", True)
        return cls(document["client_id"], document["status"], serves, serves_owner)


@dataclass(frozen=True, slots=True)
class Facts:
    """The moment of the decision: when, for which holder, and how much of the grant was used.

    ``reads`` counts permits for this data set in the grant's present window.
    """

    time: dt.datetime
    holder: HolderFacts
    reads: int = 0

    def to_json(self) -> dict[str, Any]:
        """Everything, so that the ledger can hold it and the decision be made again."""
        return {
            "time": rfc3339(self.time),
            "holder": self.holder.to_json(),
            "reads": self.reads,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Facts:
        """The inverse of :meth:`to_json`."""
        time = dt.datetime.fromisoformat(document["time"])
        return cls(time, HolderFacts.from_json(document["holder"]), document["reads"])


@dataclass(frozen=True, slots=True)
class Reason:
    """A policy that decided, by its ``@id``, and its explanation in plain words.

    ``mend`` says what would make it pass (:data:`consent_service.policy.texts.MENDS`), and
    ``step_up`` names the authentication context that would (RFC 9470, ``acr``).
    """

    policy: str
    text: str
    mend: str = ""
    step_up: str = ""


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the permit binds its receiver to (AuthZEN obligations profile, draft 1)."""

    id: str
    type: str
    properties: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Permit or deny, with reasons; true when it permits."""

    permit: bool
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    policy_digest: str

    def __bool__(self) -> bool:
        return self.permit
