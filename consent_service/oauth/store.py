"""What the authorisation server remembers between two calls: authorizations.

Codes and request URIs are stored as SHA-256 only.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, bindparam, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.prepared import Prepared
from consent_service.registry.tokens import digest
from consent_service.stored import Rows


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


# What comes is only looked at; what changes is changed by the statements below.
_OF_ID = Rows(AuthorizationRow, AuthorizationRow.request_id == bindparam("request_id"))
_OF_URI = Rows(AuthorizationRow, AuthorizationRow.request_uri_hash == bindparam("hashed"))
_OF_CODE = Rows(AuthorizationRow, AuthorizationRow.code_hash == bindparam("hashed"))
_PUT_CODE = Prepared(
    update(AuthorizationRow)
    .where(AuthorizationRow.request_id == bindparam("request_id"), AuthorizationRow.returned_at.is_(None))
    .values(returned_at=bindparam("now"), code_hash=bindparam("hashed"), code_expires_at=bindparam("expires"))
)
_USE_CODE = Prepared(
    update(AuthorizationRow)
    .where(AuthorizationRow.request_id == bindparam("request_id"), AuthorizationRow.code_used_at.is_(None))
    .values(code_used_at=bindparam("now"))
)


def find(session: Session, request_id: str) -> AuthorizationRow | None:
    """The authorization of this id, or None."""
    return _OF_ID.first(session, request_id=request_id)


def by_request_uri(session: Session, request_uri: str) -> AuthorizationRow | None:
    """The authorization that a request URI stands for, or None."""
    return _OF_URI.first(session, hashed=digest(request_uri))


def by_code(session: Session, code: str) -> AuthorizationRow | None:
    """The authorization that a code was issued for, used or not, or None."""
    return _OF_CODE.first(session, hashed=digest(code))


def put_code(
    session: Session, request_id: str, code: str | None, expires_at: dt.datetime, now: dt.datetime
) -> bool:
    """Store the code with which the browser goes back; False when it has gone back already."""
    values = {
        "request_id": request_id,
        "now": now,
        "hashed": digest(code) if code else None,
        "expires": expires_at if code else None,
    }
    return _PUT_CODE.change(session, values) == 1


def use_code(session: Session, request_id: str, now: dt.datetime) -> bool:
    """Consume a code in one conditional UPDATE; False when it was used before."""
    return _USE_CODE.change(session, {"request_id": request_id, "now": now}) == 1
