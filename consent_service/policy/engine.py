"""The policy set and the one way to say yes: ``decide(request, grant, party, policy set) -> decision``.

Pure: the same arguments give the same decision, today and in a replay years from now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy

from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import Grant
from consent_service.grants.proposal import Proposal
from consent_service.policy import declared, encode
from consent_service.policy import facts as vocabulary
from consent_service.policy.declared import Declared
from consent_service.policy.encode import WrongType
from consent_service.policy.model import Decision, EvaluationRequest, Facts, Obligation, PartyFacts, Reason
from consent_service.policy.texts import MENDS, Texts

SCHEMA = "schema.cedarschema"
ENTITIES = "entities.json"
CATALOGUE = "catalogue"
FOLDERS = ("catalogue/*.yaml", "texts/*.yaml", "types/*.schema.json")
"""What belongs to a policy set beside its policies."""
NO_GRANT = Reason("no-grant", "No grant from this owner lets this party read.", "request_grant")
NO_POLICY = Reason("no-policy", "No policy permits this.")
BROKEN = Reason("evaluation-error", "This could not be decided, so it is not permitted.")
UNWRITABLE = Reason(
    "ledger-unavailable",
    "The decision could not be recorded, and what is not recorded is not permitted.",
    "retry_later",
)
OWN = frozenset(one.policy for one in (NO_GRANT, NO_POLICY, BROKEN, UNWRITABLE))
"""Reasons that no policy gives."""


class PolicyError(Exception):
    """A policy directory that can't be used; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """A policy directory, read and checked once; decisions name its digest."""

    digest: str
    files: dict[str, str]
    reasons: dict[str, Reason]
    order: dict[str, int]
    policies: cedarpy.PolicySet
    schema: cedarpy.Schema
    declared: Declared
    entities: dict[tuple[str, str], dict[str, Any]]
    catalogue: Catalogue
    texts: Texts

    @classmethod
    def load(cls, directory: Path) -> PolicySet:
        """Read ``schema.cedarschema``, every ``*.cedar`` by name, and the rest where it is there.

        The rest: ``entities.json``, ``catalogue/``, ``texts/`` and ``types/``.

        :raises PolicyError: missing, does not parse, does not fit the schema, a template, a
            policy without a unique ``@id``
        :raises CatalogueError: the catalogue does not hold
        """
        files = sorted(directory.glob("*.cedar"))
        schema_path, entities_path = directory / SCHEMA, directory / ENTITIES
        if not files or not schema_path.is_file():
            raise PolicyError(f"{directory} needs {SCHEMA} and at least one .cedar file")
        try:
            text = "\n".join(path.read_text("utf-8") for path in files)
            schema_text = schema_path.read_text("utf-8")
            entities = json.loads(entities_path.read_text("utf-8")) if entities_path.is_file() else []
            policies, schema = cedarpy.PolicySet.from_str(text), cedarpy.Schema.from_str(schema_text)
            cedarpy.Entities.from_json_str(json.dumps(entities), schema)
            # Cedar's own print of it: one spelling for all that the grammar allows.
            found = declared.read(str(schema))
            static = {_uid(one): one for one in entities}
        except KeyError as error:
            raise PolicyError(f"{directory}: {ENTITIES}: a uid needs type and id") from error
        except ValueError as error:
            raise PolicyError(f"{directory}: {error}") from error
        if policies.templates():  # nothing links them, so a forbid among them would never forbid
            raise PolicyError(f"{directory}: templates are not used here")
        checked = cedarpy.validate_policies(text, schema_text)
        if not checked.validation_passed:
            raise PolicyError(f"{directory}: {checked.errors[0]}")
        reasons = _reasons(text)
        contents = _contents(directory, [*files, schema_path, entities_path])
        try:
            texts = Texts.load(directory, {reason.policy for reason in reasons.values()} | OWN)
        except ValueError as error:
            raise PolicyError(f"{directory}: {error}") from error
        return cls(
            digest=digest(contents),
            files=contents,
            reasons=reasons,
            order={name: place for place, name in enumerate(reasons)},
            policies=policies,
            schema=schema,
            declared=found,
            entities=static,
            catalogue=Catalogue.load(directory / CATALOGUE),
            texts=texts,
        )


def decide(
    request: EvaluationRequest,
    grant: Grant | None,
    party: PartyFacts | None,
    policy_set: PolicySet,
    facts: Facts,
) -> Decision:
    """Decide one data request. Pure.

    1. Put the question into the schema's types; what it does not declare is dropped, what
       has another type is a deny that names it.
    2. Where it is about business data, the grant, the party and the moment are stated by
       us, over anything that the caller sent under those names.
    3. Ask Cedar, with the schema. A permit is an Allow without a single error in the
       diagnostics: Cedar skips a policy that errors, so a broken forbid would be an allow.
    4. Name the policies that decided; with none, say that there is no grant.
    """
    try:
        cedar_request, entities = _question(request, grant, party, policy_set, facts)
    except WrongType as error:
        return _deny(policy_set, Reason("malformed-request", f"The request can't be decided: {error}."))
    except Exception:  # noqa: BLE001  (whatever goes wrong in a decision is a deny)
        return _deny(policy_set, BROKEN)
    permit, named = _ask(cedar_request, entities, policy_set)
    about_grants = vocabulary.concerns_grants(request)
    if permit:
        binding: tuple[Obligation, ...] = ()
        if about_grants and grant:
            binding = vocabulary.obligations(grant, request.resource_id, policy_set.catalogue)
        return Decision(True, named, binding, policy_set.digest)
    if named != (BROKEN,) and about_grants and grant is None:
        return _deny(policy_set, NO_GRANT, *(one for one in named if one is not NO_POLICY))
    return _deny(policy_set, *named)


def decide_agreement(proposal: Proposal, policy_set: PolicySet) -> Decision:
    """Decide whether terms may be agreed to. Pure, and fails closed as :func:`decide` does."""
    kind, terms = vocabulary.PARTY, vocabulary.TERMS
    said = {
        "organisation": proposal.organisation,
        "status": proposal.status,
        "licences": sorted(proposal.licences),
    }
    try:
        principal = _entity("subject", kind, proposal.client_id, said, policy_set)
        resource = _entity("resource", terms, "asked", {}, policy_set)
        context = vocabulary.agreement(proposal, policy_set.catalogue)
        shape = policy_set.declared.contexts[vocabulary.AGREE]
        question = {
            "principal": principal["uid"],
            "action": {"type": "Action", "id": vocabulary.AGREE},
            "resource": resource["uid"],
            "context": encode.record(context, shape, policy_set.declared, "context"),
        }
    except Exception:  # noqa: BLE001  (whatever goes wrong in a decision is a deny)
        return _deny(policy_set, BROKEN)
    permit, named = _ask(question, [principal, resource], policy_set)
    return Decision(permit, named, (), policy_set.digest)


def _ask(
    question: dict[str, Any], entities: list[dict[str, Any]], policy_set: PolicySet
) -> tuple[bool, tuple[Reason, ...]]:
    """Cedar's answer: a permit is an Allow without a single error; reasons are never none."""
    try:
        result = cedarpy.is_authorized(question, policy_set.policies, entities, policy_set.schema)
        permit = result.decision is cedarpy.Decision.Allow and not result.diagnostics.errors
        broken = bool(result.diagnostics.errors) or result.decision is cedarpy.Decision.NoDecision
        ids = sorted(result.diagnostics.reasons, key=lambda name: policy_set.order.get(name, -1))
        named = tuple(policy_set.reasons[name] for name in ids)
    except Exception:  # noqa: BLE001  (whatever goes wrong in a decision is a deny)
        return False, (BROKEN,)
    if broken:
        return False, (BROKEN,)
    return permit, named or (NO_POLICY,)


def _question(
    request: EvaluationRequest,
    grant: Grant | None,
    party: PartyFacts | None,
    policy_set: PolicySet,
    facts: Facts,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    known = policy_set.declared
    subject_properties, context = dict(request.subject_properties), dict(request.context)
    if request.action_properties:
        context["action"] = dict(request.action_properties)
    if vocabulary.concerns_grants(request):
        subject_properties = vocabulary.subject(party, request.subject_id)
        context = {name: value for name, value in context.items() if name not in vocabulary.OURS}
        context |= vocabulary.context(grant, request.resource_id, facts, policy_set.catalogue)
    elif request.resource_type == vocabulary.DATASET:  # whoever asks: a stated grant is nobody's word
        context = {name: value for name, value in context.items() if name not in vocabulary.OURS}
    if request.action not in known.contexts:
        raise WrongType("action.name", "one that the policies know")
    if (request.action, request.resource_type) == (vocabulary.AGREE, vocabulary.TERMS):
        raise WrongType("action.name", "another: what is agreed to is not asked from outside")
    principal = _entity("subject", request.subject_type, request.subject_id, subject_properties, policy_set)
    resource = _entity(
        "resource", request.resource_type, request.resource_id, request.resource_properties, policy_set
    )
    named = {(one["uid"]["type"], one["uid"]["id"]): one for one in (principal, resource)}
    question = {
        "principal": principal["uid"],
        "action": {"type": "Action", "id": request.action},
        "resource": resource["uid"],
        "context": encode.record(context, known.contexts[request.action], known, "context"),
    }
    return question, list({**policy_set.entities, **named}.values())


def _entity(role: str, kind: str, name: str, properties: Any, policy_set: PolicySet) -> dict[str, Any]:
    """An entity of the question: the request's properties over the static entity's attributes."""
    shape = policy_set.declared.entities.get(kind)
    if shape is None:
        raise WrongType(f"{role}.type", "one that the policies know")
    static = policy_set.entities.get((kind, name), {"attrs": {}, "parents": []})
    given = {member: properties[member] for member in shape.members if properties.get(member) is not None}
    attributes = dict(static["attrs"])
    for member, value in given.items():
        attributes[member] = encode.encode(
            value, shape.members[member].type, policy_set.declared, f"{role}.properties.{member}"
        )
    for member, rule in shape.members.items():
        if rule.required and member not in attributes:
            raise WrongType(f"{role}.properties.{member}", "given")
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": static["parents"]}


def _deny(policy_set: PolicySet, *reasons: Reason) -> Decision:
    return Decision(False, reasons, (), policy_set.digest)


def _reasons(text: str) -> dict[str, Reason]:
    """Cedar's positional ids, mapped to the policies' own, in the order in which they stand."""
    policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    reasons: dict[str, Reason] = {}
    for name in sorted(policies, key=lambda one: int(one.removeprefix("policy"))):
        annotations = policies[name].get("annotations") or {}
        # Plain Cedar from elsewhere has no annotations; ours has, and a test sees to it.
        named = annotations.get("id") or name
        if named in {reason.policy for reason in reasons.values()}:
            raise PolicyError(f"two policies have the @id {named}")
        text = annotations.get("explanation") or annotations.get("title") or named
        mend, step_up = annotations.get("mend", ""), annotations.get("step_up", "")
        if mend and mend not in MENDS:
            raise PolicyError(f"policy {named}: @mend must be one of {', '.join(MENDS)}")
        reasons[name] = Reason(named, text, mend, step_up)
    return reasons


def _uid(entity: dict[str, Any]) -> tuple[str, str]:
    uid = entity["uid"].get("__entity", entity["uid"])  # Cedar's JSON has both spellings
    return uid["type"], uid["id"]


def digest(contents: Mapping[str, str]) -> str:
    """SHA-256 over name and content of every file that can change a decision."""
    sha = hashlib.sha256()
    for path in sorted(contents, key=lambda one: one.split("/")):
        name, content = path.encode(), contents[path].encode()
        sha.update(len(name).to_bytes(8) + name + len(content).to_bytes(8) + content)
    return f"sha256:{sha.hexdigest()}"


def _contents(directory: Path, files: list[Path]) -> dict[str, str]:
    contents: dict[str, str] = {}
    more = (f for pattern in FOLDERS for f in directory.glob(pattern))
    for path in sorted({*files, *more}):
        name = path.relative_to(directory).as_posix()
        try:
            name.encode("ascii")  # a ledger document has no other names
            if path.is_file():
                contents[name] = path.read_bytes().decode("utf-8")
        except UnicodeError as error:
            raise PolicyError(f"{directory}: {name!r} needs an ASCII name and UTF-8 content") from error
    return contents
