"""Policies that can never decide anything: what contradicts itself, and what a wider forbid always shadows.

A policy is read as a formula over statements that are true or false: whatever is not "and", "or",
"not" or "if" is one statement, told apart by its text. Where such a formula can't be true, the
policy can't apply; so what is found is so. What takes arithmetic to see is not found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

NEVER, SHADOWED = "never-applies", "shadowed"
MOST_STEPS = 20_000
"""Where it takes longer to find out, nothing is said."""
Atom = tuple[str, ...]
Formula = Any
"""``True``, ``False``, an :data:`Atom`, or a list of ``and``, ``or`` or ``not`` with its parts."""
ORDERED = {"<": (False, False), ">": (True, False), ">=": (False, True), "<=": (True, True)}
"""How each comparison is "less": whether its sides change places, and whether it is negated."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A policy that decides nothing, by its ``@id``; ``by`` is the forbid that shadows it."""

    policy: str
    problem: str
    by: str = ""

    @property
    def text(self) -> str:
        """One sentence."""
        if self.problem == NEVER:
            return "its conditions can't be true together, so it never applies"
        return f"wherever it applies, {self.by} forbids too, so it never decides"


def analyse(text: str) -> list[Finding]:
    """What can never decide in a set of policies; of two that say the same, the later one.

    :param text: policies that fit their schema: only those never err
    """
    static = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    numbered = sorted(static.items(), key=lambda one: int(one[0].removeprefix("policy")))
    policies = [(_name(key, policy), policy["effect"], _formula(policy)) for key, policy in numbered]
    found: list[Finding] = []
    for place, (name, _effect, formula) in enumerate(policies):
        if not possible(formula):
            found.append(Finding(name, NEVER))
            continue
        for other, (wider, effect, covers) in enumerate(policies):
            if other == place or effect != "forbid" or possible(["and", formula, ["not", covers]]):
                continue
            same = policies[place][1] == effect and not possible(["and", covers, ["not", formula]])
            if not same or other < place:
                found.append(Finding(name, SHADOWED, wider))
                break
    return found


def possible(formula: Formula) -> bool:
    """Whether a formula can be true; true as well where that takes too long to find out."""
    simple = _assume(formula, (), True)
    return _satisfy(simple, iter(range(MOST_STEPS)))


def _satisfy(formula: Formula, steps: Iterator[int]) -> bool:
    if next(steps, None) is None:
        return True
    if isinstance(formula, bool):
        return formula
    atom = next(_atoms(formula))
    return any(_satisfy(_assume(formula, atom, said), steps) for said in (True, False))


def _assume(formula: Formula, atom: Atom, said: bool) -> Formula:  # noqa: FBT001
    """The formula where a statement is true or false; what is equal to one thing equals no other."""
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, tuple):
        if formula == atom:
            return said
        alike = said and len(atom) == 3 and formula[:2] == atom[:2]  # the same subject, another value
        return False if alike else formula
    operator, *parts = formula
    parts = [_assume(part, atom, said) for part in parts]
    if operator == "not":
        return not parts[0] if isinstance(parts[0], bool) else ["not", parts[0]]
    decides = operator == "or"
    if decides in [part for part in parts if isinstance(part, bool)]:
        return decides
    left = [part for part in parts if not isinstance(part, bool)]
    return not decides if not left else left[0] if len(left) == 1 else [operator, *left]


def _atoms(formula: Formula) -> Iterator[Atom]:
    if isinstance(formula, tuple):
        yield formula
    elif isinstance(formula, list):
        for part in formula[1:]:
            yield from _atoms(part)


def _formula(policy: Mapping[str, Any]) -> Formula:
    """When a policy applies: its scope and all its conditions."""
    scope = [_scope(variable, policy[variable]) for variable in ("principal", "action", "resource")]
    conditions = [
        _read(one["body"]) if one["kind"] == "when" else ["not", _read(one["body"])]
        for one in policy["conditions"]
    ]
    return ["and", *scope, *conditions]


def _scope(variable: str, said: Mapping[str, Any]) -> Formula:
    subject = _key({"Var": variable})
    entities = said.get("entities") or ([said["entity"]] if "entity" in said else [])
    match said["op"]:
        case "All":
            return True
        case "is":
            of_type: Formula = ("is", subject, said["entity_type"])
            return ["and", of_type, ("in", _key([variable, said["in"]]))] if "in" in said else of_type
        case "in" if variable != "action":
            return ["or", *(("in", _key([variable, {"entity": one}])) for one in entities)]
        case _:  # an action is in a list of actions when it is one of them
            return ["or", *(("==", subject, _key({"__entity": one})) for one in entities)]


def _read(expression: Mapping[str, Any]) -> Formula:
    """An expression of Cedar's JSON format as a formula."""
    [(operator, inside)] = expression.items()
    match operator:
        case "Value" if isinstance(inside, bool):
            return inside
        case "&&" | "||":
            return ["and" if operator == "&&" else "or", _read(inside["left"]), _read(inside["right"])]
        case "!":
            return ["not", _read(inside["arg"])]
        case "if-then-else":
            condition, then, otherwise = (_read(inside[name]) for name in ("if", "then", "else"))
            return ["or", ["and", condition, then], ["and", ["not", condition], otherwise]]
        case "==":
            return _equal(inside["left"], inside["right"])
        case "!=":
            return ["not", _equal(inside["left"], inside["right"])]
        case "contains" if all("Value" in one for one in inside["left"].get("Set", [{}])):
            return ["or", *(_equal(inside["right"], one) for one in inside["left"]["Set"])]
        case "is" if "in" not in inside:
            return ("is", _key(inside["left"]), inside["entity_type"])
        case "<" | ">" | "<=" | ">=":
            swapped, negated = ORDERED[operator]
            sides = [_key(inside["left"]), _key(inside["right"])]
            less = ("<", " < ".join(reversed(sides) if swapped else sides))
            return ["not", less] if negated else less
        case _:
            return ("", _key(expression))


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> Formula:
    if "Value" in one and "Value" in other:
        return one == other
    if "Value" in one:
        one, other = other, one
    if "Value" in other:
        return ("==", _key(one), _key(other["Value"]))
    return ("", " == ".join(sorted((_key(one), _key(other)))))


def _key(part: object) -> str:
    return json.dumps(part, sort_keys=True)


def _name(key: str, policy: Mapping[str, Any]) -> str:
    return str((policy.get("annotations") or {}).get("id") or key)
