"""Which language a page speaks: the person's choice, then the request's, then the browser's, then English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Response, request
from flask.globals import request_ctx

from consent_service.web.session import ASKED_LANGUAGE, LANGUAGE

ENGLISH = "en"
LANGUAGES = {
    ENGLISH: "English",
    "nb": "Norsk bokmål",
    "sv": "Svenska",
    "da": "Dansk",
    "fi": "Suomi",
    "is": "Íslenska",
}
"""What the pages speak, by BCP 47 tag, each under its own name."""
READ_ALIKE = {"no": "nb", "nn": "nb"}
"""Browsers say ``no`` for both written forms; who reads ``nn`` reads ``nb`` before English."""


def first(tags: Iterable[str]) -> str | None:
    """The first of these BCP 47 tags that the pages speak; a region or a script changes nothing."""
    for tag in tags:
        primary = tag.strip().replace("_", "-").partition("-")[0].lower()
        language = READ_ALIKE.get(primary, primary)
        if language in LANGUAGES:
            return language
    return None


def of_request() -> str:
    """The language of the answer to this request.

    1. What the person chose, in this session or an earlier one.
    2. ``ui_locales`` of the authorization request that the browser came with (OpenID Connect Core
       section 3.1.2.1).
    3. The browser's own languages (RFC 9110 section 12.5.4).
    """
    held: Mapping[str, Any] = request_ctx.session or {}  # none, where the database did not answer
    for kept in (held.get(LANGUAGE), held.get(ASKED_LANGUAGE)):
        if kept in LANGUAGES:
            return str(kept)
    wanted = (tag for tag, quality in request.accept_languages if quality > 0)
    return first(wanted) or ENGLISH


def declare(response: Response, language: str) -> None:
    """Say which language an answer for people is in (RFC 9110 section 8.5)."""
    if response.mimetype in {"text/html", "application/problem+json"}:
        response.content_language.add(language)
        response.vary.add("Accept-Language")
