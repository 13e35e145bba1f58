"""How each of the sandbox's programs is served: on this machine only, stopped by a signal, quiet."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from flask import Flask, jsonify
from werkzeug.serving import WSGIRequestHandler, make_server

HOST = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """No request lines: they would carry codes and identifiers."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  (the base class names it)
        if type == "error":
            sys.stderr.write(f"{type}: a request failed\n")


def serve(app: Flask, name: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then stop within a second."""
    app.get("/healthz")(lambda: jsonify(status="ok", program=name))
    server = make_server(HOST, port, app, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]  # a browser's idle connection holds nobody up

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stderr.write(f"{name} listens on http://localhost:{server.port}\n")
    server.serve_forever(poll_interval=0.1)
    server.server_close()
