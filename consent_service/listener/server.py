"""Taking connections from a socket that other listeners share, until told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from dataclasses import dataclass

from OpenSSL import SSL

from consent_service.listener.context import Reloading
from consent_service.listener.headers import Edge
from consent_service.listener.limits import Budget, Doors, Limits
from consent_service.listener.relay import Relay
from consent_service.listener.stream import CHUNK, Ended, TlsStream
from consent_service.listener.upstream import Application
from consent_service.web.client_cert import LARGEST

LOOK_EVERY = 30.0  # seconds between two looks at the certificate's files
STOP_WITHIN = 5.0  # seconds for requests that are under way


@dataclass(frozen=True, slots=True)
class Place:
    """Where the application is, and what we say to it.

    :param secret: shared with the application; empty behind a proxy, whose word goes on as it came
    """

    application: str
    secret: str


class Listener:
    """One process's part of the listening."""

    def __init__(self, contexts: Reloading, place: Place, limits: Limits | None = None) -> None:
        self._contexts, self._place = contexts, place
        self._limits = limits or Limits()
        self._budget = Budget(self._limits.held_bytes)
        self._doors = Doors(self._limits, by_address=bool(place.secret))
        self._application = Application(place.application, self._limits)
        self._relays: dict[asyncio.Task[None], Relay | None] = {}
        self._stopping = asyncio.Event()

    async def serve(self, listening: socket.socket, stop: asyncio.Event) -> None:
        """Serve until ``stop``; then end what waits, and let what is under way finish."""
        server = await asyncio.start_server(self._take, sock=listening, limit=CHUNK, start_serving=True)
        looking = asyncio.create_task(self._look())
        await stop.wait()
        looking.cancel()
        server.close()
        self._stopping.set()
        for task, relay in list(self._relays.items()):
            if relay is None or relay.idle:
                task.cancel()
        if self._relays:
            _done, late = await asyncio.wait(self._relays, timeout=STOP_WITHIN)
            for task in late:
                task.cancel()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = _address(writer)
        if not self._doors.enter(address):
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (a coroutine that runs has one)
        self._relays[task] = None
        try:
            await self._connection(reader, writer, address, task)
        except (Ended, OSError, TimeoutError, asyncio.CancelledError):
            pass  # the client is gone, too slow, or we are stopping
        except Exception as error:  # noqa: BLE001  (one connection's fault ends that connection)
            sys.stderr.write(f"a connection ended by {type(error).__name__}\n")
        finally:
            del self._relays[task]
            self._doors.leave(address)
            writer.transport.abort() if self._stopping.is_set() else writer.close()

    async def _connection(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
        task: asyncio.Task[None],
    ) -> None:
        """Agree on keys within the time for it, then serve requests."""
        stream = TlsStream(self._contexts.current, reader, writer)
        async with asyncio.timeout(self._limits.handshake_seconds):
            certificate = await stream.handshake()
        if certificate is not None and len(certificate) > LARGEST:
            return
        edge = Edge(address, certificate, self._place.secret) if self._place.secret else None
        relay = self._relays[task] = Relay(stream, self._application, edge, self._limits, self._budget)
        await relay.run(self._stopping)
        async with asyncio.timeout(self._limits.write_seconds):
            await stream.close()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                self._contexts.look()
            except (SSL.Error, OSError) as error:
                sys.stderr.write(f"the new certificate can't be used, the old one stays: {error}\n")


def _address(writer: asyncio.StreamWriter) -> str:
    """The client's address as the application's logs and limits know it."""
    peer = writer.get_extra_info("peername")
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0]) if peer else None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address or "unknown")
