"""What every business register's adapter offers, what the service asks of them, and the null twin.

An adapter speaks to one register over HTTP and answers in our words. It never writes, and it never
guesses: what is not in the register's documented form is no answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from consent_service.errors import ServiceError, said
from consent_service.registry.extract import Extract, LegalStatus
from consent_service.registry.model import NationalIdentity, OrganisationRole, RegisteredRole
from consent_service.registry.signatures import (
    Post,
    Power,
    Quantifier,
    Requirement,
    Signatory,
    SignatoryRule,
)


class RegisterUnavailable(ServiceError):
    """The register did not answer, or not in its own words; nothing may be concluded from that."""

    def __init__(self, register: str, detail: str) -> None:
        sentence = said(
            "The business register can't be reached right now. Please try again in a few minutes."
        )
        super().__init__("register_unavailable", sentence, status=503, detail=f"{register}: {detail}")


class Adapter(Protocol):
    """One business register."""

    @property
    def name(self) -> str:
        """As people know it."""
        ...

    @property
    def country(self) -> str | None:
        """The country whose national numbers it gives; None where they are the eID's own."""
        ...

    def extract(self, identifier: str, today: dt.date) -> Extract | None:
        """What the register says of an organisation (short form), or None where it knows none.

        :raises RegisterUnavailable: no usable answer
        """
        ...

    def organisations_of(self, identity: NationalIdentity) -> list[str] | None:
        """The organisations in which this person has a role; None where it can't be asked so.

        :raises RegisterUnavailable: no usable answer
        """
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What a register said of one organisation, when, and which register it was."""

    extract: Extract | None
    at: dt.datetime
    source: str


@dataclass(frozen=True, slots=True)
class Found:
    """A person's roles, and the organisations of which nothing could be learned now."""

    roles: tuple[RegisteredRole, ...]
    unanswered: frozenset[str] = frozenset()


class Register(Protocol):
    """All registers together, as the service asks them."""

    name: str

    def covers(self, identifier: str) -> bool:
        """Whether there is a register to ask about this organisation."""
        ...

    def look(self, identifier: str, now: dt.datetime) -> Seen:
        """What its register says of an organisation at this moment.

        :raises RegisterUnavailable: no usable answer, or no register for this country
        """
        ...

    def signatories(self, identifier: str, now: dt.datetime) -> Seen:
        """The same as it was said lately; ``extract.signatures`` says who is needed to bind it.

        :raises RegisterUnavailable: as :meth:`look`, and what is remembered is too old
        """
        ...

    def role_in(
        self, identity: NationalIdentity, identifier: str, now: dt.datetime, *, fresh: bool
    ) -> RegisteredRole | None:
        """The role by which this person acts for this organisation alone, or None.

        :param fresh: ask at this moment, whatever was said lately
        :raises RegisterUnavailable: as :meth:`look`
        """
        ...

    def roles_of(self, identity: NationalIdentity, known: Collection[str], now: dt.datetime) -> Found:
        """The roles by which this person acts for organisations alone.

        :param known: organisations to look at beside those that a register names for this person
        :raises RegisterUnavailable: no register answered at all
        """
        ...


class NoRegister:
    """The null twin: no register is configured, so nobody represents anybody."""

    name = "nobody"

    def covers(self, identifier: str) -> bool:
        return False

    def look(self, identifier: str, now: dt.datetime) -> Seen:
        return Seen(None, now, self.name)

    def signatories(self, identifier: str, now: dt.datetime) -> Seen:
        return Seen(None, now, self.name)

    def role_in(
        self, identity: NationalIdentity, identifier: str, now: dt.datetime, *, fresh: bool
    ) -> RegisteredRole | None:
        return None

    def roles_of(self, identity: NationalIdentity, known: Collection[str], now: dt.datetime) -> Found:
        return Found(())


RUN = frozenset({LegalStatus.REGISTERED, LegalStatus.BANKRUPT})


def gather(held: Iterable[tuple[OrganisationRole, str, Signatory]]) -> tuple[Post, ...]:
    """Posts from who holds what, one for each title, in the register's order."""
    posts: dict[tuple[OrganisationRole, str], list[Signatory]] = {}
    for role, title, holder in held:
        posts.setdefault((role, title), []).append(holder)
    return tuple(Post(role, title, tuple(holders)) for (role, title), holders in posts.items())


def by_position(posts: Iterable[Post], status: LegalStatus) -> tuple[SignatoryRule, ...]:
    """The rules that a position brings by law, without any entry about signatures.

    A sole proprietor is the business. A managing director has the day-to-day business, as long as
    the business is not being wound up; of a bankrupt one they see what there is and take it back,
    and nothing new is agreed to. A chair has nothing by position: it takes an entry.
    """
    rules = []
    for post in posts:
        if post.role is OrganisationRole.SOLE_PROPRIETOR and len(post.holders) == 1:
            rules.append(_alone(post, Power.SIGNATURE))
        if post.role is OrganisationRole.MANAGING_DIRECTOR and status in RUN:
            rules.append(_alone(post, Power.DAY_TO_DAY))
    return tuple(rules)


def _alone(post: Post, power: Power) -> SignatoryRule:
    return SignatoryRule(post.title, power, (Requirement(Quantifier.ALONE, post),))
