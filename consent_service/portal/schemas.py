"""The portal's forms, as marshmallow schemas: everything a browser sends is checked here."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from consent_service.config import COUNTRIES
from consent_service.grants.model import DeclineReason
from consent_service.web.languages import LANGUAGES


def _printable(text: str) -> None:
    if (
        not text.isprintable()
    ):  # a database takes no NUL, UTF-8 no lone surrogate, and no reader a turned text
        raise ValidationError("has a control character")


class Form(Schema):
    """A form's fields; what the page did not ask for (the CSRF token) is left out."""

    class Meta:
        unknown = EXCLUDE


class ChoiceSchema(Form):
    """What of a party's terms an owner chooses; dates are ISO 8601, as date inputs send them."""

    datatypes = fields.List(fields.String(), load_default=list)
    period_from = fields.Date(load_default=None)
    period_to = fields.Date(load_default=None)
    valid_until = fields.Date(load_default=None)
    frequency = fields.Integer(load_default=None)


class AnswerSchema(ChoiceSchema):
    """An owner's answer to a request."""

    answer = fields.String(required=True, validate=validate.OneOf(["approve", "decline"]))
    owner = fields.String(load_default=None, validate=validate.Length(max=64))
    reason = fields.String(load_default=None, validate=validate.OneOf([one.value for one in DeclineReason]))


class ShownVersion(Form):
    """The version of a grant that the page showed."""

    version = fields.Integer(required=True)


class ChangeSchema(ChoiceSchema, ShownVersion):
    """A change of a grant, made on the version that the page showed."""


class OfferTo(Form):
    """Whom an owner offers a grant to, and for what purpose."""

    party = fields.String(required=True, validate=validate.Length(max=64))
    purpose = fields.String(required=True, validate=validate.Length(max=64))


class ActForSchema(Form):
    """Which business to act for."""

    owner = fields.String(required=True, validate=validate.Length(max=64))


class BusinessSchema(Form):
    """A business for which a person says that they act."""

    country = fields.String(required=True, validate=validate.OneOf(COUNTRIES))
    number = fields.String(required=True, validate=validate.Length(min=1, max=32))


class LanguageChoice(Form):
    """Which language the pages speak, and the page that it was chosen on."""

    language = fields.String(required=True, validate=validate.OneOf(list(LANGUAGES)))
    next = fields.String(load_default="")


class PasskeyName(Form):
    """What a person calls a passkey."""

    name = fields.String(load_default="", validate=[validate.Length(max=60), _printable])


class LoginAnswer(Form):
    """A person's answer to a client that asks who they are."""

    answer = fields.String(required=True, validate=validate.OneOf(["approve", "decline"]))
    organisations = fields.List(fields.String(), load_default=list)
    ask_again = fields.String(load_default="")
