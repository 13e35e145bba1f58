"""Passkeys (WebAuthn Level 3): made once after an eID sign-in, user verification always required."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from consent_service.errors import ServiceError
from consent_service.registry.occurrences import Happening, happened
from consent_service.registry.people import Person
from consent_service.registry.store import PasskeyRow

NAME = "Consent Service"
MOST = 20  # passkeys a person


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks for the passkey: ``id`` is the issuer's host, ``origin`` the issuer."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey as its owner sees it."""

    name: str
    created_at: dt.datetime
    last_used: dt.datetime | None


def creation_options(session: Session, party: RelyingParty, person: Person) -> tuple[str, bytes]:
    """Options for ``navigator.credentials.create`` as JSON, and the challenge to remember."""
    known = session.scalars(select(PasskeyRow.credential_id).where(PasskeyRow.person_id == person.person_id))
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=NAME,
        user_id=person.person_id.encode(),
        user_name=person.name,
        user_display_name=person.name,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return options_to_json(options), options.challenge


def create(
    session: Session,
    party: RelyingParty,
    person: Person,
    credential: dict[str, Any],
    challenge: bytes,
    *,
    name: str,
    now: dt.datetime,
) -> None:
    """Check a new passkey and store its public half (WebAuthn section 7.1).

    :raises ServiceError: ``invalid_passkey``
    """
    try:
        if not challenge:
            raise ValueError("nothing was asked")
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _invalid(error) from error
    count = len(list_of(session, person.person_id))
    if session.get(PasskeyRow, verified.credential_id) or count >= MOST:
        raise _invalid(ValueError("known already, or too many"))
    session.add(
        PasskeyRow(
            credential_id=verified.credential_id,
            person_id=person.person_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            name=name,
            created_at=now,
        )
    )
    roams = credential.get("authenticatorAttachment") == "cross-platform"
    kind = "fido2-roaming" if roams else "fido2-platform"
    happened(session, Happening.PASSKEY_ADDED, person.person_id, now, about=kind)


def request_options(party: RelyingParty) -> tuple[str, bytes]:
    """Options for ``navigator.credentials.get`` as JSON, and the challenge to remember."""
    options = generate_authentication_options(
        rp_id=party.id, user_verification=UserVerificationRequirement.REQUIRED
    )
    return options_to_json(options), options.challenge


def sign_in(
    session: Session, party: RelyingParty, credential: dict[str, Any], challenge: bytes, now: dt.datetime
) -> str:
    """Check a passkey's answer and return the ``person_id`` it belongs to (WebAuthn section 7.2).

    :raises ServiceError: ``invalid_passkey``: unknown, wrong origin or challenge, none asked for, no user
        verification, or a signature counter that went backwards (a cloned key)
    """
    try:
        if not challenge:
            raise ValueError("nothing was asked")
        row = session.get(PasskeyRow, base64url_to_bytes(credential["id"]))
        if row is None:
            raise ValueError("unknown passkey")
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(error) from error
    row.sign_count = verified.new_sign_count
    row.last_used = now
    return row.person_id


def list_of(session: Session, person_id: str) -> list[Passkey]:
    """A person's passkeys, oldest first."""
    rows = session.scalars(
        select(PasskeyRow).where(PasskeyRow.person_id == person_id).order_by(PasskeyRow.created_at)
    )
    return [Passkey(row.name, row.created_at, row.last_used) for row in rows]


def _invalid(error: Exception) -> ServiceError:
    return ServiceError(
        "invalid_passkey",
        "This passkey was not accepted. Try again, or sign in with your eID.",
        detail=f"{type(error).__name__}: {error}",
    )
