"""An AuthZEN question as it comes in (Authorization API 1.0 section 5), checked by marshmallow.

Members that are not known are ignored, as the standard asks; types are not.
"""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate

from consent_service.errors import ServiceError
from consent_service.policy.model import EvaluationRequest
from consent_service.web.problems import first_problem

MOST_CHARACTERS = 1024
MOST_MEMBERS = 64
DEEPEST = 8
MOST_EVALUATIONS = 1000
MOST_RESULTS = 100
MEMBERS = ("subject", "action", "resource", "context")
SEMANTICS: dict[str, bool | None] = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
"""Each with the decision after which nothing more is decided."""

_NAME = validate.And(
    validate.Length(min=1, max=MOST_CHARACTERS),
    validate.Predicate("isprintable", error="has a control character"),
)


class _Part(Schema):
    class Meta:
        unknown = EXCLUDE


def _bounded(value: dict[str, Any]) -> None:
    """A bounded JSON object: no depth or width that would cost more than the decision is worth."""

    def walk(part: object, depth: int) -> int:
        if depth > DEEPEST:
            raise ValidationError("is nested too deep")
        if isinstance(part, dict):
            for name in part:
                _check_text(name)
            return sum(walk(member, depth + 1) for member in part.values()) + len(part)
        if isinstance(part, list):
            return sum(walk(member, depth + 1) for member in part) + len(part)
        if isinstance(part, str):
            _check_text(part)
        return 1

    if walk(value, 0) > MOST_MEMBERS * 2:
        raise ValidationError("has too many members")


def _check_text(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise ValidationError("has a text that is too long")
    if "\x00" in text:
        raise ValidationError("has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError("has a text that is not Unicode") from None


def _object() -> fields.Dict:
    return fields.Dict(keys=fields.String(), load_default=dict, validate=_bounded)


class EntitySchema(_Part):
    """A subject or a resource."""

    type = fields.String(required=True, validate=_NAME)
    id = fields.String(required=True, validate=_NAME)
    properties = _object()


class ActionSchema(_Part):
    """What is to be done."""

    name = fields.String(required=True, validate=_NAME)
    properties = _object()


class EvaluationSchema(_Part):
    """``POST /access/v1/evaluation``."""

    subject = fields.Nested(EntitySchema, required=True)
    action = fields.Nested(ActionSchema, required=True)
    resource = fields.Nested(EntitySchema, required=True)
    context = _object()

    @post_load
    def to_model(self, data: dict[str, Any], **_options: Any) -> EvaluationRequest:
        return EvaluationRequest.from_json(data)


class PageSchema(_Part):
    """Which part of a search's results (section 8.2)."""

    token = fields.String(load_default="", validate=validate.Length(max=MOST_CHARACTERS))
    limit = fields.Integer(load_default=MOST_RESULTS, strict=True, validate=validate.Range(min=0))


class KindSchema(_Part):
    """What is searched for: its type; an id is ignored."""

    type = fields.String(required=True, validate=_NAME)
    properties = _object()


class SubjectSearchSchema(_Part):
    """``POST /access/v1/search/subject``."""

    subject = fields.Nested(KindSchema, required=True)
    action = fields.Nested(ActionSchema, required=True)
    resource = fields.Nested(EntitySchema, required=True)
    context = _object()
    page = fields.Nested(PageSchema, load_default=lambda: PageSchema().load({}))


class ResourceSearchSchema(_Part):
    """``POST /access/v1/search/resource``."""

    subject = fields.Nested(EntitySchema, required=True)
    action = fields.Nested(ActionSchema, required=True)
    resource = fields.Nested(KindSchema, required=True)
    context = _object()
    page = fields.Nested(PageSchema, load_default=lambda: PageSchema().load({}))


class ActionSearchSchema(_Part):
    """``POST /access/v1/search/action``."""

    subject = fields.Nested(EntitySchema, required=True)
    resource = fields.Nested(EntitySchema, required=True)
    context = _object()
    page = fields.Nested(PageSchema, load_default=lambda: PageSchema().load({}))


SEARCHES: dict[str, type[Schema]] = {
    "subject": SubjectSearchSchema,
    "resource": ResourceSearchSchema,
    "action": ActionSearchSchema,
}


def load_search(kind: str, document: object) -> dict[str, Any]:
    """Check the body of a search of this kind.

    :raises ServiceError: ``invalid_request`` with one sentence that names the member
    """
    if not isinstance(document, dict):
        raise ServiceError("invalid_request", "the body must be a JSON object")
    try:
        return dict(SEARCHES[kind]().load(document))
    except ValidationError as error:
        raise ServiceError("invalid_request", first_problem(error.messages_dict)) from error


def split_evaluations(document: object) -> tuple[list[object], str]:
    """The questions of an evaluations request with their defaults (section 7.1.1), and its semantic.

    :raises ServiceError: ``invalid_request``, for what is wrong with the whole of it
    """
    if not isinstance(document, dict):
        raise ServiceError("invalid_request", "the body must be a JSON object")
    given, options = document.get("evaluations", []), document.get("options", {})
    if not isinstance(given, list) or not isinstance(options, dict):
        raise ServiceError("invalid_request", "evaluations must be an array and options an object")
    if len(given) > MOST_EVALUATIONS:
        raise ServiceError("invalid_request", f"at most {MOST_EVALUATIONS} evaluations at once")
    semantic = options.get("evaluations_semantic", "execute_all")
    if semantic not in SEMANTICS:
        raise ServiceError("invalid_request", f"evaluations_semantic must be one of {', '.join(SEMANTICS)}")
    defaults = {name: document[name] for name in MEMBERS if name in document}
    return [{**defaults, **one} if isinstance(one, dict) else one for one in given], semantic


def load_evaluation(document: object) -> EvaluationRequest:
    """Check a decoded JSON body.

    :raises ServiceError: ``invalid_request`` with one sentence that names the member
    """
    if not isinstance(document, dict):
        raise ServiceError("invalid_request", "the body must be a JSON object")
    try:
        return EvaluationSchema().load(document)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise ServiceError("invalid_request", first_problem(error.messages_dict)) from error
