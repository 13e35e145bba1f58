"""Which header fields go on, and what the listener says itself; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consent_service.web import client_cert

Headers = list[tuple[bytes, bytes]]

ONE_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade content-length expect http2-settings".split()
)
"""Fields that speak of this connection or of how this message is framed (RFC 9110 section 7.6.1)."""
OURS = (
    b"client-cert",
    b"x-forwarded",
    b"forwarded",
    b"x-real-ip",
    client_cert.SECRET_HEADER.lower().encode(),
)
"""Fields that only a trusted writer may set, by how their names begin (RFC 9440 section 4)."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What the listener vouches for on one connection: the address it comes from, its certificate."""

    address: str
    certificate: bytes | None
    secret: str

    def fields(self) -> Headers:
        said = [
            (b"x-forwarded-for", self.address.encode()),
            (b"x-forwarded-proto", b"https"),
            (client_cert.SECRET_HEADER.encode(), self.secret.encode()),
        ]
        if self.certificate is not None:
            said.append((client_cert.HEADER.encode(), client_cert.encode(self.certificate).encode()))
        return said


def for_application(received: Iterable[tuple[bytes, bytes]], body: int | None, edge: Edge | None) -> Headers:
    """The fields of a request as they go on.

    1. What speaks of one connection stays here, with what ``Connection`` names.
    2. A name with an underscore stays here: CGI can't tell ``client_cert`` from ``Client-Cert``.
    3. On the edge, what only we may say is dropped and said by us. Behind a proxy (``edge`` None) it is
       the proxy's, and goes on.
    4. The body's length is the one that was counted, and nothing else frames it.

    :param body: its length in bytes; None where there is none and the method needs none
    """
    pairs = [(name.lower(), value) for name, value in received]
    named = {
        option.strip().lower()
        for name, value in pairs
        if name == b"connection"
        for option in value.split(b",")
    }
    kept = [
        (name, value)
        for name, value in pairs
        if name not in ONE_HOP
        and (name not in named or name == b"host")
        and b"_" not in name
        and not (edge and name.startswith(OURS))
    ]
    if edge:
        kept += edge.fields()
    if body is not None:
        kept.append((b"content-length", str(body).encode()))
    return kept


def for_client(received: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The fields of an answer as they go back; a length that the application stated is kept."""
    pairs = [(name.lower(), value) for name, value in received]
    return [(name, value) for name, value in pairs if name not in ONE_HOP or name == b"content-length"]
