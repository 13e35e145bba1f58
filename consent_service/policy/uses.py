"""What policies do with each thing that they are told: read off the policies themselves.

A path is a variable and the members that lead on from it, for example ``("context", "grant",
"owner")``. What is known of its uses says how much of it can change an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
ANYTHING = "?"
"""Where a path begins of which nobody can say where it begins."""
RECORDS = frozenset({"context"})
"""Variables that are records: using one uses all that is in it. The others are compared by their id."""


@dataclass(frozen=True, slots=True)
class Use:
    """A path, and what it is compared with; ``presence`` is only whether it has some member."""

    path: Path
    compared_with: Path | None = None
    presence: bool = False


def about(policies: Mapping[str, Any], action: str) -> list[Mapping[str, Any]]:
    """The policies that can say anything about an action.

    :param policies: ``staticPolicies`` of Cedar's JSON format
    """
    # "in" may name a group of actions, so only a policy for exactly another one is left out.
    return [
        policy
        for policy in policies.values()
        if policy["action"]["op"] != "==" or policy["action"]["entity"]["id"] == action
    ]


def uses(policies: object) -> list[Use]:
    """Every use of a path.

    :param policies: Cedar's JSON format of the policies
    """
    return list(_walk(policies))


def only_compared(found: list[Use], path: Path, others: AbstractSet[Path]) -> bool:
    """Whether a path is used in nothing but comparisons with some others.

    An entity can be reached by more ways than its variable, so an attribute of the same name that
    is read off anything else counts as this one.
    """
    for use in found:
        another_way = path[0] not in RECORDS and use.path[-1] == path[-1] and len(use.path) > 1
        if another_way and not use.presence and use.path != path and use.path not in others:
            return False
        if use.path == path and not use.presence and use.compared_with not in others:
            return False
        inside = len(use.path) < len(path) and path[: len(use.path)] == use.path
        if inside and not use.presence and use.path[0] in RECORDS:
            return False
    return True


def unused(found: list[Use], path: Path) -> bool:
    """Whether no policy looks at a path, not even at whether it is there."""
    return only_compared(found, path, frozenset()) and all(use.path != path for use in found)


def _walk(node: object) -> Iterator[Use]:
    if isinstance(node, list):
        for part in node:
            yield from _walk(part)
    elif path := _path(node):
        yield Use(path)
    elif isinstance(node, dict):
        for operator, inside in node.items():
            yield from _operands(operator, inside)


def _operands(operator: str, inside: Any) -> Iterator[Use]:
    if operator == "Record":  # its keys are the policy's own words, and could be an operator's
        for part in inside.values():
            yield from _walk(part)
        return
    sides = [inside.get("left"), inside.get("right")] if isinstance(inside, dict) else []
    if operator == ".":  # an attribute of what is no path: of either branch of an "if", for example
        yield Use((ANYTHING, inside["attr"]))
        yield from _walk(sides[0])
    elif operator == "has" and (path := _path(sides[0])):
        yield Use(path, presence=True)
        yield Use((*path, inside["attr"]), presence=True)
    elif operator in COMPARISONS:
        for side, other in (sides, reversed(sides)):
            path = _path(side)
            yield from [Use(path, _path(other))] if path else _walk(side)
    else:
        yield from _walk(inside)


def _path(node: object) -> Path | None:
    if not isinstance(node, dict):
        return None
    if "Var" in node:
        return (node["Var"],)
    if "." in node:
        before = _path(node["."]["left"])
        return (*before, node["."]["attr"]) if before else None
    return None
