"""The application on its Unix socket: a fresh connection for each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import h11

from consent_service.listener.limits import Limits

CHUNK = 64 * 1024


class Failed(Exception):
    """The application gave no answer, or no whole one."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class Answer:
    """What the application says to one request, as it comes."""

    def __init__(self, reader: asyncio.StreamReader, http: h11.Connection, limits: Limits) -> None:
        self._reader, self._http, self._limits = reader, http, limits

    async def head(self) -> h11.Response:
        """Status and header; raises Failed."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise Failed(HTTPStatus.BAD_GATEWAY)

    async def data(self) -> bytes:
        """The next piece of the body, nothing at its end; raises Failed where it is cut off."""
        while True:
            event = await self._next()
            if isinstance(event, h11.EndOfMessage):
                return b""
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)

    async def _next(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(self._limits.answer_seconds):
                    data = await self._reader.read(CHUNK)
                self._http.receive_data(data)
        except TimeoutError:
            raise Failed(HTTPStatus.GATEWAY_TIMEOUT) from None
        except (h11.RemoteProtocolError, OSError) as error:
            raise Failed(HTTPStatus.BAD_GATEWAY) from error
        if isinstance(event, h11.ConnectionClosed):
            raise Failed(HTTPStatus.BAD_GATEWAY)
        return event


class Application:
    """Asks the application, not more at one time than its socket's backlog bears."""

    def __init__(self, socket: str, limits: Limits) -> None:
        self._socket, self._limits = socket, limits
        self._turns = asyncio.Semaphore(limits.in_flight)

    @asynccontextmanager
    async def asked(self, request: h11.Request, body: bytes) -> AsyncIterator[Answer]:
        """Send one request; the connection ends with the block.

        :raises Failed: the application is not there, or too busy
        """
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Failed(HTTPStatus.SERVICE_UNAVAILABLE) from None
        try:
            http = h11.Connection(h11.CLIENT)
            parts = (
                (request, h11.Data(data=body), h11.EndOfMessage()) if body else (request, h11.EndOfMessage())
            )
            sent = b"".join(http.send(part) or b"" for part in parts)
            try:
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=CHUNK)
            except OSError as error:
                raise Failed(HTTPStatus.BAD_GATEWAY) from error
            try:
                writer.write(sent)  # it is bounded, and a refusal may come before all of it is taken
                yield Answer(reader, http, self._limits)
            finally:
                writer.close()
        finally:
            self._turns.release()
