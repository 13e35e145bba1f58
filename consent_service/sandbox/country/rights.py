"""Who can bind an organisation of the sandbox: the seed's rules as sets of people, for every shape."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from consent_service.sandbox.country.seed import Country, Organisation, Person

BOARD = ("chair", "board_member")
Held = tuple[Person, str]
QUANTIFIERS = {
    "chair_alone": (("alone", ("chair",)),),
    "two_members": (("twoOf", BOARD),),
    "chair_and_member": (("oneOf", ("chair",)), ("oneOf", ("board_member",))),
    "board": (("allOf", BOARD),),
}
"""Each rule in the programme's words: how many of those with one of these roles."""
NORWEGIAN = {
    "chair_alone": "Styrets leder alene.",
    "two_members": "To styremedlemmer i fellesskap.",
    "chair_and_member": "Styrets leder og ett styremedlem i fellesskap.",
    "board": "Styret i fellesskap.",
}
SWEDISH = {
    "chair_alone": "Firman tecknas av styrelsens ordförande",
    "two_members": "Firman tecknas två i förening av ledamöterna",
    "chair_and_member": "Firman tecknas av ordföranden i förening med en ledamot",
    "board": "Firman tecknas av styrelsen",
}
DANISH = {
    "chair_alone": "Selskabet tegnes af bestyrelsens formand alene.",
    "two_members": "Selskabet tegnes af to medlemmer af bestyrelsen i forening.",
    "chair_and_member": "Selskabet tegnes af bestyrelsens formand i forening med et medlem af bestyrelsen.",
    "board": "Selskabet tegnes af den samlede bestyrelse.",
}


def combinations_of(country: Country, of: Organisation) -> Iterator[tuple[str, list[Held]]]:
    """Every set of people who can sign, with the rule that lets them."""
    chairs, members = country.holding(of.id, "chair"), country.holding(of.id, "board_member")
    for rule in of.signature:
        match rule:
            case "chair_alone":
                yield from ((rule, [one]) for one in chairs)
            case "two_members":
                yield from ((rule, list(two)) for two in combinations([*chairs, *members], 2))
            case "chair_and_member":
                yield from ((rule, [one, other]) for one in chairs for other in members)
            case _:
                yield rule, [*chairs, *members]


def sentence(of: Organisation, words: dict[str, str]) -> str:
    """All rules of an organisation, as a register of this language writes them."""
    return " ".join(words[rule] for rule in of.signature)
