"""Invitations: initial access tokens (RFC 7591 section 3) that the operator gives out.

An invitation is for one organisation, one role and one profile, for so many clients and until a
day. What it says, no registration can change. Only its token's hash is kept.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import JSON, Integer, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.config import check_origin
from consent_service.db import Base, Instant
from consent_service.errors import ServiceError
from consent_service.registry import identifiers
from consent_service.registry.model import ClientRole, Profile
from consent_service.registry.tokens import digest
from consent_service.stored import rows_changed


class InvitationRow(Base):
    """An invitation, and how many clients may still come of it."""

    __tablename__ = "invitation"

    invitation_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    organisation: Mapped[str] = mapped_column(String(64))
    profile: Mapped[str] = mapped_column(String(16))
    resources: Mapped[list[str]] = mapped_column(JSON)
    uses_left: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    valid_until: Mapped[dt.datetime] = mapped_column(Instant, index=True)

    def to_model(self) -> Invitation:
        return Invitation(
            ClientRole(self.role),
            self.organisation,
            Profile(self.profile),
            tuple(self.resources),
            self.invitation_id,
        )


@dataclass(frozen=True, slots=True)
class Invitation:
    """What clients that come of it are: role, organisation (short form), profile, a holder's addresses."""

    role: ClientRole
    organisation: str
    profile: Profile = Profile.FAPI2
    resources: Sequence[str] = ()
    invitation_id: str = ""


def invite(
    session: Session, invitation: Invitation, uses: int, until: dt.datetime, now: dt.datetime
) -> tuple[str, str]:
    """Make an invitation; returns its id and its token, which is told this once.

    :raises ServiceError: ``invalid_invitation``, ``invalid_identifier``
    """
    if uses < 1 or until <= now:
        raise ServiceError("invalid_invitation", "an invitation is for at least one client and ends later")
    if invitation.profile is Profile.OIDC and invitation.role is not ClientRole.LOGIN:
        raise ServiceError("invalid_invitation", f"a {invitation.role}'s client has the profile fapi2")
    if invitation.resources and invitation.role is not ClientRole.HOLDER:
        raise ServiceError("invalid_invitation", "only a holder's client serves a resource")
    for uri in invitation.resources:
        if wrong := check_origin(uri):
            raise ServiceError("invalid_invitation", f"resource {uri!r} {wrong}")
    invitation_id, token = str(uuid.uuid4()), secrets.token_urlsafe(32)
    session.add(
        InvitationRow(
            invitation_id=invitation_id,
            token_hash=digest(token),
            role=invitation.role,
            organisation=identifiers.parse(invitation.organisation),
            profile=invitation.profile,
            resources=list(invitation.resources),
            uses_left=uses,
            created_at=now,
            valid_until=until,
        )
    )
    return invitation_id, token


def find(session: Session, token: str, now: dt.datetime) -> Invitation | None:
    """The invitation of a token, while clients may come of it, or None."""
    row = session.scalar(
        select(InvitationRow)
        .where(
            InvitationRow.token_hash == digest(token),
            InvitationRow.uses_left > 0,
            InvitationRow.valid_until > now,
        )
        .execution_options(populate_existing=True)
    )
    return row.to_model() if row else None


def use(session: Session, invitation_id: str, now: dt.datetime) -> bool:
    """Count one client in one conditional UPDATE; False where none may come any more."""
    left = (
        InvitationRow.invitation_id == invitation_id,
        InvitationRow.uses_left > 0,
        InvitationRow.valid_until > now,
    )
    taken = session.execute(update(InvitationRow).where(*left).values(uses_left=InvitationRow.uses_left - 1))
    return bool(rows_changed(taken))


def withdraw(session: Session, invitation_id: str) -> bool:
    """Let no more clients come of an invitation; False where there is none of this id."""
    gone = session.execute(
        update(InvitationRow).where(InvitationRow.invitation_id == invitation_id).values(uses_left=0)
    )
    return bool(rows_changed(gone))
