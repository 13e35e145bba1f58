"""Asking another machine without letting it hold us up: a bound on time and one on size, whatever it does."""

from __future__ import annotations

import time

import httpx2


class Unanswered(Exception):
    """No usable answer; the message says why in a few words."""


def fetch(
    http: httpx2.Client, url: str, *, seconds: float, most: int, content: bytes | None = None
) -> tuple[int, bytes]:
    """GET, or POST when there is content; the status and the body.

    The client's own timeouts count from one byte to the next, so a peer that drips would be
    waited for without end; here the whole answer has its time.

    :param seconds: for the whole answer
    :param most: bytes of the body
    :raises Unanswered: too late, too long, or the connection failed
    """
    deadline, body = time.monotonic() + seconds, bytearray()
    try:
        method = "GET" if content is None else "POST"
        with http.stream(method, url, content=content, timeout=seconds) as answer:
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > most:
                    raise Unanswered("the answer is too long")
                if time.monotonic() > deadline:
                    raise Unanswered("the answer takes too long")
            return answer.status_code, bytes(body)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unanswered(str(error) or type(error).__name__) from error
