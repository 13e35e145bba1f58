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
        return EvaluationRequest(
            subject_type=data["subject"]["type"],
            subject_id=data["subject"]["id"],
            subject_properties=data["subject"]["properties"],
            action=data["action"]["name"],
            action_properties=data["action"]["properties"],
            resource_type=data["resource"]["type"],
            resource_id=data["resource"]["id"],
            resource_properties=data["resource"]["properties"],
            context=data["context"],
        )


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
