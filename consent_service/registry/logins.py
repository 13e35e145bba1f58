"""Sign-ins for clients: what was asked, what the person gave, and what they need not be asked again.

A login has the id of the authorization that it came with. It can also come without a browser
(CIBA): then it names the person, or the owner for whom somebody answers, from the start.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.prepared import Prepared
from consent_service.registry import tokens
from consent_service.registry.login_rules import OFFLINE, ORGANISATIONS, Asked, Remembered, SignedIn
from consent_service.stored import rows_changed

OPEN_FOR = dt.timedelta(hours=1)
KEPT = dt.timedelta(days=1)
"""How long an answered login is needed: longer than any access token that it gave."""
CONSENT_LIFE = dt.timedelta(days=90)
"""After this a person is asked again, and a refresh token ends: there is no consent without an end."""


class LoginStatus(StrEnum):
    """Where a login is."""

    OPEN = "open"
    GIVEN = "given"
    DECLINED = "declined"
    ENDED = "ended"
    """Taken back by the person; what it gave is revoked."""


class LoginRow(Base):
    """One login; ``claims`` is what the client may learn, ``organisations`` those that were chosen."""

    __tablename__ = "login"

    login_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"))
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    owner: Mapped[str | None] = mapped_column(String(64))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.person_id"))
    status: Mapped[str] = mapped_column(String(16))
    signed_in_before: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    expires_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    answered_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    scopes: Mapped[list[str]] = mapped_column(JSON, default=list)
    claims: Mapped[list[str]] = mapped_column(JSON, default=list)
    organisations: Mapped[list[str]] = mapped_column(JSON, default=list)
    auth_time: Mapped[dt.datetime | None] = mapped_column(Instant)
    acr: Mapped[str] = mapped_column(String(255), default="")
    amr: Mapped[list[str]] = mapped_column(JSON, default=list)
    sid: Mapped[str | None] = mapped_column(String(36), index=True)

    __table_args__ = (Index("ix_login_person_id_client_id", "person_id", "client_id"),)

    @property
    def request(self) -> Asked:
        return Asked.from_json(self.asked)


class ConsentRow(Base):
    """What a person lets a client learn without being asked again, until then."""

    __tablename__ = "remembered_consent"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    claims: Mapped[list[str]] = mapped_column(JSON)
    organisations: Mapped[list[str]] = mapped_column(JSON)
    given_at: Mapped[dt.datetime] = mapped_column(Instant)
    until: Mapped[dt.datetime] = mapped_column(Instant, index=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answers with: how they are signed in, and which organisations they show."""

    who: SignedIn
    organisations: tuple[str, ...]
    sid: str | None = None
    remember: bool = False


def ask(
    session: Session,
    login_id: str,
    client_id: str,
    asked: Asked,
    now: dt.datetime,
    life: dt.timedelta = OPEN_FOR,
) -> LoginRow:
    """Take in what a client asks for."""
    row = LoginRow(
        login_id=login_id,
        client_id=client_id,
        asked=asked.to_json(),
        status=LoginStatus.OPEN,
        created_at=now,
        expires_at=now + life,
    )
    session.add(row)
    return row


_THERE = Prepared(select(LoginRow.login_id).where(LoginRow.login_id == bindparam("login_id")))


def find(session: Session, login_id: str) -> LoginRow | None:
    """The login of this authorization, or None: most authorizations have none, which is seen at once."""
    session.flush()
    return session.get(LoginRow, login_id) if _THERE.first(session, {"login_id": login_id}) else None


def note_before(session: Session, login_id: str, sign_in_id: str) -> None:
    """Note which sign-in a browser came with; the first time counts, and tells a fresh one from it."""
    session.execute(
        update(LoginRow)
        .where(LoginRow.login_id == login_id, LoginRow.signed_in_before.is_(None))
        .values(signed_in_before=sign_in_id)
    )


def give(session: Session, row: LoginRow, answer: Answer, now: dt.datetime) -> bool:
    """Answer yes; False when it was answered already: two tabs can't both give one.

    What is remembered takes the place of what was remembered before, so nothing piles up.
    """
    asked = row.request
    shown = answer.organisations if ORGANISATIONS in asked.learned else ()
    lasting = OFFLINE in asked.scopes
    given = {
        "person_id": answer.who.person_id,
        "scopes": list(asked.scopes),
        "claims": sorted(asked.learned),
        "organisations": list(shown),
        "auth_time": answer.who.at,
        "acr": answer.who.acr,
        "amr": list(answer.who.amr),
        "sid": answer.sid,
        "expires_at": now + (CONSENT_LIFE if lasting else KEPT),
    }
    if not _answer(session, row, LoginStatus.GIVEN, now, **given):
        return False
    if answer.remember:
        session.merge(
            ConsentRow(
                person_id=answer.who.person_id,
                client_id=row.client_id,
                scopes=list(asked.scopes),
                claims=sorted(asked.learned),
                organisations=list(shown),
                given_at=now,
                until=now + CONSENT_LIFE,
            )
        )
    return True


def decline(session: Session, row: LoginRow, person_id: str, now: dt.datetime) -> bool:
    """Answer no; False when it was answered already."""
    return _answer(session, row, LoginStatus.DECLINED, now, person_id=person_id)


def remembered(session: Session, person_id: str, client_id: str) -> Remembered | None:
    """What this person agreed to for this client, or None."""
    row = session.get(ConsentRow, (person_id, client_id))
    if row is None:
        return None
    return Remembered(tuple(row.scopes), tuple(row.claims), tuple(row.organisations), row.until)


def consents_of(session: Session, person_id: str, now: dt.datetime) -> Sequence[ConsentRow]:
    """Everything that a person agreed to and that still counts, newest first."""
    return session.scalars(
        select(ConsentRow)
        .where(ConsentRow.person_id == person_id, ConsentRow.until > now)
        .order_by(ConsentRow.given_at.desc())
    ).all()


def forget(session: Session, person_id: str, client_id: str, now: dt.datetime) -> None:
    """Take a consent back: the person is asked again, and every token that came of it ends at once.

    Grants are something else, and stay.
    """
    session.execute(
        delete(ConsentRow).where(ConsentRow.person_id == person_id, ConsentRow.client_id == client_id)
    )
    of_them = LoginRow.person_id == person_id, LoginRow.client_id == client_id
    given = session.scalars(
        select(LoginRow.login_id).where(*of_them, LoginRow.status == LoginStatus.GIVEN)
    ).all()
    for login_id in given:
        end(session, login_id, now)


def end(session: Session, login_id: str, now: dt.datetime) -> None:
    """End a login, and every token that came of it alone."""
    session.execute(update(LoginRow).where(LoginRow.login_id == login_id).values(status=LoginStatus.ENDED))
    tokens.revoke_sign_in(session, login_id, now)


def _answer(session: Session, row: LoginRow, status: LoginStatus, now: dt.datetime, **values: Any) -> bool:
    changed = session.execute(
        update(LoginRow)
        .where(
            LoginRow.login_id == row.login_id,
            LoginRow.status == LoginStatus.OPEN,
            LoginRow.expires_at > now,
        )
        .values(status=status, answered_at=now, **values)
    )
    session.expire(row)
    return bool(rows_changed(changed))
