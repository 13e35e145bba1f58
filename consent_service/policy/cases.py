"""Policy tests as data: cases in YAML, each a few words of facts and what must come out."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from consent_service.grants.catalogue import read_yaml
from consent_service.grants.model import Grant, Status, terms_from_json
from consent_service.grants.proposal import Proposal
from consent_service.policy.choice import Rules
from consent_service.policy.engine import PolicyError, decide_agreement
from consent_service.policy.model import EvaluationRequest, Facts, HolderFacts, PartyFacts

FOLDER = "tests"
ANSWERS = {"permit": True, "deny": False}


@dataclass(frozen=True, slots=True)
class Read:
    """A data request on stated facts."""

    request: EvaluationRequest
    grant: Grant | None
    party: PartyFacts | None
    facts: Facts


@dataclass(frozen=True, slots=True)
class Case:
    """One question, of a read or of terms that are to be agreed to, and the expected answer."""

    name: str
    asked: Read | Proposal
    permit: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of a case."""

    case: Case
    permit: bool
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return (self.permit, sorted(self.reasons)) == (self.case.permit, sorted(self.case.reasons))


def load(directory: Path) -> list[Case]:
    """The cases of a policy directory's ``tests/*.yaml``.

    :raises PolicyError: a file that can't be read or a case that says not enough, by name
    """
    cases: list[Case] = []
    for path in sorted((directory / FOLDER).glob("*.yaml")):
        try:
            document = read_yaml(path)
            defaults, given = document.get("defaults", {}), document["cases"]
            if not isinstance(given, list):
                raise TypeError("cases is no list")
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise PolicyError(f"{path.name} needs a list of cases: {error}") from error
        for number, one in enumerate(given):
            name = one.get("name", f"case {number + 1}") if isinstance(one, dict) else f"case {number + 1}"
            try:
                cases.append(_case(name, _over(defaults, one)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise PolicyError(f"{path.name}: {name}: {type(error).__name__}: {error}") from error
    return cases


def run(cases: list[Case], rules: Rules) -> Iterator[Result]:
    """Decide each case by these rules."""
    for case in cases:
        asked = case.asked
        if isinstance(asked, Proposal):
            decision = decide_agreement(asked, rules.policies)
        else:
            decision = rules.decide(asked.request, asked.grant, asked.party, rules.policies, asked.facts)
        yield Result(case, decision.permit, tuple(reason.policy for reason in decision.reasons))


def coverage(results: list[Result], rules: Rules) -> dict[str, int]:
    """How many cases each policy decided; none is a policy that nobody has tried."""
    counted = Counter(name for result in results for name in result.reasons)
    return {reason.policy: counted[reason.policy] for reason in rules.policies.reasons.values()}


def _over(defaults: Any, given: Any) -> Any:
    """The defaults with what is given over them, member by member; null takes a default away."""
    if not isinstance(defaults, Mapping) or not isinstance(given, Mapping):
        return given
    return {**defaults, **{name: _over(defaults.get(name), value) for name, value in given.items()}}


def _case(name: str, said: Mapping[str, Any]) -> Case:
    time = dt.datetime.fromisoformat(str(said["time"]))
    asked = _proposal(said, time) if "agree" in said else _read(said, time)
    return Case(name, asked, ANSWERS[said["expect"]], tuple(said["reasons"]))


def _read(said: Mapping[str, Any], time: dt.datetime) -> Read:
    asked, party, grant = said["request"], said["party"], said["grant"]
    properties = {member: asked.get(member) for member in ("owner", "holder", "from", "to")}
    return Read(
        EvaluationRequest(
            subject_type="party",
            subject_id=asked["party"],
            action=asked["action"],
            resource_type="dataset",
            resource_id=asked["data_set"],
            resource_properties={member: value for member, value in properties.items() if value is not None},
            context=dict(asked.get("context") or {}),
        ),
        _grant(grant, time) if grant else None,
        PartyFacts.from_json(party) if party else None,
        Facts(time, HolderFacts.from_json(said["holder"]), int(said.get("reads", 0))),
    )


def _proposal(said: Mapping[str, Any], time: dt.datetime) -> Proposal:
    party = PartyFacts.from_json(said["party"])
    signed_in_at = said.get("signed_in_at")
    return Proposal(
        terms=terms_from_json(dict(said["agree"])),
        client_id=party.client_id,
        organisation=party.organisation,
        status=party.status,
        licences=party.licences,
        time=time,
        owner_disputed=bool(said.get("owner_disputed", False)),
        signed_in_at=dt.datetime.fromisoformat(signed_in_at) if signed_in_at else None,
    )


def _grant(said: Mapping[str, Any], time: dt.datetime) -> Grant:
    terms = terms_from_json(dict(said["terms"]))
    return Grant(
        grant_id="the-grant",
        version=1,
        owner=terms.owner or "",
        party=said["party"],
        client_id=said["client_id"],
        terms=terms,
        status=Status(said["status"]),
        created_at=time,
        entry_id="",
        given_at=_moment(said.get("given_at"), time),
        reason=str(said.get("reason", "")),
    )


def _moment(said: object, otherwise: dt.datetime) -> dt.datetime:
    return dt.datetime.fromisoformat(str(said)) if said else otherwise
