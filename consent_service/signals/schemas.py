"""The bodies of the management API: what may stand in them, and what it means (SSF section 8.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from consent_service.addresses import problem
from consent_service.errors import ServiceError
from consent_service.signals.model import Delivery, Method, Status, Stream, Wanted
from consent_service.web.problems import first_problem

LONGEST_TEXT = 1000
MOST_EVENTS = 50
MOST_ACKNOWLEDGED = 1000
PRINTABLE = validate.Regexp(r"[\x20-\x7e]+\Z", error="must be printable ASCII")


class DeliverySchema(Schema):
    """How events are delivered (section 6.1)."""

    class Meta:
        unknown = EXCLUDE

    method = fields.Enum(Method, by_value=True, required=True)
    endpoint_url = fields.String(validate=validate.Length(1, 2000))
    authorization_header = fields.String(validate=[validate.Length(1, 4000), PRINTABLE])


class WantedSchema(Schema):
    """The Receiver-Supplied properties; event types that nobody knows are kept and ignored."""

    class Meta:
        unknown = EXCLUDE

    events_requested = fields.List(
        fields.String(validate=validate.Length(1, LONGEST_TEXT)), validate=validate.Length(max=MOST_EVENTS)
    )
    delivery = fields.Nested(DeliverySchema)
    description = fields.String(validate=validate.Length(max=LONGEST_TEXT))


class StatusSchema(Schema):
    """A new status of a stream."""

    class Meta:
        unknown = EXCLUDE

    stream_id = fields.String(required=True)
    status = fields.Enum(Status, by_value=True, required=True)
    reason = fields.String(validate=validate.Length(max=LONGEST_TEXT))


class SubjectSchema(Schema):
    """A subject to be added or removed."""

    class Meta:
        unknown = EXCLUDE

    stream_id = fields.String(required=True)
    subject = fields.Dict(required=True)
    verified = fields.Boolean(truthy={True}, falsy={False})


class VerificationSchema(Schema):
    """A verification that is asked for."""

    class Meta:
        unknown = EXCLUDE

    stream_id = fields.String(required=True)
    state = fields.String(validate=validate.Length(max=LONGEST_TEXT))


class SetErrorSchema(Schema):
    """Why a receiver could not take an event (RFC 8936 section 2.6)."""

    class Meta:
        unknown = EXCLUDE

    err = fields.String(required=True)
    description = fields.String()


class PollSchema(Schema):
    """A poll (RFC 8936 section 2.2)."""

    class Meta:
        unknown = EXCLUDE

    max_events = fields.Integer(data_key="maxEvents", strict=True, validate=validate.Range(min=0))
    at_once = fields.Boolean(data_key="returnImmediately", load_default=False, truthy={True}, falsy={False})
    ack = fields.List(fields.String(), load_default=list, validate=validate.Length(max=MOST_ACKNOWLEDGED))
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(SetErrorSchema),
        data_key="setErrs",
        load_default=dict,
        validate=validate.Length(max=MOST_ACKNOWLEDGED),
    )


def load(schema: Schema, document: object) -> dict[str, Any]:
    """A body by its schema.

    :raises ServiceError: ``invalid_request``, with the member that is wrong
    """
    try:
        loaded: dict[str, Any] = schema.load(document)  # type: ignore[arg-type]
    except ValidationError as error:
        messages = error.messages if isinstance(error.messages, dict) else {"body": error.messages}
        raise ServiceError("invalid_request", first_problem(messages)) from error
    return loaded


def decode(body: bytes) -> dict[str, Any]:
    """A body as JSON.

    :raises ServiceError: ``invalid_request``
    """
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ServiceError("invalid_request", "the body must be a JSON object") from error
    if not isinstance(document, dict) or _has_nul(document):
        raise ServiceError("invalid_request", "the body must be a JSON object without NUL characters")
    return {str(name): value for name, value in document.items()}


def load_wanted(
    document: object, *, sandbox: bool, before: Wanted | None = None, ours: str | None = None
) -> Wanted:
    """What a receiver wants of its stream.

    :param before: what it wanted until now, where only what is stated changes (PATCH)
    :param ours: where this stream is polled, once it has an id
    :raises ServiceError: ``invalid_request``
    """
    stated = load(WantedSchema(), document)
    base = before or Wanted()
    requested = stated.get("events_requested", base.events_requested)
    delivery = _delivery(stated["delivery"], ours, sandbox=sandbox) if "delivery" in stated else base.delivery
    return Wanted(
        None if requested is None else tuple(dict.fromkeys(requested)),
        delivery,
        stated.get("description", base.description),
    )


def check_supplied(document: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    """Transmitter-Supplied properties may be stated, and then must be as they are (section 8.1.1.3).

    :raises ServiceError: ``invalid_request``
    """
    for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval"):
        if name in document and _as_set(document[name]) != _as_set(present[name]):
            raise ServiceError("invalid_request", f"{name} is ours to say, and is not as it is now")


def stated_id(document: Mapping[str, Any]) -> str:
    """The ``stream_id`` of a body.

    :raises ServiceError: ``invalid_request``: there is none
    """
    stream_id = document.get("stream_id")
    if not isinstance(stream_id, str):
        raise ServiceError("invalid_request", "stream_id is missing")
    return stream_id


def _delivery(stated: Mapping[str, Any], ours: str | None, *, sandbox: bool) -> Delivery:
    url = stated.get("endpoint_url")
    if stated["method"] is Method.POLL:
        if ours is not None and url not in (None, ours):
            raise ServiceError("invalid_request", "delivery.endpoint_url of a poll stream is ours to say")
        return Delivery()
    if url is None:
        raise ServiceError("invalid_request", "delivery.endpoint_url is missing")
    if wrong := problem(url, sandbox=sandbox):
        raise ServiceError("invalid_request", f"delivery.endpoint_url {wrong}")
    return Delivery(Method.PUSH, url, stated.get("authorization_header"))


def _as_set(value: object) -> object:
    """A list without its order, and anything else as it is: ``aud`` may be written either way."""
    if isinstance(value, list):
        return sorted(map(str, value)) if len(value) != 1 else value[0]
    return value


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(name) or _has_nul(member) for name, member in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


def delivery_document(stream: Stream, ours: str, *, with_secret: bool) -> dict[str, Any]:
    """A stream's delivery as its receiver sees it."""
    delivery = stream.wanted.delivery
    if delivery.method is Method.POLL:
        return {"method": delivery.method.value, "endpoint_url": ours}
    shown: dict[str, Any] = {"method": delivery.method.value, "endpoint_url": delivery.endpoint_url}
    if delivery.authorization_header and with_secret:
        shown["authorization_header"] = delivery.authorization_header
    return shown
