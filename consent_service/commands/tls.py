"""Our own TLS in front of granian: the listening socket, the processes that serve it, the way between.

Granian then listens on a Unix socket in a folder that nobody else may enter, so that the only way to
the application is through the listener, which says who is calling (ADR 13).
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from OpenSSL import SSL

from consent_service.commands import CommandError
from consent_service.listener import context
from consent_service.listener.__main__ import SECRET

BACKLOG = 1024
MOST = 8  # listeners; together they stay below the backlog of the application's socket
AGAIN_AFTER = 1.0  # seconds
STOP_WITHIN = 8.0  # seconds
INHERITED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")


@dataclass(frozen=True, slots=True)
class Front:
    """What stands in front.

    :param behind_proxy: the operator's proxies say who is calling (``CONSENT_TRUSTED_PROXIES``)
    :param ask: whom to ask for a certificate (``listener/context.py``)
    """

    host: str
    port: int
    certificate: Path
    key: Path
    processes: int
    behind_proxy: bool
    ask: str = context.EVERYBODY


@contextmanager
def listening(front: Front) -> Iterator[tuple[Path | None, dict[str, str]]]:
    """Listen until the block ends; gives the socket for the application, and settings for it.

    :raises CommandError: the certificate can't be used, or the port is taken
    """
    try:
        context.make(front.certificate, front.key, front.ask)
    except SSL.Error as error:
        raise CommandError(
            "--tls-cert and --tls-key must be a certificate chain and its key, as PEM"
        ) from error
    folder = Path(tempfile.mkdtemp(prefix="consent-"))  # for its owner alone
    # Behind a proxy the secret, if any, is the operator's: the proxy has it too.
    additions = (
        {} if front.behind_proxy else {SECRET: secrets.token_urlsafe(32), "CONSENT_TRUSTED_PROXIES": "1"}
    )
    try:
        with _bound(front) as bound:
            watch = _Watch(front, bound, folder / "app.sock", additions)
            try:
                yield folder / "app.sock", additions
            finally:
                watch.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bound(front: Front) -> socket.socket:
    try:
        return socket.create_server(
            (front.host, front.port),
            family=socket.AF_INET6 if ":" in front.host else socket.AF_INET,
            backlog=BACKLOG,
        )
    except OSError as error:
        raise CommandError(f"{front.host}:{front.port} can't be listened on: {error.strerror}") from error


class _Watch:
    """Keeps the listeners running: one that ends is started again."""

    def __init__(
        self, front: Front, bound: socket.socket, application: Path, additions: Mapping[str, str]
    ) -> None:
        self._front, self._bound, self._application = front, bound, application
        # Not the application's secrets: whoever breaks into the listener finds its own alone.
        self._environ = {name: os.environ[name] for name in INHERITED if name in os.environ} | dict(additions)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, daemon=True) for _ in range(min(front.processes, MOST))
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            process = self._start()
            while process.poll() is None and not self._stopping.wait(0.2):
                pass
            if self._stopping.is_set():
                self._end(process)
            else:
                click.echo(f"a TLS listener ended ({process.returncode}) and is started again", err=True)
                self._stopping.wait(AGAIN_AFTER)

    def _start(self) -> subprocess.Popen[bytes]:
        arguments = [
            *("--fd", str(self._bound.fileno()), "--application", str(self._application)),
            *("--tls-cert", str(self._front.certificate), "--tls-key", str(self._front.key)),
            *("--ask", self._front.ask),
            *(("--behind-proxy",) if self._front.behind_proxy else ()),
        ]
        return subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "consent_service.listener", *arguments],
            env=self._environ,
            stdin=subprocess.PIPE,  # it ends when we are gone, however that comes
            pass_fds=(self._bound.fileno(),),
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(timeout=STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
