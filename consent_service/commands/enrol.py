"""Invitations to register clients, and clients' ends, from the command line."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from consent_service.clock import SystemClock
from consent_service.commands import CommandError
from consent_service.commands.database import transaction
from consent_service.commands.register import registered_name, sandbox_licences
from consent_service.config import Settings
from consent_service.registry import enrolment, identifiers, invitations, parties
from consent_service.registry.invitations import Invitation
from consent_service.registry.model import ClientRole, Profile
from consent_service.registry.registers import together as registers


def invite(settings: Settings, options: Mapping[str, Any]) -> str:
    """Make an invitation, and its organisation known; the answer is JSON or a sentence with the token."""
    identifier, now = identifiers.parse(options["org"]), SystemClock().now()
    name, source = options["name"].strip(), "the operator"
    register = registers.of(settings)
    if register.covers(identifier):
        name, source = registered_name(register, identifier)
    invitation = Invitation(
        ClientRole(options["role"]), identifier, Profile(options["profile"]), options["resources"]
    )
    until = options["until"].replace(tzinfo=dt.UTC)
    with transaction(settings.database_url) as session:
        if not name and parties.organisation(session, identifier) is None:
            raise CommandError(f"{identifier} is not known here yet: say its --name")
        parties.introduce(session, identifier, name, source)
        if settings.sandbox and invitation.role is ClientRole.PARTY:
            sandbox_licences(session, settings, identifier)
        invitation_id, token = invitations.invite(session, invitation, options["uses"], until, now)
        session.commit()
    if options["as_json"]:
        told = {"invitation_id": invitation_id, "initial_access_token": token}
        return json.dumps(told | {"registration_endpoint": f"{settings.issuer}/oauth/register"})
    return f"invitation {invitation_id}; its token, shown this once: {token}"


def uninvite(settings: Settings, invitation_id: str) -> str:
    """Let no more clients come of an invitation."""
    with transaction(settings.database_url) as session:
        gone = invitations.withdraw(session, invitation_id)
        session.commit()
    if not gone:
        raise CommandError(f"there is no invitation {invitation_id}")
    return f"no more clients come of invitation {invitation_id}"


def end(settings: Settings, client_id: str) -> str:
    """End a client for ever."""
    with transaction(settings.database_url) as session:
        ended = enrolment.end(session, client_id, "the operator", SystemClock().now())
        session.commit()
    return f"{ended.client_id} of {ended.organisation.name} has ended"
