"""Which clients a browser's session signed its person in to, and telling them when it ends.

OpenID Connect Back-Channel Logout 1.0. A session keeps its id while its key changes; each client
knows it under a name (``sid``) of its own, so that two clients can't compare.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service import keys, outbox
from consent_service.config import Settings
from consent_service.db import Base, Instant
from consent_service.registry import backchannel, logins, parties, tokens
from consent_service.registry.login_rules import OFFLINE
from consent_service.registry.logins import LoginRow
from consent_service.registry.model import Client, Profile
from consent_service.registry.occurrences import Happening, happened

KIND = "backchannel_logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFE = dt.timedelta(minutes=2)
"""Section 2.4 recommends two minutes at most; so long a delivery that fails is tried again."""
FORM = "application/x-www-form-urlencoded"


class ClientSessionRow(Base):
    """A client that a session signed its person in to."""

    __tablename__ = "client_session"

    session_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"))
    subject: Mapped[str] = mapped_column(String(255))
    sid: Mapped[str] = mapped_column(String(36), unique=True)
    last_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)


def note(
    session: Session, session_id: str, client_id: str, person_id: str, subject: str, now: dt.datetime
) -> str:
    """Note that a session signs its person in to a client; the client's name for the session."""
    row = session.get(ClientSessionRow, (session_id, client_id))
    if row is None:
        row = ClientSessionRow(session_id=session_id, client_id=client_id, sid=str(uuid.uuid4()))
        session.add(row)
    row.person_id, row.subject, row.last_at = person_id, subject, now
    session.flush()
    return row.sid


def is_of(session: Session, session_id: str | None, sid: str) -> bool:
    """Whether a client's name for a session names this one."""
    known = session.scalar(select(ClientSessionRow.session_id).where(ClientSessionRow.sid == sid))
    return known is not None and known == session_id


def end(
    session: Session, settings: Settings, session_id: str | None, person_id: str, now: dt.datetime
) -> None:
    """End a session, in the transaction in which its person signs out.

    1. Each client that it signed the person in to gets a logout token, where it has an address for it.
    2. These sign-ins end, and with them their access tokens, codes, and what a refresh would say of the
       person; what was asked for with ``offline_access`` goes on (Back-Channel Logout section 2.7).
       Grants stay. What was answered without a browser and not fetched yet is still its client's.
    3. Whoever follows the person's signals is told.
    """
    of_it = ClientSessionRow.session_id == session_id
    rows = session.scalars(select(ClientSessionRow).where(of_it)).all()
    for row in rows:
        client = parties.find(session, row.client_id)
        if client is not None and client.active:
            _tell(session, settings, client, row, now)
    known = [row.sid for row in rows]
    for login in session.scalars(select(LoginRow).where(LoginRow.sid.in_(known))):
        if OFFLINE not in login.scopes and not backchannel.is_to_fetch(session, login.login_id):
            logins.end(session, login.login_id, now)
    session.execute(delete(ClientSessionRow).where(of_it))
    told = {row.client_id: row.sid for row in rows}
    happened(session, Happening.SIGNED_OUT, person_id, now, sessions=told)


def algorithm_of(client: Client) -> keys.Algorithm:
    """What a client's ID tokens and logout tokens are signed with (Registration section 2)."""
    default = keys.Algorithm.RS256 if client.profile is Profile.OIDC else keys.Algorithm.ES256
    return keys.Algorithm(client.metadata.get("id_token_signed_response_alg", default))


def _tell(
    session: Session, settings: Settings, client: Client, row: ClientSessionRow, now: dt.datetime
) -> None:
    address = client.metadata.get("backchannel_logout_uri")
    if not address:
        return
    issued = int(now.timestamp())
    claims: dict[str, Any] = {  # section 2.4; a nonce must not be there
        "iss": settings.issuer,
        "sub": row.subject,
        "aud": client.client_id,
        "iat": issued,
        "exp": issued + int(LIFE.total_seconds()),
        "jti": str(uuid.uuid4()),
        "events": {EVENT: {}},
        "sid": row.sid,
    }
    signer = keys.signer(session, settings.secret_key)
    token = signer.sign(claims, typ="logout+jwt", alg=algorithm_of(client))
    outbox.enqueue(
        session,
        settings.secret_key,
        kind=KIND,
        url=address,
        content_type=FORM,
        body=urlencode({"logout_token": token}).encode(),
        now=now,
        topic=_topic(client.client_id),
        until=now + LIFE,
    )


def forget_client(session: Session, client_id: str) -> None:
    """A client has ended: no session is known to it, and what it was to be told does not go out."""
    session.execute(delete(ClientSessionRow).where(ClientSessionRow.client_id == client_id))
    outbox.withdraw(session, _topic(client_id))


def _topic(client_id: str) -> str:
    return tokens.digest(f"logout {client_id}")  # as long as a topic can be
