"""Who can bind an organisation, in the Nordic programme's signatory-rights model.

Signatory rights are rules of which any one suffices; a rule is requirements of which all must be
met, each "so many of those who hold this post". Pure: no Flask, no SQL, no clock, no network.

Everything here fails closed. A rule without a requirement, or one for which the register names too
few people, is met by nobody; somebody who holds two posts counts once.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import combinations, product

from consent_service.registry.model import OrganisationRole

MOST_SETS = 10_000
"""Sets that are listed at most; whether a set binds is answered without listing any."""


class Quantifier(StrEnum):
    """How many of a post's holders must sign, by the names of the programme's model."""

    ALONE = "alone"
    ONE_OF = "oneOf"
    TWO_OF = "twoOf"
    THREE_OF = "threeOf"
    FOUR_OF = "fourOf"
    FIVE_OF = "fiveOf"
    MAJORITY_OF = "majorityOf"
    ALL_OF = "allOf"


_COUNTS = {
    Quantifier.ALONE: 1,
    Quantifier.ONE_OF: 1,
    Quantifier.TWO_OF: 2,
    Quantifier.THREE_OF: 3,
    Quantifier.FOUR_OF: 4,
    Quantifier.FIVE_OF: 5,
}
COUNTED = {1: Quantifier.ONE_OF, **{count: name for name, count in _COUNTS.items() if count > 1}}
"""The quantifier of a number of people."""


class Power(StrEnum):
    """What a rule gives power over."""

    SIGNATURE = "signature"
    """Everything: the organisation's signature."""
    PROCURATION = "procuration"
    """What belongs to running the business, by a procuration."""
    DAY_TO_DAY = "day_to_day"
    """Day-to-day business, which the law of each of the five countries gives a managing director."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who holds a post, as far as the register tells: a person, or another organisation."""

    name: str
    birth_date: dt.date | None = None
    number: str | None = None
    """The national number, where the register gives it."""
    organisation: str | None = None
    """The short form of the identifier, where the holder is an organisation."""

    @property
    def key(self) -> str:
        """What tells holders of one organisation's posts apart."""
        if self.organisation:
            return f"organisation {self.organisation}"
        if self.number:
            return f"number {self.number}"
        return f"name {plain(self.name)} {self.birth_date.isoformat() if self.birth_date else ''}"


@dataclass(frozen=True, slots=True)
class Post:
    """A position in an organisation, and who holds it."""

    role: OrganisationRole
    title: str
    """As the register writes it."""
    holders: tuple[Signatory, ...]


@dataclass(frozen=True, slots=True)
class Requirement:
    """So many of a post's holders must sign."""

    quantifier: Quantifier
    post: Post

    @property
    def count(self) -> int:
        """How many."""
        holders = len({one.key for one in self.post.holders})
        if self.quantifier is Quantifier.MAJORITY_OF:
            return holders // 2 + 1
        return _COUNTS.get(self.quantifier, max(holders, 1))


@dataclass(frozen=True)
class SignatoryRule:
    """One way to bind the organisation: every requirement must be met, each by other people."""

    description: str
    power: Power
    requirements: tuple[Requirement, ...]

    @cached_property
    def _places(self) -> list[tuple[Requirement, frozenset[str]]]:
        """A place for everybody who must sign, with the keys of those who may take it."""
        return [
            (one, frozenset(holder.key for holder in one.post.holders))
            for one in self.requirements
            for _ in range(one.count)
        ]

    @property
    def size(self) -> int:
        """How many people it takes."""
        return len(self._places)

    def open_places(self, signers: Collection[Signatory]) -> list[Requirement]:
        """What is missing when these have signed: a requirement for each place that is not taken.

        Places are given to signers so that as many as possible are taken (augmenting paths).
        """
        keys = sorted({signer.key for signer in signers})
        taken: dict[int, str] = {}

        def seat(key: str, tried: set[int]) -> bool:
            for place, (_requirement, allowed) in enumerate(self._places):
                if key in allowed and place not in tried:
                    tried.add(place)
                    if place not in taken or seat(taken[place], tried):
                        taken[place] = key
                        return True
            return False

        for key in keys:
            seat(key, set())
        return [one for place, (one, _) in enumerate(self._places) if place not in taken]

    def met_by(self, signers: Collection[Signatory]) -> bool:
        """Whether these people, together, bind the organisation by this rule."""
        return self.size > 0 and not self.open_places(signers)

    def sets(self) -> Iterator[frozenset[str]]:
        """The smallest sets of people that meet it, as their keys; possibly very many."""
        if not self.requirements:
            return
        groups = [
            list(combinations(sorted({holder.key for holder in one.post.holders}), one.count))
            for one in self.requirements
        ]
        for chosen in product(*groups):
            together = frozenset(key for group in chosen for key in group)
            if len(together) == self.size:
                yield together


@dataclass(frozen=True, slots=True)
class SignatureRules:
    """Who can bind this organisation.

    :param text: the register's own words, in its language
    :param complete: whether the rules say all that the register knows; what could not be read is
        no rule, and only its text is left
    """

    organisation: str
    text: str
    rules: tuple[SignatoryRule, ...]
    complete: bool = True

    def bound_by(self, signers: Collection[Signatory]) -> tuple[SignatoryRule, ...]:
        """The rules that these people meet together; nobody is bound where there is none."""
        return tuple(rule for rule in self.rules if rule.met_by(signers))

    def alone(self, signatory: Signatory) -> tuple[SignatoryRule, ...]:
        """The rules by which this one acts alone."""
        return self.bound_by((signatory,))

    def jointly(self, signatory: Signatory) -> tuple[SignatoryRule, ...]:
        """The rules in which this one has a place and can't act alone."""
        return tuple(
            rule
            for rule in self.rules
            if rule.size > 1 and len(rule.open_places((signatory,))) < rule.size and not self.alone(signatory)
        )

    def needed(self, signers: Collection[Signatory]) -> frozenset[Signatory]:
        """Those of whom one more brings these people closer to binding the organisation.

        Empty where nobody is missing, or where no rule has a place for all of them.
        """
        if self.bound_by(signers):
            return frozenset()
        keys = {signer.key for signer in signers}
        return frozenset(
            holder
            for rule in self.rules
            if rule.size - len(missing := rule.open_places(signers)) == len(keys)
            for requirement in missing
            for holder in requirement.post.holders
            if holder.key not in keys
        )

    def sets(self) -> list[frozenset[str]]:
        """The smallest sets of people that can bind the organisation, at most :data:`MOST_SETS`."""
        found: list[frozenset[str]] = []
        for rule in self.rules:
            for one in rule.sets():
                if len(found) == MOST_SETS:
                    return found
                if one not in found:
                    found.append(one)
        return [one for one in found if not any(other < one for other in found)]


def plain(name: str) -> str:
    """A name for comparing: case, hyphens and spaces don't count, letters and accents do."""
    return " ".join(unicodedata.normalize("NFC", name).replace("-", " ").casefold().split())
