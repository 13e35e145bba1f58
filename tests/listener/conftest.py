"""A listener with limits of the test's choice, before an application that records what reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consent_service.listener.context import EVERYBODY, NOBODY, Reloading
from consent_service.listener.limits import Limits
from consent_service.listener.server import Listener, Place
from tests.certificates import SERVER, Issued, issue

SECRET = "s" * 40
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@dataclass
class Front:
    """A running listener, and what the application got."""

    port: int
    server: Issued
    files: tuple[Path, Path]
    contexts: Reloading
    received: list[bytes] = field(default_factory=list)
    answer: bytes = ANSWER
    stop: object = None

    def tls(self, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if client:
            context.load_cert_chain(*client)
        return context

    def connect(self, context: ssl.SSLContext | None = None, name: str = "localhost") -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        return (context or self.tls()).wrap_socket(plain, server_hostname=name)

    def say(self, *parts: bytes, client: tuple[Path, Path] | None = None, name: str = "localhost") -> bytes:
        """Send, and read until the listener hangs up."""
        with self.connect(self.tls(client), name) as connection:
            for part in parts:
                connection.sendall(part)
            return read_all(connection)

    def status(self, *parts: bytes) -> int:
        answer = self.say(*parts)
        return int(answer.split()[1]) if answer else 0


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ssl.SSLEOFError, ConnectionError):
        while data := connection.recv(65536):
            answer += data
    return answer


class Fronts:
    """Makes them, and ends them with the test."""

    def __init__(self, tmp_path: Path, folder: Path, ends: contextlib.ExitStack) -> None:
        self._tmp, self._folder, self._ends = tmp_path, folder, ends

    def make(self, *, secret: str = SECRET, ask: str = EVERYBODY, **limits: float) -> Front:
        return self._ends.enter_context(
            self._running(secret, ask, Limits(**{"linger_seconds": 0.2, **limits}))
        )  # type: ignore[arg-type]

    @contextlib.contextmanager
    def _running(self, secret: str, ask: str, limits: Limits) -> Iterator[Front]:
        server = issue(usage=[SERVER])
        files = server.write(self._tmp, "server")
        contexts = Reloading(*files, ask if secret else NOBODY)
        listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        front = Front(listening.getsockname()[1], server, files, contexts)
        path = str(self._folder / "app.sock")
        ready, loop = threading.Event(), asyncio.new_event_loop()

        async def run() -> None:
            front.stop = stop = asyncio.Event()
            application = await asyncio.start_unix_server(answering, path, backlog=1024)
            ready.set()
            await Listener(contexts, Place(path, secret), limits).serve(listening, stop)
            application.close()

        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            for line in request.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    request += await reader.readexactly(int(line.partition(b":")[2]))
            front.received.append(request)
            with contextlib.suppress(ConnectionError):
                writer.write(front.answer)
                await writer.drain()
            writer.close()

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
        thread.start()
        ready.wait(5)
        try:
            yield front
        finally:
            loop.call_soon_threadsafe(front.stop.set)  # type: ignore[attr-defined]
            thread.join(timeout=10)
            loop.close()


@pytest.fixture
def fronts(tmp_path: Path) -> Iterator[Fronts]:
    # A Unix socket's path is short by nature; a test's folder may not be.
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        yield Fronts(tmp_path, Path(folder), ends)


@pytest.fixture
def front(fronts: Fronts) -> Front:
    return fronts.make()
