"""``python -m consent_service.listener``: started by ``consent-service serve --tls-cert``, not by hand."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from consent_service.listener.context import EVERYBODY, NOBODY, Reloading
from consent_service.listener.server import Listener, Place

SECRET = "CONSENT_LISTENER_SECRET"


async def run(listener: Listener, listening: socket.socket) -> None:
    """Serve until a signal comes, or whoever started us is gone: it holds our standard input open."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    await listener.serve(listening, stop)


def main() -> None:
    """Read what we were told, and listen on the socket that was handed down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--application", required=True)
    parser.add_argument("--tls-cert", type=Path, required=True)
    parser.add_argument("--tls-key", type=Path, required=True)
    parser.add_argument("--behind-proxy", action="store_true")
    parser.add_argument("--ask", default=EVERYBODY)
    given = parser.parse_args()
    contexts = Reloading(given.tls_cert, given.tls_key, NOBODY if given.behind_proxy else given.ask)
    place = Place(given.application, "" if given.behind_proxy else os.environ[SECRET])
    listening = socket.socket(fileno=given.fd)
    listening.setblocking(False)

    async def serve() -> None:
        await run(Listener(contexts, place), listening)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
