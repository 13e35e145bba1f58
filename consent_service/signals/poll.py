"""Poll-based delivery (RFC 8936): acknowledge what has arrived, and fetch what waits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

import structlog

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.signals import store
from consent_service.signals.model import Stream
from consent_service.signals.transmit import signed

MOST = 100  # events in one answer
PATIENCE = 10.0  # seconds that a poll waits for an event
BETWEEN = 0.5  # seconds between looks
_waiting = BoundedSemaphore(4)
"""Polls of one worker that wait: each holds a thread, and requests need threads too."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What a receiver asks for, and what it has to say of what it got before."""

    max_events: int | None
    at_once: bool
    ack: tuple[str, ...]
    errors: dict[str, dict[str, str]]


def answer(settings: Settings, stream: Stream, asked: Poll) -> dict[str, Any]:
    """Answer a poll.

    1. What is acknowledged, and what the receiver could not take, is not offered again
       (section 2.4.1 and 2.4.3).
    2. Up to ``maxEvents`` of what waits, oldest first; with 0 it was an acknowledgement alone.
    3. Where nothing waits and an answer at once was not asked for, wait for a while (section 2.2).
    """
    if done := {*asked.ack, *asked.errors}:
        with writing() as session:
            store.forget(session, stream, done)
    for problem in asked.errors.values():
        structlog.get_logger().warning("event refused", client_id=stream.client_id, problem=_code(problem))
    most = MOST if asked.max_events is None else min(MOST, asked.max_events)
    if most == 0:
        more = bool(store.waiting(reading(), stream, 1))
        return {"sets": {}, "moreAvailable": more}
    made = list(store.waiting(reading(), stream, most + 1))
    if not made and not asked.at_once and _waiting.acquire(blocking=False):
        try:
            made = _wait(settings, stream, most + 1)
        finally:
            _waiting.release()
    given = made[:most]
    return {
        "sets": dict(zip([one["jti"] for one in given], signed(reading(), settings, given), strict=True)),
        "moreAvailable": len(made) > most,
    }


def _wait(settings: Settings, stream: Stream, limit: int) -> list[dict[str, Any]]:
    """What comes within a while, as the stream stands then: it may be paused, or gone."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        reading().rollback()  # its connection goes back while this poll sleeps
        time.sleep(BETWEEN)
        present = store.find(reading(), stream.stream_id, settings.secret_key)
        if present is None:
            break
        if made := list(store.waiting(reading(), present, limit)):
            return made
    return []


def _code(problem: dict[str, str]) -> str:
    """The error code that a receiver states, if it looks like one."""
    code = problem["err"]
    return code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 64 else "unknown"
