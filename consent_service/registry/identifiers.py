"""Organisation identifiers of the five countries, as ISO 6523 codes (DESIGN section 9).

The short form is ``<ICD>:<number>``, for example ``0192:923609016``, with the number in
its national form without spaces and hyphens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from stdnum.dk import cvr
from stdnum.exceptions import ValidationError
from stdnum.fi import ytunnus
from stdnum.is_ import kennitala
from stdnum.no import orgnr as no_orgnr
from stdnum.se import orgnr as se_orgnr

from consent_service.errors import ServiceError

AUTHORITY = "iso6523-actorid-upis"
MAXIMUM_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Scheme:
    """One country's register in ISO 6523: its code, its number's name, and its check."""

    icd: str
    country: str
    label: str
    validate: Callable[[str], str]


def _danish(number: str) -> str:
    # Peppol gives 0184 no check-digit rule and the register has numbers that fail one: form only.
    compact = cvr.compact(number)
    if len(compact) != 8 or not (compact.isascii() and compact.isdigit()) or compact.startswith("0"):
        raise ValidationError
    return compact


def _icelandic(number: str) -> str:
    compact = kennitala.validate(number)
    # Organisations have 4 to 7 in front (the day plus 40); a person's number is none of our business.
    if compact[0] not in "4567":
        raise ValidationError
    return compact


SCHEMES = {
    scheme.icd: scheme
    for scheme in (
        Scheme("0192", "NO", "organisasjonsnummer", no_orgnr.validate),
        Scheme("0007", "SE", "organisationsnummer", se_orgnr.validate),
        Scheme("0184", "DK", "CVR-nummer", _danish),
        Scheme("0212", "FI", "Y-tunnus", ytunnus.validate),
        Scheme("0196", "IS", "kennitala", _icelandic),
    )
}


def parse(text: object) -> str:
    """Return the short form of an organisation's identifier, checked and normalised.

    :raises ServiceError: ``invalid_identifier``, with a sentence that says what is wrong
    """
    if not isinstance(text, str) or len(text) > MAXIMUM_LENGTH:
        raise _wrong("an organisation is written as <ICD>:<number>, for example 0192:923609016")
    return _parse(text)


@lru_cache(maxsize=65_536)  # every data request names its owner several times
def _parse(text: str) -> str:
    icd, colon, number = text.partition(":")
    if not text.isprintable() or not text.isascii() or not colon or not number:
        raise _wrong("an organisation is written as <ICD>:<number>, for example 0192:923609016")
    scheme = SCHEMES.get(icd)
    if scheme is None:
        raise _wrong(f"ICD {icd[:8]!r} is none of {', '.join(SCHEMES)}")
    try:
        return f"{icd}:{scheme.validate(number)}"
    except ValidationError:
        raise _wrong(f"{number!r} is not a valid {scheme.label}: check its digits") from None


def country_of(identifier: str) -> str:
    """The ISO 3166 country of a checked identifier."""
    return SCHEMES[identifier.partition(":")[0]].country


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_identifier", sentence)
