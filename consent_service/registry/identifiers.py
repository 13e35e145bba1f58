"""Organisation identifiers of the five countries, as ISO 6523 codes (DESIGN section 9).

The short form is ``<ICD>:<number>``, for example ``0192:923609016``, with the number in
its national form without spaces and hyphens. It is the identity; a Peppol address is another
thing (a Finnish one has EAS 0216), and an EUID is the same organisation as the European
registers' network names it.
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
    euid_register: str | None = None
    """The register's name in an EUID; None where we found none that is documented."""


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
        Scheme("0192", "NO", "organisasjonsnummer", no_orgnr.validate, "FOR"),
        Scheme("0007", "SE", "organisationsnummer", se_orgnr.validate, "BOLREG"),
        Scheme("0184", "DK", "CVR-nummer", _danish, "CVR"),
        Scheme("0212", "FI", "Y-tunnus", ytunnus.validate, "FPRO"),
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


def icd_of(country: str) -> str | None:
    """The ICD under which a country's organisations are known, or None."""
    return next((icd for icd, scheme in SCHEMES.items() if scheme.country == country), None)


def document(identifier: str) -> dict[str, str]:
    """A checked identifier as Peppol and the programme write it."""
    return {"authority": AUTHORITY, "ID": identifier}


def number_of(identifier: str) -> str:
    """The number in the form in which its own country writes it: a Finnish one has a hyphen."""
    icd, _, number = identifier.partition(":")
    return f"{number[:7]}-{number[7:]}" if icd == "0212" else number


def euid_of(identifier: str) -> str | None:
    """The European Unique Identifier (Implementing Regulation (EU) 2021/1042, annex, section 9).

    Country, register, a dot, and the number as the country writes it; None for Iceland, whose
    register's name there we found documented nowhere.
    """
    scheme = SCHEMES[identifier.partition(":")[0]]
    if scheme.euid_register is None:
        return None
    return f"{scheme.country}{scheme.euid_register}.{number_of(identifier)}"


def of_euid(text: object) -> str:
    """The short form of the organisation that an EUID names.

    :raises ServiceError: ``invalid_identifier``
    """
    head, dot, number = text.partition(".") if isinstance(text, str) else ("", "", "")
    for icd, scheme in SCHEMES.items():
        if scheme.euid_register and dot and head == f"{scheme.country}{scheme.euid_register}":
            return parse(f"{icd}:{number}")
    raise _wrong("an EUID is written as <country><register>.<number>, for example NOFOR.923609016")


def doubt(identifier: str) -> str | None:
    """What makes a taken identifier look mistyped, in a sentence; None where nothing does.

    Only Denmark's can: its check digit is usual and no rule.
    """
    icd, _, number = identifier.partition(":")
    if icd == "0184" and not cvr.is_valid(number):
        return f"{number} has an unusual check digit for a CVR-nummer: look again whether it is right"
    return None


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_identifier", sentence)
