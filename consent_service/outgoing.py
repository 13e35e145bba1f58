"""The one way to ask an address that somebody else gave us.

Who names an address in a registration or a stream decides where our server connects to. So the
address is looked at before anything is sent, and what was looked at is what is connected to; the
answer has a bound on time and one on size, whatever the other side does.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpcore2
import httpx2

from consent_service.addresses import PORTS, NotAllowed, allowed, problem, split

Resolve = Callable[[str, int], Sequence[str]]

CONNECT = 3.0  # seconds to resolve, connect and shake hands
TOTAL = 8.0  # seconds for everything
LARGEST = 256 * 1024  # bytes of an answer
_resolvers = ThreadPoolExecutor(8, thread_name_prefix="resolve")  # the system's resolver knows no time limit


class Unanswered(Exception):
    """Nothing usable came back: too late, too long, or the connection failed; later it may.

    The message says why in a few words, and nothing of what was sent or received but a status.
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; a redirect is an answer like any other and is never followed."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case; of a header that comes twice, the last."""


def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system knows them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


@cache
def system_tls() -> ssl.SSLContext:
    """Certificates are checked by the system's authorities, or those that ``SSL_CERT_FILE`` names."""
    return httpx2.create_ssl_context()


@dataclass(frozen=True)
class Outgoing:
    """Asks, by the rules of this installation.

    :param sandbox: whether this machine and private networks may be asked, and plain http on loopback
    :param resolve: names to addresses
    :param tls: how certificates are checked
    """

    sandbox: bool = False
    resolve: Resolve = system_resolve
    tls: ssl.SSLContext = field(default_factory=system_tls)

    def get(self, url: str, *, seconds: float = TOTAL, most: int = LARGEST, accept: str = "*/*") -> bytes:
        """The body of what an address serves.

        :raises NotAllowed: the address is none that we ask
        :raises Unanswered: no answer, or another status than 200
        """
        return self.look(url, seconds=seconds, most=most, accept=accept).body

    def look(self, url: str, *, seconds: float = TOTAL, most: int = LARGEST, accept: str = "*/*") -> Answer:
        """The same with the headers, for who keeps what came back.

        :raises NotAllowed: the address is none that we ask
        :raises Unanswered: no answer, or another status than 200
        """
        answer = self._ask("GET", url, {"Accept": accept}, None, seconds, most)
        if answer.status != 200:
            raise Unanswered(f"it answered {answer.status}")
        return answer

    def post(
        self,
        url: str,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = TOTAL,
        most: int = LARGEST,
    ) -> Answer:
        """Send a body; whatever status comes back is the caller's to judge.

        :param headers: beside the content type, for example ``Authorization``
        :raises NotAllowed: the address is none that we ask
        :raises Unanswered: no answer
        """
        sent = {"Accept": "application/json", **(headers or {}), "Content-Type": content_type}
        return self._ask("POST", url, sent, body, seconds, most)

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        most: int,
    ) -> Answer:
        """One request.

        1. The address is written as one that we ask (:func:`problem`).
        2. Its name is resolved once, and every address that it has may be asked.
        3. Those addresses are connected to, and nothing is resolved again; TLS and ``Host`` still
           say the name, so the certificate is held against it.
        4. Redirects are not followed, proxies of the environment are not used.
        5. Reading stops at the size, and every wait at the time that is left.
        """
        if wrong := problem(url, sandbox=self.sandbox):
            raise NotAllowed(wrong)
        deadline = time.monotonic() + seconds
        parts = split(url)
        port = parts.port or PORTS[parts.scheme]
        addresses = self._addresses(parts.hostname or "", port, parts.scheme, deadline)
        backend = _Pinned(addresses, deadline)
        sent = {"User-Agent": "consent-service", **headers}
        if body is not None:
            sent["Content-Length"] = str(len(body))
        received = bytearray()
        try:
            with (
                httpcore2.ConnectionPool(ssl_context=self.tls, network_backend=backend) as pool,
                pool.stream(method, url, headers=list(sent.items()), content=body) as answer,
            ):
                for chunk in answer.iter_stream():
                    received += chunk
                    if len(received) > most:
                        raise Unanswered("the answer is too long")
                named = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
                }
                return Answer(answer.status, bytes(received), named)
        except (httpcore2.TimeoutException, TimeoutError) as error:
            raise Unanswered("the answer takes too long") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            raise Unanswered(f"the connection failed: {type(error).__name__}") from error

    def _addresses(self, host: str, port: int, scheme: str, deadline: float) -> list[str]:
        try:
            work = _resolvers.submit(self.resolve, host, port)
            found = [
                ipaddress.ip_address(one) for one in work.result(min(CONNECT, deadline - time.monotonic()))
            ]
        except TookTooLong as error:
            raise Unanswered("its name takes too long to resolve") from error
        except (OSError, ValueError) as error:
            raise Unanswered("its name can't be resolved") from error
        if not found:
            raise Unanswered("its name can't be resolved")
        for address in found:
            if not allowed(address, sandbox=self.sandbox):
                raise NotAllowed("leads to where we don't go: it is not on the public internet")
            if scheme == "http" and not address.is_loopback:
                raise NotAllowed("must be https; plain http is for this machine only")
        return [str(address) for address in found]


class _Pinned(httpcore2.NetworkBackend):
    """Connects to the addresses that were looked at, whatever name it is given."""

    def __init__(self, addresses: Sequence[str], deadline: float) -> None:
        self._addresses, self._deadline = addresses, deadline
        self._under = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        until = min(self._deadline, time.monotonic() + CONNECT)
        for place, address in enumerate(self._addresses):
            try:
                stream = self._under.connect_tcp(address, port, _left(until), None, socket_options)
            except httpcore2.NetworkError:
                if place == len(self._addresses) - 1:
                    raise
            else:
                return _Bounded(stream, self._deadline)
        raise httpcore2.ConnectError  # there is at least one address


class _Bounded(httpcore2.NetworkStream):
    """A connection that waits no longer than until its deadline, however the bytes drip."""

    def __init__(self, under: httpcore2.NetworkStream, deadline: float) -> None:
        self._under, self._deadline = under, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._under.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._under.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._under.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = min(CONNECT, _left(self._deadline))
        return _Bounded(self._under.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._under.get_extra_info(info)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout
    return left
