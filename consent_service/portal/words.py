"""Terms in plain words: what the owner reads is made here, from the catalogue, never by the asking party."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from flask import g
from flask_babel import get_locale

from consent_service.db import reading
from consent_service.errors import said
from consent_service.grants.agreement import agreements
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import Access, DeclineReason, Mode, Status, Terms, Unit
from consent_service.grants.owning import OWNER, Channel
from consent_service.grants.suspensions import DISPUTE, PARTY_STATUS, REGISTER_EVENT
from consent_service.ledger.model import Kind
from consent_service.registry.extract import LegalStatus
from consent_service.registry.model import Client, OrganisationRole
from consent_service.web import texts
from consent_service.web.texts import gettext, ngettext

OUR_CHECKERS = (said("the operator"), said("the sandbox register"))
TIME_ZONES = {
    "NO": "Europe/Oslo",
    "SE": "Europe/Stockholm",
    "DK": "Europe/Copenhagen",
    "FI": "Europe/Helsinki",
    "IS": "Atlantic/Reykjavik",
}


def catalogue() -> Catalogue:
    """The published catalogue, looked up once for a page."""
    if "catalogue" not in g:
        g.catalogue = agreements().catalogue(reading())
    return cast("Catalogue", g.catalogue)


def reason(recorded: Mapping[str, str]) -> str:
    """Why a read was permitted or refused, in the page's language; else as it was recorded."""
    return agreements().say(recorded["policy"], recorded["text"], language())


def language() -> str:
    """The language of this page, as the catalogue names it."""
    return texts.language()


def checked_by(source: str) -> str:
    """Who checked an organisation's name: a register under its own name, or one of us."""
    source = gettext(source) if source in OUR_CHECKERS else source
    return gettext("Name checked by %(source)s", source=source)


def country(code: str) -> str:
    """A country's name by its ISO 3166 code."""
    locale = get_locale()
    return str(locale.territories.get(code, code)) if locale else code


def role(of: OrganisationRole) -> str:
    """A role as its holder would say it."""
    return {
        OrganisationRole.CHAIR: gettext("Chair of the board"),
        OrganisationRole.MANAGING_DIRECTOR: gettext("Managing director"),
        OrganisationRole.SOLE_PROPRIETOR: gettext("Sole proprietor"),
        OrganisationRole.SIGNATORY: gettext("May sign for the business"),
        OrganisationRole.PROCURATION_HOLDER: gettext("Holder of procuration"),
        OrganisationRole.GENERAL_PARTNER: gettext("General partner"),
        OrganisationRole.PARTNER: gettext("Partner"),
        OrganisationRole.BOARD_MEMBER: gettext("Member of the board"),
        OrganisationRole.DEPUTY_BOARD_MEMBER: gettext("Deputy member of the board"),
        OrganisationRole.DEPUTY_MANAGING_DIRECTOR: gettext("Deputy managing director"),
        OrganisationRole.LIQUIDATOR: gettext("Liquidator"),
        OrganisationRole.BUSINESS_MANAGER: gettext("Business manager"),
        OrganisationRole.DESIGNATED_REPRESENTATIVE: gettext("Designated representative"),
        OrganisationRole.BOARD_OBSERVER: gettext("Observer in the board"),
        OrganisationRole.CONTACT_PERSON: gettext("Contact person"),
        OrganisationRole.AUDITOR: gettext("Auditor"),
        OrganisationRole.ACCOUNTANT: gettext("Accountant"),
        OrganisationRole.OTHER: gettext("Another role"),
    }[of]


def access(of: Access) -> str:
    """How often the data may be read."""
    if of.mode is Mode.ONCE:
        return gettext("Once")
    if of.frequency is None:
        return gettext("As often as needed")
    count = of.frequency.value
    return {
        Unit.HOUR: ngettext("At most once an hour", "At most %(num)d times an hour", count),
        Unit.DAY: ngettext("At most once a day", "At most %(num)d times a day", count),
        Unit.WEEK: ngettext("At most once a week", "At most %(num)d times a week", count),
        Unit.MONTH: ngettext("At most once a month", "At most %(num)d times a month", count),
        Unit.YEAR: ngettext("At most once a year", "At most %(num)d times a year", count),
    }[of.frequency.unit]


def retention(duration: str) -> str:
    """How long the party keeps its copy (ISO 8601 duration, checked when it came in)."""
    number = int("".join(character for character in duration if character.isdigit()) or 0)
    if number == 0:
        return gettext("Looks at it and keeps no copy")
    match duration[-1]:
        case "D":
            return ngettext("Deletes its copy after one day", "Deletes its copy after %(num)d days", number)
        case "W":
            return ngettext("Deletes its copy after one week", "Deletes its copy after %(num)d weeks", number)
        case "M":
            return ngettext(
                "Deletes its copy after one month", "Deletes its copy after %(num)d months", number
            )
        case _:
            return ngettext("Deletes its copy after one year", "Deletes its copy after %(num)d years", number)


def onward(names: list[str]) -> str:
    """Whom the party may pass the data on to."""
    if not names:
        return gettext("Not passed on to anyone")
    return gettext("Passed on to %(names)s", names=", ".join(names))


def legal_basis(basis: str) -> str:
    """On which legal ground the party reads (GDPR article 6 calls it lawfulness)."""
    if basis == "consent":
        return gettext("Your consent. You can take it back at any time.")
    law = catalogue().legal_basis(basis)
    if law is None:
        return basis
    return gettext(
        "A law of %(country)s: %(law)s. It needs no consent, and it can't be taken back here.",
        country=country(law.country),
        law=law.law,
    )


def message(terms: Terms) -> str | None:
    """The party's own words, in the page's language where it wrote that, else in its first."""
    texts = dict(terms.message)
    return texts.get(language()) or next(iter(texts.values()), None)


def source(location: str, holder: Client | None) -> str:
    """Where the data is read: the holder's name, and the address for whom that is not enough."""
    host = urlsplit(location).netloc
    if holder is None:
        return gettext("%(host)s (not a registered data holder)", host=host)
    return gettext("%(name)s (%(host)s)", name=holder.organisation.name, host=host)


def why(kind: Kind, reason: str | None) -> str | None:
    """Why a grant rests or goes on, where that was nobody's word about the grant; else None."""
    return {
        (Kind.GRANT_SUSPENDED, DISPUTE): gettext(
            "Suspended, while it is disputed who may act for the business"
        ),
        (Kind.GRANT_RESUMED, DISPUTE): gettext("Goes on, the dispute is settled"),
        (Kind.GRANT_SUSPENDED, OWNER): gettext("Paused"),
        (Kind.GRANT_SUSPENDED, REGISTER_EVENT): gettext(
            "Suspended, because the business is bankrupt or gone, as the business register tells"
        ),
        (Kind.GRANT_RESUMED, REGISTER_EVENT): gettext(
            "Goes on, because the business register has the business in order again"
        ),
        (Kind.GRANT_SUSPENDED, PARTY_STATUS): gettext(
            "Suspended, because the party is bankrupt or gone, as the business register tells"
        ),
        (Kind.GRANT_RESUMED, PARTY_STATUS): gettext(
            "Goes on, because the business register has the party in order again"
        ),
    }.get((kind, reason or ""))


def standing(of: LegalStatus) -> str | None:
    """What an owner is told of how their business stands; None where all is in order."""
    return {
        LegalStatus.BANKRUPT: gettext(
            "The business register tells that this business is bankrupt. What you agreed to is suspended."
        ),
        LegalStatus.DISSOLVED: gettext(
            "The business register tells that this business was dissolved. What you agreed to is suspended."
        ),
        LegalStatus.MERGED: gettext(
            "The business register tells that this business was merged. What you agreed to is suspended."
        ),
    }.get(of)


def status(of: Status, valid_until: dt.datetime, now: dt.datetime) -> str:
    """A grant's state in one word or two."""
    if of is Status.ACTIVE and now >= valid_until:
        of = Status.EXPIRED
    return {
        Status.ACTIVE: gettext("Active"),
        Status.REVOKED: gettext("Taken back"),
        Status.EXPIRED: gettext("Ended"),
        Status.EXHAUSTED: gettext("Used up"),
        Status.SUSPENDED: gettext("Suspended"),
        Status.NOTIFIED: gettext("Announced"),
        Status.ENDED: gettext("Ended"),
        Status.TERMINATED: gettext("Handed back"),
    }.get(of, of.value)


def decline_reasons() -> dict[str, str]:
    """What an owner can say with a no; the party is told."""
    return {
        DeclineReason.NOT_NOW.value: gettext("Not now"),
        DeclineReason.TOO_MUCH.value: gettext("They ask for too much"),
        DeclineReason.NOT_NEEDED.value: gettext("I don't need this"),
        DeclineReason.UNKNOWN_PARTY.value: gettext("I don't know who asks"),
    }


def channel(of: str | None) -> str:
    """By whom something was done that an owner said elsewhere than here; "" where it was done here."""
    return {
        Channel.PHONE.value: gettext("the operator, at your word by phone"),
        Channel.LETTER.value: gettext("the operator, at your word by letter"),
        Channel.IN_PERSON.value: gettext("the operator, at your word in person"),
    }.get(of or "", "")


def unit(of: Unit) -> str:
    """A calendar unit, after a number: times *a day*."""
    return {
        Unit.HOUR: gettext("times an hour"),
        Unit.DAY: gettext("times a day"),
        Unit.WEEK: gettext("times a week"),
        Unit.MONTH: gettext("times a month"),
        Unit.YEAR: gettext("times a year"),
    }[of]


def purpose(catalogue: Catalogue, purpose_id: str) -> str:
    """A purpose's name, or its id where the catalogue no longer has it."""
    found = catalogue.purpose(purpose_id)
    return found.name(language()) if found else purpose_id


def data_set(catalogue: Catalogue, data_set_id: str) -> str:
    """A data set's name, or its id where the catalogue does not have it."""
    found = catalogue.data_set(data_set_id)
    return found.name(language()) if found else data_set_id
