"""Errors with two faces: a code and a sentence for the caller, a detail for the log.

Only the edges turn them into OAuth JSON, an AuthZEN 400 or a page.
"""

from __future__ import annotations


class ServiceError(Exception):
    """Something the caller can do about.

    :param code: the standard's error code, for example ``invalid_request`` (RFC 6749 section 5.2)
    :param description: one sentence that says which member is wrong; safe to show
    :param status: the HTTP status for edges that answer with one
    :param detail: for the log only; never shown
    """

    def __init__(self, code: str, description: str, *, status: int = 400, detail: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.status = status
        self.detail = detail


def said(sentence: str) -> str:
    """A sentence that a person may read: marked so that it is translated, which happens where it is shown."""
    return sentence


class ConfigurationError(Exception):
    """A setting that stops the start; the message says which and what to do."""
