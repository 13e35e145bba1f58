"""What the authorisation server remembers between two calls: authorizations.

Codes and request URIs are stored as SHA-256 only.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.registry.tokens import digest


class AuthorizationRow(Base):
    """One authorization request from its first step to its code (RFC 6749 section 4.1).

    ``request_id`` is also the id of what is answered: of the access request where business data is
    asked for. ``parameters`` is what else was asked for, as it was checked.
    """

    __tablename__ = "authorization"

    request_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    request_uri_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"))
    redirect_uri: Mapped[str] = mapped_column(Text)
    response_mode: Mapped[str] = mapped_column(String(16))
    state: Mapped[str | None] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    code_challenge: Mapped[str | None] = mapped_column(String(128))
    jkt: Mapped[str | None] = mapped_column(String(64))
    begin_before: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    returned_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    code_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    code_expires_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    code_used_at: Mapped[dt.datetime | None] = mapped_column(Instant)


def by_request_uri(session: Session, request_uri: str) -> AuthorizationRow | None:
    """The authorization that a request URI stands for, or None."""
    return session.scalar(
        select(AuthorizationRow).where(AuthorizationRow.request_uri_hash == digest(request_uri))
    )


def by_code(session: Session, code: str) -> AuthorizationRow | None:
    """The authorization that a code was issued for, used or not, or None."""
    return session.scalar(
        select(AuthorizationRow)
        .where(AuthorizationRow.code_hash == digest(code))
        .execution_options(populate_existing=True)
    )


def put_code(
    session: Session, request_id: str, code: str | None, expires_at: dt.datetime, now: dt.datetime
) -> bool:
    """Store the code with which the browser goes back; False when it has gone back already."""
    changed = session.execute(
        update(AuthorizationRow)
        .where(AuthorizationRow.request_id == request_id, AuthorizationRow.returned_at.is_(None))
        .values(
            returned_at=now,
            code_hash=digest(code) if code else None,
            code_expires_at=expires_at if code else None,
        )
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def use_code(session: Session, request_id: str, now: dt.datetime) -> bool:
    """Consume a code in one conditional UPDATE; False when it was used before."""
    changed = session.execute(
        update(AuthorizationRow)
        .where(AuthorizationRow.request_id == request_id, AuthorizationRow.code_used_at.is_(None))
        .values(code_used_at=now)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]
