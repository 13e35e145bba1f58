"""The authorization response: where the browser goes back to, and with what (RFC 6749 section 4.1.2)."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from consent_service.config import Settings


def answer_url(settings: Settings, redirect_uri: str, state: str | None, answer: dict[str, str]) -> str:
    """The client's address with the answer, its ``state``, and ``iss`` (RFC 9207)."""
    whole = answer | ({"state": state} if state is not None else {}) | {"iss": settings.issuer}
    return with_query(redirect_uri, whole)


def with_query(uri: str, parameters: dict[str, str]) -> str:
    """An address with parameters after those that it has."""
    parts = urlsplit(uri)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    return urlunsplit(parts._replace(query=query))
