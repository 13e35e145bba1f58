"""Signature rules that a register has as a sentence: the standard sentences are read, whole and exactly.

A sentence that is not on the list is no rule. Reading more freely would one day read too much: "two
of the members jointly, one of whom must be the chair" begins like a sentence that lets any two sign.
"""

from __future__ import annotations

from collections.abc import Sequence

from consent_service.registry.model import OrganisationRole
from consent_service.registry.signatures import (
    Post,
    Power,
    Quantifier,
    Requirement,
    SignatoryRule,
)

CHAIR, MEMBER, DIRECTOR = (
    OrganisationRole.CHAIR,
    OrganisationRole.BOARD_MEMBER,
    OrganisationRole.MANAGING_DIRECTOR,
)
BOARD = frozenset({CHAIR, MEMBER})
Wanted = tuple[tuple[Quantifier, frozenset[OrganisationRole]], ...]
EACH_DIRECTOR: Wanted = ((Quantifier.ALONE, frozenset({DIRECTOR})),)
EACH_MEMBER: Wanted = ((Quantifier.ALONE, BOARD),)
TWO_MEMBERS: Wanted = ((Quantifier.TWO_OF, BOARD),)
WHOLE_BOARD: Wanted = ((Quantifier.ALL_OF, BOARD),)
CHAIR_AND_MEMBER: Wanted = (
    (Quantifier.ONE_OF, frozenset({CHAIR})),
    (Quantifier.ONE_OF, frozenset({MEMBER})),
)
DIRECTOR_AND_MEMBER: Wanted = (
    (Quantifier.ONE_OF, frozenset({DIRECTOR})),
    (Quantifier.ONE_OF, BOARD),
)
DAY_TO_DAY: Wanted = ()
"""What a managing director has by law, said again: it adds nothing."""

SWEDISH: dict[str, Wanted] = {
    # Aktiebolagslagen 8 kap. 35 and 22 §: the board decides when more than half are for it.
    "firman tecknas av styrelsen": ((Quantifier.MAJORITY_OF, BOARD),),
    "firman tecknas av styrelseledamöterna var för sig": EACH_MEMBER,
    "firman tecknas var för sig av ledamöterna": EACH_MEMBER,
    "firman tecknas av en ledamot": EACH_MEMBER,
    "firman tecknas två i förening av ledamöterna": TWO_MEMBERS,
    "firman tecknas av två i förening av ledamöterna": TWO_MEMBERS,
    "firman tecknas av verkställande direktören": EACH_DIRECTOR,
    "dessutom har verkställande direktören rätt att teckna firman beträffande löpande "
    "förvaltningsåtgärder": DAY_TO_DAY,
    "dessutom har verkställande direktören rätt att teckna bolagets firma beträffande löpande "
    "förvaltningsåtgärder": DAY_TO_DAY,
}
DANISH: dict[str, Wanted] = {
    "selskabet tegnes af en direktør": EACH_DIRECTOR,
    "selskabet tegnes af direktøren": EACH_DIRECTOR,
    "selskabet tegnes af en direktør alene": EACH_DIRECTOR,
    "selskabet tegnes af den samlede direktion": ((Quantifier.ALL_OF, frozenset({DIRECTOR})),),
    "selskabet tegnes af den samlede bestyrelse": WHOLE_BOARD,
    "selskabet tegnes af to medlemmer af bestyrelsen i forening": TWO_MEMBERS,
    "selskabet tegnes af to bestyrelsesmedlemmer i forening": TWO_MEMBERS,
    "selskabet tegnes af bestyrelsens formand alene": ((Quantifier.ALONE, frozenset({CHAIR})),),
    "selskabet tegnes af bestyrelsens formand i forening med et medlem af bestyrelsen": CHAIR_AND_MEMBER,
    "selskabet tegnes af en direktør i forening med et medlem af bestyrelsen": DIRECTOR_AND_MEMBER,
    "selskabet tegnes af to direktører i forening": ((Quantifier.TWO_OF, frozenset({DIRECTOR})),),
}


def read(
    text: str, sentences: dict[str, Wanted], posts: Sequence[Post]
) -> tuple[tuple[SignatoryRule, ...], bool]:
    """The rules that a text gives to the holders of these posts, and whether all of it was read."""
    rules, complete = [], True
    for sentence in _split(text):
        wanted = sentences.get(" ".join(sentence.casefold().split()))
        if wanted is None:
            complete = False
        elif wanted:
            requirements = tuple(Requirement(quantifier, _held(roles, posts)) for quantifier, roles in wanted)
            rules.append(SignatoryRule(sentence, Power.SIGNATURE, requirements))
    # A sentence that could not be read may narrow the ones before it, so none of them counts.
    return (tuple(rules), True) if complete else ((), False)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", ".").split(".") if part.strip()]


def _held(roles: frozenset[OrganisationRole], posts: Sequence[Post]) -> Post:
    """One post of all who hold any of these, each once."""
    meant = [post for post in posts if post.role in roles]
    holders = {holder.key: holder for post in meant for holder in post.holders}
    first = meant[0] if meant else None
    role = first.role if first and len(roles) == 1 else max(roles, key=list(OrganisationRole).index)
    return Post(role, first.title if first else role.value, tuple(holders.values()))
