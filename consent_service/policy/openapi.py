"""The decision API as an OpenAPI 3.1 document, made from the types that its bodies are checked by."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from consent_service.policy.schemas import (
    MOST_EVALUATIONS,
    SEMANTICS,
    Action,
    ActionSearch,
    Entity,
    Properties,
    Question,
    ResourceSearch,
    SubjectSearch,
)

TEXT = {"text/plain": {"schema": {"type": "string"}}}


class Options(Struct):
    """How several questions are answered (section 7.1.2)."""

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = (
        "execute_all"
    )


class Partial(Struct):
    """A question; what is left out comes from beside the list (section 7.1.1)."""

    subject: Entity | msgspec.UnsetType = msgspec.UNSET
    action: Action | msgspec.UnsetType = msgspec.UNSET
    resource: Entity | msgspec.UnsetType = msgspec.UNSET
    context: Properties | msgspec.UnsetType = msgspec.UNSET


class Questions(Struct):
    """``POST /access/v1/evaluations``; without a list it is one evaluation."""

    evaluations: Annotated[list[Partial], Meta(min_length=1, max_length=MOST_EVALUATIONS)]
    subject: Entity | msgspec.UnsetType = msgspec.UNSET
    action: Action | msgspec.UnsetType = msgspec.UNSET
    resource: Entity | msgspec.UnsetType = msgspec.UNSET
    context: Properties | msgspec.UnsetType = msgspec.UNSET
    options: Options | msgspec.UnsetType = msgspec.UNSET


class Reason(Struct, omit_defaults=True):
    """A policy that decided; ``mend`` is what would make it pass."""

    policy: str
    text: str
    mend: str = ""
    mend_text: str = ""


class Obligation(Struct):
    """What whoever gets the answer must do (AuthZEN obligations profile, draft 1)."""

    id: str
    type: str
    properties: dict[str, str]


class Error(Struct):
    """What is wrong with one question of several, or why nothing could be recorded."""

    status: int
    message: str


class Context(Struct, omit_defaults=True):
    """Why, and where it stands in the ledger."""

    id: str | None = None
    reasons: list[Reason] = []
    obligations: list[Obligation] = []
    policy_digest: str = ""
    grant_id: str = ""
    entry_id: str = ""
    granted: dict[str, Any] = {}
    retry_at: str = ""
    error: Error | msgspec.UnsetType = msgspec.UNSET


class Decision(Struct):
    """Permit or deny."""

    decision: bool
    context: Context


class Decisions(Struct):
    """One answer for each question, in order, as far as the semantic goes."""

    evaluations: list[Decision]


class Rows(Struct):
    """Which part of what was found this is."""

    next_token: str
    count: int
    total: int


class Results(Struct):
    """What a search found."""

    page: Rows
    results: list[dict[str, str]]


PATHS: dict[str, tuple[str, type[Struct], type[Struct]]] = {
    "/access/v1/evaluation": ("Decide one data request", Question, Decision),
    "/access/v1/evaluations": ("Decide several data requests", Questions, Decisions),
    "/access/v1/search/subject": ("Who may do it", SubjectSearch, Results),
    "/access/v1/search/resource": ("To what it may be done", ResourceSearch, Results),
    "/access/v1/search/action": ("What may be done", ActionSearch, Results),
}
"""What each does, what it takes, and what it answers."""


def document(issuer: str) -> dict[str, Any]:
    """The document of a service.

    :param issuer: its address
    """
    types = [part for _says, body, answer in PATHS.values() for part in (body, answer)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    pairs = iter(schemas)
    paths = {
        path: {"post": _operation(path, says, next(pairs), next(pairs))}
        for path, (says, _, _) in PATHS.items()
    }
    assert set(SEMANTICS) == set(components["Options"]["properties"]["evaluations_semantic"]["enum"])  # noqa: S101
    return {
        "openapi": "3.1.0",
        "info": {"title": "Consent Service", "version": "1", "description": "AuthZEN Authorization API 1.0"},
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "holder": {"type": "http", "scheme": "bearer"},
                "bound_holder": {"type": "http", "scheme": "dpop", "description": "RFC 9449"},
            },
        },
        "security": [{"holder": []}, {"bound_holder": []}],
    }


def _operation(path: str, says: str, takes: dict[str, Any], gives: dict[str, Any]) -> dict[str, Any]:
    refused = {
        "400": "The request is malformed; the text says how.",
        "401": "No usable access token.",
        "403": "The token is not for decisions.",
        "503": "Too much changes at once: ask again.",
    }
    responses: dict[str, Any] = {
        "200": {"description": "The answer.", "content": {"application/json": {"schema": gives}}},
        "413": {"description": "The body is too large."},
    }
    responses |= {code: {"description": text, "content": TEXT} for code, text in refused.items()}
    return {
        "operationId": path.removeprefix("/access/v1/").replace("/", "-"),
        "summary": says,
        "requestBody": {"required": True, "content": {"application/json": {"schema": takes}}},
        "responses": responses,
    }
