"""Which policy set decides now, and what is remembered of who takes part: by the registry's epoch.

The ledger holds the policy set that was published last; a worker that began with another loads
that one as soon as the epoch says that something changed. Nothing remembered outlives its epoch,
and a decision reads the epoch under the registry's lock: so what is remembered is what the
tables say, and no worker decides by a policy set of before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants.agreement import Refusal
from consent_service.grants.catalogue import Catalogue, CatalogueError
from consent_service.grants.proposal import Proposal
from consent_service.ledger import store
from consent_service.ledger.model import Kind
from consent_service.policy.choice import Rules
from consent_service.policy.engine import PolicyError, decide_agreement
from consent_service.policy.memo import Memo
from consent_service.policy.model import HolderFacts
from consent_service.policy.publish import from_files
from consent_service.registry import parts
from consent_service.registry.callers import Known
from consent_service.registry.parts import Part

MOST = 10_000
"""Clients remembered in one epoch; whoever asks about more begins anew."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one epoch."""

    epoch: int
    rules: Rules
    parts: dict[str, Part | None] = field(default_factory=dict)
    served: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)
    placed: dict[str, bool] = field(default_factory=dict)
    owners: dict[tuple[str, str], bool] = field(default_factory=dict)
    holders: dict[tuple[str, tuple[str, ...], bool], HolderFacts] = field(default_factory=dict)
    callers: dict[str, Known] = field(default_factory=dict)
    """Holders by the hash of the token that they show."""

    def remember(self, token_hash: str, known: Known) -> None:
        """Remember whose token this is, until it ends or the epoch does."""
        _make_room(self.callers)
        self.callers[token_hash] = known

    def part(self, session: Session, client_id: str) -> Part | None:
        """What a decision has to know of a client."""
        if client_id not in self.parts:
            _make_room(self.parts)
            self.parts[client_id] = parts.part_of(session, client_id)
        return self.parts[client_id]

    def served_by(self, session: Session, locations: tuple[str, ...]) -> dict[str, str]:
        """Which holder's client registered each of these addresses."""
        if locations not in self.served:
            _make_room(self.served)
            self.served[locations] = parts.served_by(session, locations) if locations else {}
        return self.served[locations]

    def has_resources(self, session: Session, client_id: str) -> bool:
        """Whether a holder registered any address."""
        if client_id not in self.placed:
            _make_room(self.placed)
            self.placed[client_id] = parts.has_resources(session, client_id)
        return self.placed[client_id]

    def holder(self, name: tuple[str, tuple[str, ...], bool], find: Callable[[], HolderFacts]) -> HolderFacts:
        """What a decision knows of the holder that asks: by id, a grant's places, whether it serves."""
        known = self.holders.get(name)
        if known is None:
            _make_room(self.holders)
            known = self.holders[name] = find()
        return known

    def serves(self, session: Session, client_id: str, owner: str | None) -> bool:
        """Whether a holder may ask about an owner; nothing is looked up for one that serves everybody."""
        part = self.part(session, client_id)
        if part is None or not part.limited:
            return True
        if owner is None:
            return False
        if (client_id, owner) not in self.owners:
            _make_room(self.owners)
            self.owners[client_id, owner] = parts.serves(session, client_id, owner)
        return self.owners[client_id, owner]


class Rulebook:
    """The rules of a worker; threads share it."""

    def __init__(self, rules: Rules) -> None:
        """Begin with the rules of the policy directory, which decide until others are published."""
        self._own = remembering(rules)
        self._seen = Seen(-1, self._own)

    @property
    def latest(self) -> Seen:
        """What was seen last, not looked at again: for what is checked afterwards."""
        return self._seen

    def seen(self, session: Session) -> Seen:
        """What holds in the present epoch; within a transaction that shares the registry's lock, for good."""
        epoch, seen = store.epoch(session), self._seen
        if seen.epoch != epoch:
            seen = Seen(epoch, self._published(session, seen.rules))
            self._seen = seen
        return seen

    def rules(self, session: Session) -> Rules:
        """The rules that decide now."""
        return self.seen(session).rules

    def catalogue(self, session: Session) -> Catalogue:
        """The published catalogue."""
        return self.rules(session).catalogue

    def decide(self, session: Session, proposal: Proposal, language: str) -> tuple[str, tuple[Refusal, ...]]:
        """Whether terms may be agreed to (:class:`consent_service.grants.agreement.Agreements`)."""
        policies = self.rules(session).policies
        decision = decide_agreement(proposal, policies)
        refusals = () if decision else decision.reasons
        return policies.digest, tuple(
            Refusal(one.policy, policies.texts.reason(one.policy, one.text, language), one.step_up)
            for one in refusals
        )

    def say(self, policy: str, english: str, language: str) -> str:
        """A policy's words in a language; English where it has none."""
        return self._seen.rules.policies.texts.reason(policy, english, language)

    def _published(self, session: Session, present: Rules) -> Rules:
        """The set that was published last; what can't be read leaves the present one deciding."""
        try:
            payload = store.last_published(session, Kind.POLICY_PUBLISHED)
            told = orjson.loads(payload) if payload else None
            if told is None:
                return present
            for known in (present, self._own):
                if known.policies.digest == told["digest"]:
                    return known
            rules = from_files(told["files"])
            if rules.policies.digest != told["digest"]:
                raise PolicyError("the files don't have the digest that was published")
        except (PolicyError, CatalogueError, ServiceError, KeyError, TypeError, ValueError) as error:
            structlog.get_logger().error("policy set refused", exception=type(error).__name__)
            return present
        structlog.get_logger().info("policy set", digest=rules.policies.digest)
        return remembering(rules)


def remembering(rules: Rules) -> Rules:
    """The same rules, with a memory of what they decided."""
    return Rules(rules.policies, Memo(rules.policies).decide)


def _make_room(remembered: dict[Any, Any]) -> None:
    if len(remembered) >= MOST:
        remembered.clear()
