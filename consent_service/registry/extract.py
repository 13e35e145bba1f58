"""What a business register says of one organisation, and whom of it a signed-in person is. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from consent_service.registry.model import NationalIdentity, OrganisationRole
from consent_service.registry.signatures import Post, Signatory, SignatoryRule, SignatureRules, plain


class LegalStatus(StrEnum):
    """How an organisation stands in its register. Tables and ledger hold these names: append only."""

    REGISTERED = "registered"
    LIQUIDATION = "liquidation"
    """It is being wound up; who acts for it is in the register as before."""
    BANKRUPT = "bankrupt"
    DISSOLVED = "dissolved"
    MERGED = "merged"


GONE = frozenset({LegalStatus.BANKRUPT, LegalStatus.DISSOLVED, LegalStatus.MERGED})
"""While it stands so, nothing that it agreed to goes on, and it agrees to nothing new."""
NO_MORE = frozenset({LegalStatus.DISSOLVED, LegalStatus.MERGED})
"""What is not there any more has nobody who acts for it."""


@dataclass(frozen=True, slots=True)
class Extract:
    """One organisation in its register: name, standing, posts, and who can bind it."""

    organisation: str
    name: str
    status: LegalStatus
    posts: tuple[Post, ...]
    signatures: SignatureRules


@dataclass(frozen=True, slots=True)
class Match:
    """A signed-in person found among those whom a register names."""

    signatory: Signatory
    by_number: bool


def find(extract: Extract, identity: NationalIdentity, country: str | None) -> Match | None:
    """The one among the holders of posts who is this person, or None.

    1. By national number, where the register gives it and it is a number of the same country.
    2. Else by full name and date of birth, both equal, among those for whom the register gives no
       number. A number that is another one is another person, whatever the name.
    3. Two who could both be meant are nobody: the same name and date twice in one post.

    :param country: whose numbers this register gives; None where they are the eID's own, whatever
        country that is
    """
    everybody = {one.key: one for one in _everybody(extract) if not one.organisation}
    comparable = country is None or identity.country == country
    numbered = [one for one in everybody.values() if one.number]
    if comparable:
        wanted = _bare(identity.person_number)
        for one in numbered:
            if wanted and _bare(one.number or "") == wanted:
                return Match(one, by_number=True)
    if identity.birth_date is None or not plain(identity.name):
        return None
    alike = [
        one
        for one in everybody.values()
        if not one.number
        and one.birth_date == identity.birth_date
        and plain(one.name) == plain(identity.name)
    ]
    if len(alike) != 1 or any(
        [holder.key for holder in post.holders].count(alike[0].key) > 1 for post in _posts(extract)
    ):
        return None
    return Match(alike[0], by_number=False)


def acts_alone_as(extract: Extract, signatory: Signatory) -> OrganisationRole | None:
    """The first of the roles in which somebody acts for the organisation alone, or None.

    Roles that sign only jointly are none, and nobody acts for what is not there any more.
    """
    if extract.status in NO_MORE:
        return None
    order = list(OrganisationRole)
    roles = [_role(rule) for rule in extract.signatures.alone(signatory)]
    return min(roles, key=order.index, default=None)


def roles_of(extract: Extract, signatory: Signatory) -> tuple[OrganisationRole, ...]:
    """All roles that somebody has in the organisation, whatever they give power to."""
    order = list(OrganisationRole)
    found = {post.role for post in extract.posts if signatory.key in {one.key for one in post.holders}}
    return tuple(sorted(found, key=order.index))


def _role(rule: SignatoryRule) -> OrganisationRole:
    return rule.requirements[0].post.role


def _posts(extract: Extract) -> Iterator[Post]:
    yield from extract.posts
    for rule in extract.signatures.rules:
        for requirement in rule.requirements:
            yield requirement.post


def _everybody(extract: Extract) -> Iterator[Signatory]:
    for post in _posts(extract):
        yield from post.holders


def _bare(number: str) -> str:
    return number.replace(" ", "").replace("-", "")
