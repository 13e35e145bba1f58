"""Who takes part, as frozen data: organisations, clients, persons, representation.

Pure: no Flask, no SQL, no clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ClientRole(StrEnum):
    """What an organisation's OAuth client is here for."""

    PARTY = "party"
    HOLDER = "holder"
    SUPERVISOR = "supervisor"
    LOGIN = "login"


class Profile(StrEnum):
    """Which rules a client's requests keep."""

    FAPI2 = "fapi2"
    """FAPI 2.0 Security Profile: pushed requests, sender-constrained tokens; everybody's default."""
    OIDC = "oidc"
    """OpenID Connect Core's code flow, for "sign in with"; it opens no business data."""


class AuthMethod(StrEnum):
    """How a client authenticates (RFC 7591 section 2, ``token_endpoint_auth_method``)."""

    PRIVATE_KEY_JWT = "private_key_jwt"
    TLS_CLIENT_AUTH = "tls_client_auth"
    SELF_SIGNED_TLS_CLIENT_AUTH = "self_signed_tls_client_auth"
    CLIENT_SECRET_BASIC = "client_secret_basic"
    CLIENT_SECRET_POST = "client_secret_post"


AUTH_METHODS: dict[Profile, frozenset[AuthMethod]] = {
    Profile.FAPI2: frozenset(
        {AuthMethod.PRIVATE_KEY_JWT, AuthMethod.TLS_CLIENT_AUTH, AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH}
    ),
    Profile.OIDC: frozenset(
        {AuthMethod.PRIVATE_KEY_JWT, AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST}
    ),
}
"""FAPI 2.0 section 5.3.2.1 takes no shared secret."""
CERTIFICATE_METHODS = frozenset({AuthMethod.TLS_CLIENT_AUTH, AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH})
SECRET_METHODS = frozenset({AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST})


class Standing(StrEnum):
    """Whether an organisation or client may take part."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    """A client that was deleted (RFC 7592 section 2.3): it stays known, and nothing brings it back."""


class OrganisationRole(StrEnum):
    """A role in a business, by the top concepts of the programme's Nordic Role Vocabulary.

    The tables and the ledger hold these names: append only. Who has several acts as the first.
    """

    CHAIR = "chair"
    MANAGING_DIRECTOR = "managing_director"
    SOLE_PROPRIETOR = "sole_proprietor"
    SIGNATORY = "signatory"
    PROCURATION_HOLDER = "procuration_holder"
    GENERAL_PARTNER = "general_partner"
    PARTNER = "partner"
    BOARD_MEMBER = "board_member"
    DEPUTY_BOARD_MEMBER = "deputy_board_member"
    DEPUTY_MANAGING_DIRECTOR = "deputy_managing_director"
    LIQUIDATOR = "liquidator"
    BUSINESS_MANAGER = "business_manager"
    DESIGNATED_REPRESENTATIVE = "designated_representative"
    BOARD_OBSERVER = "board_observer"
    CONTACT_PERSON = "contact_person"
    AUDITOR = "auditor"
    ACCOUNTANT = "accountant"
    OTHER = "other"
    """Any that the vocabulary has no word for here; nobody acts by it but by a rule that names it."""


REPRESENTATION_LIFE = dt.timedelta(hours=1)
"""How long a role counts after the register said so: who resigns is out within the hour."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A legal entity; ``verified_by`` names the source of its name and standing."""

    identifier: str
    name: str
    country: str
    status: Standing
    verified_by: str


@dataclass(frozen=True, slots=True)
class Client:
    """An organisation's OAuth client.

    ``metadata`` holds what has no column, under the names of RFC 7591 section 2 and its registry,
    as :mod:`consent_service.registry.metadata` checked it. A member that is absent has its default.
    """

    client_id: str
    role: ClientRole
    name: str
    organisation: Organisation
    status: Standing
    jwks: dict[str, Any]
    redirect_uris: tuple[str, ...]
    resources: tuple[str, ...]
    dpop_bound: bool = False
    """``dpop_bound_access_tokens`` (RFC 9449 section 5.2)."""
    profile: Profile = Profile.FAPI2
    auth_method: AuthMethod = AuthMethod.PRIVATE_KEY_JWT
    secret_hash: str | None = None
    """SHA-256 of the client's secret, in hex."""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def certificate_bound(self) -> bool:
        """``tls_client_certificate_bound_access_tokens`` (RFC 8705 section 3.4)."""
        return bool(self.metadata.get("tls_client_certificate_bound_access_tokens"))

    @property
    def active(self) -> bool:
        return self.status is Standing.ACTIVE and self.organisation.status is Standing.ACTIVE


@dataclass(frozen=True, slots=True)
class NationalIdentity:
    """What an eID broker says of a person (OpenID Connect Core section 5.1)."""

    issuer: str
    subject: str
    name: str
    person_number: str
    amr: tuple[str, ...] = ()
    """How the broker says that it signed the person in (RFC 8176)."""
    birth_date: dt.date | None = None
    country: str | None = None
    """The ISO 3166 country whose number ``person_number`` is, where that is known."""


@dataclass(frozen=True, slots=True)
class RegisteredRole:
    """A business register's statement that a person has a role in a business."""

    organisation: str
    name: str
    role: OrganisationRole
    source: str
    checked_at: dt.datetime
    by_number: bool = True
    """Whether the person is known by their national number; else by name and date of birth."""


@dataclass(frozen=True, slots=True)
class Representation:
    """A person's right to act for an owner, and when its source last confirmed it."""

    owner: str
    owner_name: str
    role: OrganisationRole
    source: str
    checked_at: dt.datetime

    def holds(self, now: dt.datetime) -> bool:
        return now - self.checked_at <= REPRESENTATION_LIFE
