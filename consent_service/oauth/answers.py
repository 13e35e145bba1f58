"""The authorization response: where the browser goes back to, and with what (RFC 6749 section 4.1.2)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.oauth import jarm
from consent_service.oauth.store import AuthorizationRow


@dataclass(frozen=True, slots=True)
class Back:
    """Whose the answer is, where it goes, and how it is written."""

    client_id: str
    redirect_uri: str
    state: str | None
    mode: str

    @classmethod
    def of(cls, row: AuthorizationRow) -> Back:
        """What an authorization was asked for with."""
        return cls(row.client_id, row.redirect_uri, row.state, row.response_mode)


def answer_url(
    session: Session, settings: Settings, back: Back, answer: dict[str, str], now: dt.datetime
) -> str:
    """The client's address with the answer, ``state`` and ``iss`` (RFC 9207), or with one JWT of all that."""
    whole = answer | ({"state": back.state} if back.state is not None else {})
    if back.mode in jarm.SIGNED:
        whole = {"response": jarm.signed(session, settings, back.client_id, whole, now)}
    else:
        whole["iss"] = settings.issuer
    return with_query(back.redirect_uri, whole)


def with_query(uri: str, parameters: dict[str, str]) -> str:
    """An address with parameters after those that it has."""
    parts = urlsplit(uri)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    return urlunsplit(parts._replace(query=query))
