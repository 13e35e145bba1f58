"""Asking a register over HTTP: bounds on time and size, a few tries with pauses, and credentials.

Nothing of what was sent or received goes into an error: addresses and answers name people.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from consent_service.registry.registers.base import RegisterUnavailable

CONNECT, READ, TOTAL = 1.5, 3.0, 8.0
"""Seconds to connect, to wait for the next bytes, and for everything, pauses included."""
PAUSES = (0.2, 0.6)
"""Seconds before the second and the third try."""
LARGEST = 2 * 1024 * 1024  # bytes of an answer
PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be others a moment later."""
NONE = frozenset({404, 410})
EARLY = 60.0  # seconds before its end in which a token is not used any more
Sign = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, and the document where there is one: 200 has one, the statuses of :data:`NONE` have none."""

    status: int
    document: Any = None


def unsigned() -> Mapping[str, str]:
    """No credentials."""
    return {}


class Asker:
    """Asks one register.

    :param name: the register's, for the person who reads that it does not answer
    :param url: what paths are put behind
    :param sign: the headers that open it, made anew for each try
    """

    def __init__(
        self, name: str, url: str, sign: Sign = unsigned, *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self.name, self.url = name, url
        self._sign, self._pause = sign, pause
        timeout = httpx2.Timeout(READ, connect=CONNECT)
        self._client = httpx2.Client(timeout=timeout, trust_env=False, headers={"Accept": "application/json"})

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """GET; redirects are not followed.

        :raises RegisterUnavailable: no usable answer, after the last try
        """
        return self._ask("GET", path, params=dict(query or {}))

    def post(self, path: str, body: Any) -> Reply:
        """POST of JSON, for registers that are searched so; it changes nothing there.

        :raises RegisterUnavailable: as :meth:`get`
        """
        return self._ask("POST", path, json=body)

    def form(self, path: str, fields: Mapping[str, str]) -> Reply:
        """POST of a form.

        :raises RegisterUnavailable: as :meth:`get`
        """
        return self._ask("POST", path, data=dict(fields))

    def unusable(self, what: str) -> RegisterUnavailable:
        """The error that says that an answer is not in the register's documented form."""
        return RegisterUnavailable(self.name, f"unexpected answer: {what}")

    def _ask(self, method: str, path: str, **options: Any) -> Reply:
        deadline = time.monotonic() + TOTAL
        problem = ""
        for pause in (0.0, *PAUSES):
            if pause and time.monotonic() + pause >= deadline:
                break
            self._pause(pause)
            try:
                status, body = self._once(method, path, deadline, options)
            except (httpx2.HTTPError, TimeoutError) as error:
                problem = type(error).__name__
                continue
            if status in NONE:
                return Reply(status)
            if status == httpx2.codes.OK:
                return Reply(status, self._parsed(body))
            problem = f"status {status}"
            if status not in PASSING:
                break
        raise RegisterUnavailable(self.name, problem)

    def _once(self, method: str, path: str, deadline: float, options: dict[str, Any]) -> tuple[int, bytes]:
        received = bytearray()
        headers = dict(self._sign())
        with self._client.stream(method, f"{self.url}{path}", headers=headers, **options) as answer:
            for chunk in answer.iter_bytes():
                received += chunk
                if len(received) > LARGEST:
                    raise self.unusable("too long")
                if time.monotonic() > deadline:  # the read timeout alone lets bytes drip for ever
                    raise TimeoutError
            return answer.status_code, bytes(received)

    def _parsed(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self.unusable("no JSON") from error


class Token:
    """An access token by client credentials (RFC 6749 section 4.4), kept until shortly before its end."""

    def __init__(self, asker: Asker, client_id: str, secret: str, scope: str) -> None:
        self._asker, self._client_id, self._secret, self._scope = asker, client_id, secret, scope
        self._token, self._until = "", 0.0

    def __call__(self) -> Mapping[str, str]:
        """The header; a new token where the last one ends.

        :raises RegisterUnavailable: none is given
        """
        if time.monotonic() >= self._until:
            fields = {"grant_type": "client_credentials", "client_id": self._client_id}
            given = self._asker.form(
                "", fields | {"client_secret": self._secret, "scope": self._scope}
            ).document
            try:
                self._token = str(given["access_token"])
                self._until = time.monotonic() + float(given.get("expires_in", 0)) - EARLY
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._asker.unusable("no token") from error
        return {"Authorization": f"Bearer {self._token}"}
