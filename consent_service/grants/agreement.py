"""What may be agreed to: terms are decided by policy when they are asked for, answered, and set by law.

The policies live a floor above; :class:`Agreements` is all that is known of them here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol, cast

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import Terms
from consent_service.grants.proposal import Proposal
from consent_service.registry import owners, parts
from consent_service.registry.model import Client
from consent_service.web.current import named


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that the terms don't keep; ``step_up`` names the sign-in that would mend it."""

    policy: str
    text: str
    step_up: str = ""


class Refused(ServiceError):
    """``invalid_authorization_details``, with every rule that was not kept."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        names = ", ".join(one.policy for one in refusals)
        super().__init__(
            "invalid_authorization_details", " ".join(one.text for one in refusals), detail=names
        )
        self.refusals = refusals

    @property
    def step_up(self) -> bool:
        """Whether a fresh sign-in is all that is missing."""
        return all(one.step_up for one in self.refusals)


class Agreements(Protocol):
    """The policy set that decides now, as far as grants need it."""

    def catalogue(self, session: Session) -> Catalogue:
        """The published catalogue."""
        ...

    def decide(self, session: Session, proposal: Proposal, language: str) -> tuple[str, tuple[Refusal, ...]]:
        """The digest of the policy set, and why the terms may not be agreed to; nothing when they may."""
        ...

    def say(self, policy: str, english: str, language: str) -> str:
        """A policy's words in a language; English where it has none."""
        ...


def agreements() -> Agreements:
    """What the application was made with."""
    return cast("Agreements", named("agreements"))


def check(
    session: Session,
    client: Client,
    terms: Terms,
    now: dt.datetime,
    *,
    signed_in_at: dt.datetime | None = None,
    language: str = "en",
) -> str:
    """Decide whether these terms may be agreed to; returns the policy set's digest.

    :param client: the party that asks
    :param signed_in_at: when the person who answers signed in; None while nobody answers
    :raises Refused: with every reason
    """
    part = parts.part_of(session, client.client_id)
    proposal = Proposal(
        terms=terms,
        client_id=client.client_id,
        organisation=client.organisation.identifier,
        status="active" if part and part.active else "suspended",
        licences=part.licences_at(now) if part else frozenset(),
        time=now,
        owner_disputed=terms.owner is not None and owners.disputed(session, terms.owner),
        signed_in_at=signed_in_at,
    )
    digest, refusals = agreements().decide(session, proposal, language)
    if refusals:
        raise Refused(refusals)
    return digest
