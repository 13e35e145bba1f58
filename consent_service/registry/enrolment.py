"""Clients that register and manage themselves (RFC 7591, RFC 7592): who may, and what becomes of it.

Role, organisation and profile come from an invitation or a software statement and from nowhere
else, so nothing that a client writes lets it be more than it was let in as.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.registry import invitations, parties, sessions, statements, tokens
from consent_service.registry.model import SECRET_METHODS, AuthMethod, Client, ClientRole, Profile, Standing
from consent_service.registry.parties import Registration
from consent_service.registry.statements import Statement
from consent_service.registry.store import ClientRow, OrganisationRow
from consent_service.registry.tokens import digest

VOUCHED_KEYS = frozenset({"jwks", "jwks_uri"})
KEY_METHODS = frozenset({AuthMethod.PRIVATE_KEY_JWT, AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH})
ITSELF = "the client"


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client may be registered as, on whose word, and what was said of it that it can't change."""

    role: ClientRole
    organisation: str
    profile: Profile
    by: str
    resources: Sequence[str] = ()
    invitation_id: str = ""
    organisation_name: str = ""
    vouched: Mapping[str, Any] = field(default_factory=dict)
    statement: str | None = None

    def over(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Client metadata with what was vouched for put over it (RFC 7591 section 2.3).

        Keys are vouched for together: a ``jwks`` beside a vouched ``jwks_uri`` would be others.
        """
        named = VOUCHED_KEYS if VOUCHED_KEYS & self.vouched.keys() else frozenset()
        kept = {name: value for name, value in document.items() if name not in named}
        return kept | dict(self.vouched)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A client with what is told only now."""

    client: Client
    issued_at: dt.datetime
    token: str
    secret: str = ""
    statement: str | None = None


def admit(invitation: invitations.Invitation | None, statement: Statement | None) -> Admission:
    """What an invitation, a statement, or both let a client be.

    1. With both, they speak of the same organisation and role.
    2. A statement alone says which keys the client has: whoever else holds a copy of it could
       register keys of their own in the organisation's name.

    :raises ServiceError: ``invalid_token``, 401: neither; ``unapproved_software_statement``
    """
    if invitation is None and statement is None:
        raise unauthorised()
    if invitation is None and statement is not None:
        if not VOUCHED_KEYS & statement.metadata.keys():
            raise _unapproved("without an initial access token it must name the client's keys")
        return Admission(
            statement.role,
            statement.organisation,
            statement.profile,
            statement.issuer,
            organisation_name=statement.organisation_name,
            vouched=statement.metadata,
            statement=statement.text,
        )
    assert invitation is not None  # noqa: S101  (both cases without one have returned)
    admission = Admission(
        invitation.role,
        invitation.organisation,
        invitation.profile,
        f"invitation {invitation.invitation_id}",
        invitation.resources,
        invitation.invitation_id,
    )
    if statement is None:
        return admission
    if (statement.role, statement.organisation) != (invitation.role, invitation.organisation):
        raise _unapproved("it speaks of another organisation or role than the initial access token")
    return dataclasses.replace(admission, vouched=statement.metadata, statement=statement.text)


def enrol(session: Session, admission: Admission, registration: Registration, now: dt.datetime) -> Enrolled:
    """Register a client that came by itself; counts the invitation, in the same transaction.

    :raises ServiceError: as :func:`parties.register`; ``invalid_token``: the invitation is used up;
        ``unapproved_software_statement``
    """
    _check_keys_count(admission, registration.auth_method)
    ledger.hold(session, registry="changes")
    if admission.invitation_id and not invitations.use(session, admission.invitation_id, now):
        raise unauthorised()
    known = session.get(OrganisationRow, admission.organisation)
    if known is None and not admission.organisation_name:
        raise _unapproved("it must name its organisation (org_name), which is not known here yet")
    if known is not None and known.status != Standing.ACTIVE:
        raise ServiceError("access_denied", "this organisation may not take part at the moment", status=403)
    parties.introduce(session, admission.organisation, admission.organisation_name, admission.by)
    client = parties.register(session, registration, now)
    token = secrets.token_urlsafe(32)
    row = session.get_one(ClientRow, client.client_id)
    row.management_hash, row.software_statement = digest(token), admission.statement
    return Enrolled(client, row.created_at, token, registration.secret, admission.statement)


def manager(session: Session, client_id: str, token: str) -> Enrolled:
    """The client that this registration access token is for (RFC 7592 section 2).

    :raises ServiceError: ``invalid_token``, 401, the same for a client that there is not
    """
    row = session.get(ClientRow, client_id, populate_existing=True) if client_id.isprintable() else None
    known = (row.management_hash if row else None) or digest("")
    if not hmac.compare_digest(known, digest(token)) or not token or row is None:
        raise unauthorised()
    return Enrolled(row.to_model(), row.created_at, token, statement=row.software_statement)


def admitted(enrolled: Enrolled, statement: Statement | None) -> Admission:
    """What a client that is there may change itself to: the same role, organisation, profile and addresses.

    What was vouched for stays, unless a new statement about the same organisation and role is shown.

    :raises ServiceError: ``unapproved_software_statement``
    """
    client, text = enrolled.client, enrolled.statement
    if statement is not None:
        if (statement.role, statement.organisation) != (client.role, client.organisation.identifier):
            raise _unapproved("it speaks of another organisation or role")
        vouched, text = statement.metadata, statement.text
        if _names_keys(enrolled.statement) and not VOUCHED_KEYS & vouched.keys():
            raise _unapproved("it must name the client's keys, as the one before did")
    else:
        vouched = statements.said_by(text) if text else {}
    return Admission(
        client.role,
        client.organisation.identifier,
        client.profile,
        ITSELF,
        client.resources,
        vouched=vouched,
        statement=text,
    )


def replace(
    session: Session, enrolled: Enrolled, admission: Admission, registration: Registration, now: dt.datetime
) -> Enrolled:
    """Put new metadata in the place of all that was there (RFC 7592 section 2.2).

    A secret stays while the way to authenticate has one; a client that had none gets a new one.

    :raises ServiceError: as :func:`parties.register`; ``unapproved_software_statement``
    """
    _check_keys_count(admission, registration.auth_method)
    ledger.hold(session, registry="changes")
    row = session.get_one(ClientRow, enrolled.client.client_id, populate_existing=True)
    has, wants = bool(row.secret_hash), registration.auth_method in SECRET_METHODS
    fresh = parties.new_secret() if wants and not has else ""
    registration = dataclasses.replace(registration, secret=fresh or ("kept" if wants else ""))
    for name, value in parties.fitting(registration).items():
        setattr(row, name, value)
    row.secret_hash = digest(fresh) if fresh else (row.secret_hash if wants else None)
    row.software_statement = admission.statement
    session.flush()
    client = row.to_model()
    parties.record(session, Kind.PARTY_UPDATED, client, ITSELF, now)
    return dataclasses.replace(enrolled, client=client, secret=fresh, statement=admission.statement)


def end(session: Session, client_id: str, by: str, now: dt.datetime) -> Client:
    """End a client for ever: no decision permits it anything from now on, and its tokens are dead.

    It stays known, as whom its grants were given to; the grants stay as the owners left them, and
    an owner still sees them and takes them back.

    :raises ServiceError: ``unknown_client``, 404
    """
    ledger.hold(session, registry="changes")
    row = session.get(ClientRow, client_id, populate_existing=True)
    if row is None or row.status == Standing.ENDED:
        raise ServiceError("unknown_client", f"there is no client {client_id}", status=404)
    row.status, row.management_hash, row.secret_hash = Standing.ENDED, None, None
    tokens.revoke_client(session, client_id, now)
    sessions.forget_client(session, client_id)
    told = {"client_id": client_id, "organisation": row.organisation_id, "by": by}
    ledger.append(session, Kind.PARTY_ENDED, told, now=now, client_id=client_id)
    return row.to_model()


def unauthorised() -> ServiceError:
    """401 (RFC 6750 section 3.1), in one sentence for every reason."""
    return ServiceError("invalid_token", "a token that is for this is needed", status=401)


def _names_keys(statement: str | None) -> bool:
    return bool(statement and VOUCHED_KEYS & statements.said_by(statement).keys())


def _check_keys_count(admission: Admission, method: AuthMethod) -> None:
    """Where keys were vouched for, the client authenticates with them, and with nothing of its own choice."""
    if _names_keys(admission.statement) and method not in KEY_METHODS:
        raise _unapproved("it names the client's keys, so the client authenticates with those")


def _unapproved(reason: str) -> ServiceError:
    return ServiceError("unapproved_software_statement", f"software_statement: {reason}")
