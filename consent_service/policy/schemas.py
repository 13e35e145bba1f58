"""AuthZEN questions as they come in (Authorization API 1.0 sections 5 to 8), decoded and checked by msgspec.

Members that are not known are ignored, as the standard asks; types are not. The types here are
also what the published OpenAPI document says.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from consent_service.errors import ServiceError
from consent_service.policy.model import EvaluationRequest

MOST_CHARACTERS = 1024
MOST_MEMBERS = 128
DEEPEST = 8
MOST_EVALUATIONS = 1000
MOST_REPEATED = 1024 * 1024
"""Bytes that the defaults of evaluations come to, once for each of them: each is recorded whole."""
MOST_RESULTS = 100
MEMBERS = ("subject", "action", "resource", "context")
SEMANTICS: dict[str, bool | None] = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
"""Each with the decision after which nothing more is decided."""

Name = Annotated[str, Meta(min_length=1, max_length=MOST_CHARACTERS)]
Properties = dict[str, Any]


class Entity(Struct):
    """A subject or a resource."""

    type: Name
    id: Name
    properties: Properties = field(default_factory=dict)


class Action(Struct):
    """What is to be done."""

    name: Name
    properties: Properties = field(default_factory=dict)


class Question(Struct):
    """``POST /access/v1/evaluation``."""

    subject: Entity
    action: Action
    resource: Entity
    context: Properties = field(default_factory=dict)


class Page(Struct):
    """Which part of a search's results (section 8.2)."""

    token: Annotated[str, Meta(max_length=MOST_CHARACTERS)] = ""
    limit: Annotated[int, Meta(ge=0)] = MOST_RESULTS


class Wanted(Struct):
    """What is searched for: its type; an id is ignored."""

    type: Name
    properties: Properties = field(default_factory=dict)


class SubjectSearch(Struct):
    """``POST /access/v1/search/subject``."""

    subject: Wanted
    action: Action
    resource: Entity
    context: Properties = field(default_factory=dict)
    page: Page = field(default_factory=Page)


class ResourceSearch(Struct):
    """``POST /access/v1/search/resource``."""

    subject: Entity
    action: Action
    resource: Wanted
    context: Properties = field(default_factory=dict)
    page: Page = field(default_factory=Page)


class ActionSearch(Struct):
    """``POST /access/v1/search/action``."""

    subject: Entity
    resource: Entity
    context: Properties = field(default_factory=dict)
    page: Page = field(default_factory=Page)


SEARCHES: dict[str, type[SubjectSearch | ResourceSearch | ActionSearch]] = {
    "subject": SubjectSearch,
    "resource": ResourceSearch,
    "action": ActionSearch,
}


def decode(body: bytes) -> object:
    """A JSON document (RFC 8259).

    :raises ServiceError: ``invalid_request``: not UTF-8, not JSON, nested too deep, a lone surrogate
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise _wrong("the body must be JSON in UTF-8, sent as application/json") from error


def load_evaluation(document: object) -> EvaluationRequest:
    """Check a decoded question.

    :raises ServiceError: ``invalid_request`` with one sentence that names the member
    """
    asked = _load(document, Question)
    _check_names(
        asked.subject.type, asked.subject.id, asked.action.name, asked.resource.type, asked.resource.id
    )
    _check_bounded("subject.properties", asked.subject.properties)
    _check_bounded("action.properties", asked.action.properties)
    _check_bounded("resource.properties", asked.resource.properties)
    _check_bounded("context", asked.context)
    return EvaluationRequest(
        asked.subject.type,
        asked.subject.id,
        asked.action.name,
        asked.resource.type,
        asked.resource.id,
        asked.subject.properties,
        asked.action.properties,
        asked.resource.properties,
        asked.context,
    )


def load_search(kind: str, document: object) -> dict[str, Any]:
    """Check the body of a search of this kind.

    :raises ServiceError: ``invalid_request`` with one sentence that names the member
    """
    asked: dict[str, Any] = msgspec.to_builtins(_load(document, SEARCHES[kind]))
    for part, members in asked.items():
        if part == "context":
            _check_bounded(part, members)
        elif part != "page":
            _check_names(*(value for name, value in members.items() if name != "properties"))
            _check_bounded(f"{part}.properties", members["properties"])
    return asked


def split_evaluations(document: object) -> tuple[list[object], str]:
    """The questions of an evaluations request with their defaults (section 7.1.1), and its semantic.

    :raises ServiceError: ``invalid_request``, for what is wrong with the whole of it
    """
    if not isinstance(document, dict):
        raise _wrong("the body must be a JSON object")
    given, options = document.get("evaluations", []), document.get("options", {})
    if not isinstance(given, list) or not isinstance(options, dict):
        raise _wrong("evaluations must be an array and options an object")
    if len(given) > MOST_EVALUATIONS:
        raise _wrong(f"at most {MOST_EVALUATIONS} evaluations at once")
    semantic = options.get("evaluations_semantic", "execute_all")
    if not isinstance(semantic, str) or semantic not in SEMANTICS:
        raise _wrong(f"evaluations_semantic must be one of {', '.join(SEMANTICS)}")
    defaults = {name: document[name] for name in MEMBERS if name in document}
    if len(msgspec.json.encode(defaults)) * len(given) > MOST_REPEATED:
        raise _wrong("the defaults are too large for so many evaluations")
    return [{**defaults, **one} if isinstance(one, dict) else one for one in given], semantic


def _load(document: object, into: type[Any]) -> Any:
    if not isinstance(document, dict):
        raise _wrong("the body must be a JSON object")
    try:
        return msgspec.convert(document, into)
    except msgspec.ValidationError as error:
        said = str(error).replace("`$.", "`").replace("`", "").replace(" - at ", ": ")
        raise _wrong(said if said.isprintable() else "a member has another type than it must have") from error


def _check_names(*names: str) -> None:
    if not "".join(names).isprintable():
        raise _wrong("a type, an id or a name has a control character")


def _check_bounded(where: str, value: dict[str, Any]) -> None:
    """A bounded JSON object: no depth or width that would cost more than the decision is worth."""
    if not value:
        return
    texts = [*value, *(one for one in value.values() if type(one) is str)]
    # Mostly flat and short, and this runs for every decision: all that is text is looked at as one.
    together = "".join(texts)
    if len(together) > MOST_CHARACTERS or "\x00" in together:
        for text in texts:
            _check_text(where, text)
    weight = len(texts)
    if weight < 2 * len(value):
        weight += sum(_weigh(where, one, 1) for one in value.values() if type(one) is not str)
    if weight > MOST_MEMBERS:
        raise _wrong(f"{where} has too many members")


def _weigh(where: str, part: object, depth: int) -> int:
    """How many members and values there are."""
    if isinstance(part, str):
        _check_text(where, part)
        return 1
    if depth > DEEPEST:
        raise _wrong(f"{where} is nested too deep")
    if isinstance(part, dict):
        for name in part:
            _check_text(where, name)
        return sum(_weigh(where, member, depth + 1) for member in part.values()) + len(part)
    if isinstance(part, list):
        return sum(_weigh(where, member, depth + 1) for member in part) + len(part)
    return 1


def _check_text(where: str, text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise _wrong(f"{where} has a text that is too long")
    if "\x00" in text:
        raise _wrong(f"{where} has a NUL character")


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_request", sentence)
