"""``authorization_details`` as they come in (RFC 9396, DESIGN section 5), checked by marshmallow.

A member that is not known is refused, never ignored: what the owner can't be shown must
not be agreed to.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from consent_service.config import check_origin
from consent_service.errors import ServiceError
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.duration import DurationError, parse_duration
from consent_service.grants.model import Access, Frequency, Mode, Period, Terms, Unit
from consent_service.registry import identifiers
from consent_service.web.problems import first_problem

MESSAGE_LENGTH = 300  # characters a language
MOST_LOCATIONS = 10
MOST_READS = 10_000
LANGUAGE = validate.Regexp(r"[a-z]{2,3}(-[A-Z]{2})?\Z", error="is not a language tag")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
TYPE = "business_data"


class _Day(fields.Date):
    """A calendar day in the one spelling of RFC 3339."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> dt.date:
        if not isinstance(value, str) or not DAY.fullmatch(value):
            raise self.make_error("invalid", obj_type=self.OBJ_TYPE, input=value)
        return super()._deserialize(value, attr, data, **options)


class _Moment(fields.AwareDateTime):
    """A date-time of RFC 3339, with its offset; read as UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> dt.datetime:
        if not isinstance(value, str) or not MOMENT.fullmatch(value):
            raise self.make_error("invalid", obj_type=self.OBJ_TYPE, input=value)
        try:
            return super()._deserialize(value, attr, data, **options).astimezone(dt.UTC)
        except OverflowError as error:  # its offset takes it out of the calendar
            raise self.make_error("invalid", obj_type=self.OBJ_TYPE, input=value) from error


def _duration(value: str) -> None:
    try:
        parse_duration(value)
    except DurationError as error:
        raise ValidationError(str(error)) from error


class _Strict(Schema):
    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is not a member that is known"}  # noqa: RUF012


def _identifier(value: str) -> str:
    try:
        return identifiers.parse(value)
    except ServiceError as error:
        raise ValidationError(error.description) from error


class OwnerSchema(_Strict):
    """An organisation (ISO 6523)."""

    authority = fields.String(required=True, validate=validate.Equal(identifiers.AUTHORITY))
    ID = fields.String(required=True)


class PeriodSchema(_Strict):
    """Two dates, both included."""

    start = _Day(required=True, data_key="from", format="%Y-%m-%d")
    end = _Day(required=True, data_key="to", format="%Y-%m-%d")

    @validates_schema
    def _ordered(self, data: dict[str, Any], **_options: Any) -> None:
        if data["end"] < data["start"]:
            raise ValidationError("ends before it starts", "to")


class FrequencySchema(_Strict):
    """So many in one calendar unit."""

    unit = fields.Enum(Unit, required=True, by_value=True)
    value = fields.Integer(required=True, strict=True, validate=validate.Range(1, MOST_READS))


class AccessSchema(_Strict):
    """How often and until when."""

    mode = fields.Enum(Mode, required=True, by_value=True)
    frequency = fields.Nested(FrequencySchema, load_default=None, allow_none=False)
    valid_until = _Moment(required=True, format="iso")

    @validates_schema
    def _frequency_fits(self, data: dict[str, Any], **_options: Any) -> None:
        if (data["mode"] is Mode.RECURRING) != (data["frequency"] is not None):
            raise ValidationError("belongs to the mode recurring, and to no other", "frequency")


class BusinessDataSchema(_Strict):
    """One object of type ``business_data``."""

    type = fields.String(required=True, validate=validate.Equal(TYPE))
    owner = fields.Nested(OwnerSchema, load_default=None, allow_none=False)
    purpose = fields.String(required=True)
    datatypes = fields.List(fields.String(), required=True, validate=validate.Length(1, 20))
    actions = fields.List(
        fields.String(validate=validate.Equal("read")), required=True, validate=validate.Length(1, 1)
    )
    locations = fields.List(fields.String(), required=True, validate=validate.Length(1, MOST_LOCATIONS))
    period = fields.Nested(PeriodSchema, required=True)
    access = fields.Nested(AccessSchema, required=True)
    retention = fields.String(required=True, validate=_duration)
    onward_sharing = fields.List(fields.String(), required=True, validate=validate.Length(0, 10))
    legal_basis = fields.String(required=True, validate=validate.Length(1, 64))
    message = fields.Dict(
        keys=fields.String(validate=LANGUAGE),
        values=fields.String(validate=validate.Length(1, MESSAGE_LENGTH)),
        load_default=dict,
        validate=validate.Length(max=12),
    )

    @post_load
    def to_terms(self, data: dict[str, Any], **_options: Any) -> Terms:
        frequency = data["access"]["frequency"]
        for text in data["message"].values():
            if not all(character.isprintable() or character == "\n" for character in text):
                raise ValidationError("has a control character", "message")
        for name in ("datatypes", "locations", "onward_sharing"):
            if len(set(data[name])) != len(data[name]):
                raise ValidationError("names one more than once", name)
        for location in data["locations"]:
            if wrong := check_origin(location):
                raise ValidationError(wrong, "locations")
        return Terms(
            owner=_identifier(data["owner"]["ID"]) if data["owner"] else None,
            purpose=data["purpose"],
            datatypes=tuple(data["datatypes"]),
            actions=tuple(data["actions"]),
            locations=tuple(data["locations"]),
            period=Period(data["period"]["start"], data["period"]["end"]),
            access=Access(
                data["access"]["mode"],
                data["access"]["valid_until"].replace(microsecond=0),
                Frequency(frequency["unit"], frequency["value"]) if frequency else None,
            ),
            retention=data["retention"],
            onward_sharing=tuple(_identifier(one) for one in data["onward_sharing"]),
            legal_basis=data["legal_basis"],
            message=tuple(data["message"].items()),
        )


def load_authorization_details(text: str | None, catalogue: Catalogue) -> Terms:
    """Read the parameter and hold it against the catalogue.

    :param text: a JSON array with one object, as the form carries it
    :raises ServiceError: ``invalid_authorization_details`` (RFC 9396 section 5), naming the member
    """
    return terms_of(details_object(text), catalogue)


def details_object(text: str | None) -> dict[str, Any]:
    """The one object of the parameter.

    :raises ServiceError: ``invalid_authorization_details``
    """
    if not text:
        raise _wrong("authorization_details is missing")
    try:
        documents = json.loads(text)
        json.dumps(
            documents, ensure_ascii=False
        ).encode()  # a lone surrogate is no text (RFC 8259 section 8.2)
    except (ValueError, RecursionError) as error:
        raise _wrong("authorization_details is not JSON") from error
    if not isinstance(documents, list) or len(documents) != 1 or not isinstance(documents[0], dict):
        raise _wrong("authorization_details must be an array with one object")
    return documents[0]


def terms_of(document: dict[str, Any], catalogue: Catalogue) -> Terms:
    """One object as terms: by our own reading, by the type's published schema, by the catalogue's names.

    :raises ServiceError: ``invalid_authorization_details``
    """
    try:
        terms: Terms = BusinessDataSchema().load(document)
    except ValidationError as error:
        raise _wrong(first_problem(error.messages_dict)) from error
    registered = catalogue.types.get(TYPE)
    if registered and (problem := registered.problem(document)):
        raise _wrong(problem)
    check_names(terms, catalogue)
    return terms


def check_names(terms: Terms, catalogue: Catalogue) -> None:
    """Hold well-formed terms against what there is; how far they may go is for the policies to say.

    :raises ServiceError: ``invalid_authorization_details``
    """
    if catalogue.purpose(terms.purpose) is None:
        raise _wrong(f"purpose {terms.purpose} is not in the catalogue")
    for name in terms.datatypes:
        if catalogue.data_set(name) is None:
            raise _wrong(f"datatypes: {name} is not in the catalogue")


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_authorization_details", sentence)
