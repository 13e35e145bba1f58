"""One client's connection: each request is read whole, written anew to the application, and answered.

Nothing of a request's bytes goes on as it came. h11 parses both sides, each request has one counted
length, and a connection to the application carries one request: whatever two parsers might disagree
on, nobody else's request stands behind it (RFC 9112 section 11.2).
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Protocol

import h11

from consent_service.listener.headers import Edge, for_application, for_client
from consent_service.listener.limits import Budget, Exhausted, Limits, Share
from consent_service.listener.upstream import Application, Failed

WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})


class Stream(Protocol):
    """A client's plaintext; nothing read means that the client ended."""

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...


class Answered(Exception):
    """The listener answers itself, and the connection ends."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class Relay:
    """Between one client and the application.

    :param edge: what we vouch for, or None behind a proxy, which does
    """

    def __init__(
        self, client: Stream, application: Application, edge: Edge | None, limits: Limits, budget: Budget
    ) -> None:
        self._client, self._application, self._edge = client, application, edge
        self._limits, self._budget = limits, budget
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)
        self.idle = True
        """Whether it waits for a request, and may be hung up on."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve requests until the client ends, breaks the protocol or is too slow."""
        try:
            while await self._one() and not stopping.is_set():
                self._http.start_next_cycle()
        except Answered as answered:
            await self._say(answered.status)
        except h11.RemoteProtocolError as error:
            await self._say(HTTPStatus(error.error_status_hint))

    async def _one(self) -> bool:
        """One request; whether another may follow.

        1. The header, whole, within its time and size, and in a form that can't be read in two ways.
        2. The body, whole, within its time and size, and within what all connections may hold.
        3. To the application, and its answer back, piece by piece.
        """
        if not await self._begun():
            return False
        try:
            async with asyncio.timeout(self._limits.header_seconds):
                request = await self._next()
            if not isinstance(request, h11.Request):
                return False
            self._check(request)
            with self._budget.share() as share:
                async with asyncio.timeout(self._limits.body_seconds):
                    body = await self._body(share)
                return await self._pass_on(request, body)
        except TimeoutError:
            raise Answered(HTTPStatus.REQUEST_TIMEOUT) from None
        except Exhausted:
            raise Answered(HTTPStatus.SERVICE_UNAVAILABLE) from None

    async def _begun(self) -> bool:
        """Wait for the first bytes of a request, unless they came with the one before."""
        if self._http.trailing_data[0]:
            return True
        self.idle = True
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                data = await self._client.read()
        except TimeoutError:
            return False
        self.idle = False
        if data:
            self._http.receive_data(data)
        return bool(data)

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._client.read())
        return event

    def _check(self, request: h11.Request) -> None:
        """What we don't take: two framings, a target that is no path, no host, a tunnel, too much."""
        names = [name for name, _value in request.headers]
        length = next((int(value) for name, value in request.headers if name == b"content-length"), 0)
        if b"content-length" in names and b"transfer-encoding" in names:  # RFC 9112 section 6.1
            raise Answered(HTTPStatus.BAD_REQUEST)
        if request.method == b"CONNECT":
            raise Answered(HTTPStatus.METHOD_NOT_ALLOWED)
        if not request.target.startswith(b"/") or b"host" not in names:  # RFC 9112 section 3.2
            raise Answered(HTTPStatus.BAD_REQUEST)
        if length > self._limits.body_bytes:
            raise Answered(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    async def _body(self, share: Share) -> bytes:
        parts: list[bytes] = []
        while not isinstance(event := await self._next(), h11.EndOfMessage):  # its trailers stay here
            if not isinstance(event, h11.Data):
                raise Answered(HTTPStatus.BAD_REQUEST)
            share.take(len(event.data))
            parts.append(bytes(event.data))
            if share.held > self._limits.body_bytes:
                raise Answered(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return b"".join(parts)

    async def _pass_on(self, request: h11.Request, body: bytes) -> bool:
        length = len(body) if body or request.method in WITH_BODY else None
        headers = for_application(request.headers, length, self._edge)
        onward = h11.Request(
            method=request.method, target=request.target, headers=[*headers, (b"connection", b"close")]
        )
        begun = False
        try:
            async with self._application.asked(onward, body) as answer:
                head = await answer.head()
                data = await answer.data()
                begun = True
                back = for_client(head.headers)
                await self._send(
                    h11.Response(status_code=head.status_code, reason=head.reason, headers=back),
                    h11.Data(data=data),
                )
                while data := await answer.data() if data else b"":
                    await self._send(h11.Data(data=data))
                await self._send(h11.EndOfMessage())
        except Failed as failed:
            if begun:  # the client sees a broken answer as one
                return False
            raise Answered(failed.status) from failed
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _send(self, *events: h11.Event) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        if data:
            try:
                async with asyncio.timeout(self._limits.write_seconds):
                    await self._client.write(data)
            except TimeoutError:
                raise ConnectionAbortedError("the client takes nothing") from None

    async def _say(self, status: HTTPStatus) -> None:
        """A problem (RFC 9457) of our own, after which the connection ends."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        body = json.dumps({"type": "about:blank", "title": status.phrase, "status": int(status)}).encode()
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self._send(
            h11.Response(status_code=int(status), reason=status.phrase.encode(), headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        await self._linger()

    async def _linger(self) -> None:
        """Read on for a little: a reset would cost the client our answer (RFC 9112 section 9.6)."""
        left = self._limits.body_bytes
        try:
            async with asyncio.timeout(self._limits.linger_seconds):
                while left > 0 and (data := await self._client.read()):
                    left -= len(data)
        except TimeoutError:
            return
