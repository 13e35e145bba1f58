"""Browser sessions kept on the server; the browser holds a random key, we hold its SHA-256.

The cookie is ``__Host-session``: Secure, HttpOnly, SameSite=Lax, no Domain (RFC 6265bis
section 4.1.3.2). Lax, because the owner arrives here by a redirect from the bank.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import MutableMapping
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import JSON, String, bindparam, delete, update
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.datastructures import CallbackDict

from consent_service.db import Base, Instant, reading, writing
from consent_service.prepared import Prepared
from consent_service.stored import Rows
from consent_service.web.current import now

COOKIE = "__Host-session"
LIFE = dt.timedelta(hours=8)
KEY_BYTES = 32
BEGUN = "authorizations"
"""Where a session keeps the requests that its browser brought along from a party."""
LOGOUT = "logout"
"""For what a request to sign out is signed, on its way to the page that asks."""
PERSON, SIGNED_IN, SESSION_ID = "person_id", "signed_in", "session_id"
"""Where it keeps who is signed in, how and when, and the session's own id, which outlives its key."""
LANGUAGE, ASKED_LANGUAGE = "language", "asked_language"
"""Where it keeps the language that the person chose, and the one that a client asked for."""


class SessionRow(Base):
    """One browser's session; what it holds is for the portal and the eID round trip only."""

    __tablename__ = "web_session"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    expires_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)


_KNOWN = Rows(SessionRow, SessionRow.key_hash == bindparam("key_hash"))
_KEEP = Prepared(
    update(SessionRow)
    .where(SessionRow.key_hash == bindparam("hashed"))
    .values(data=bindparam("kept"), expires_at=bindparam("until"))
)


class ServerSession(CallbackDict[str, Any], SessionMixin):
    """A session's contents; ``key`` is what the browser sent, or None for a new one."""

    def __init__(self, data: MutableMapping[str, Any], key: str | None) -> None:
        def changed(session: CallbackDict[str, Any]) -> None:
            session.modified = True  # type: ignore[attr-defined]

        super().__init__(data, changed)
        self.key = key
        self.old_key: str | None = None
        self.modified = False
        self.accessed = True  # every answer depends on who asks: Vary: Cookie, never cached

    def renew(self) -> None:
        """Give the session another key: at sign-in and sign-out, so that none can be planted (fixation)."""
        self.old_key, self.key = self.key or self.old_key, None
        self.modified = True


class ServerSessions(SessionInterface):
    """Flask's sessions, in the database."""

    def open_session(self, app: Flask, request: Request) -> ServerSession:
        key = request.cookies.get(COOKIE)
        if key:
            row = _KNOWN.first(reading(), key_hash=_hash(key))
            if row and row.expires_at > now():
                return ServerSession(dict(row.data), key)
        return ServerSession({}, None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not isinstance(session, ServerSession) or not session.modified:
            return
        response.vary.add("Cookie")
        with writing() as database:
            if session.old_key:
                database.execute(delete(SessionRow).where(SessionRow.key_hash == _hash(session.old_key)))
            if not session:
                if session.key:
                    database.execute(delete(SessionRow).where(SessionRow.key_hash == _hash(session.key)))
                response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
                return
            data, expires_at = dict(session), now() + LIFE
            if session.key:
                values = {"hashed": _hash(session.key), "kept": data, "until": expires_at}
                if not _KEEP.change(database, values):
                    return  # it ended while this request was under way, and nothing brings it back
            key = session.key or secrets.token_urlsafe(KEY_BYTES)
            if not session.key:
                database.add(SessionRow(key_hash=_hash(key), data=data, expires_at=expires_at))
        response.set_cookie(COOKIE, key, path="/", secure=True, httponly=True, samesite="Lax")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
