"""A server of somebody else's: what a client publishes itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Host:
    """Serves documents, each with a status, a body and headers, and remembers what it was asked for."""

    origin: str = ""
    served: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)
    """Cleared, it keeps whoever asks waiting."""

    def serve(self, path: str, document: Any, status: int = 200, **headers: str) -> str:
        """Serve a document from now on; returns its address."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.served[path] = status, body, {name.replace("_", "-"): value for name, value in headers.items()}
        return self.origin + path


@pytest.fixture
def host() -> Iterator[Host]:
    """On this machine, which a service in the sandbox asks too."""
    made = Host()
    made.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            made.answers.wait(10)
            status, body, headers = made.served.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.origin = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield made
    made.answers.set()
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()
