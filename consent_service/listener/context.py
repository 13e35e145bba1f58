"""How TLS is spoken: FAPI 2.0 section 5.2, BCP 195 (RFC 9325)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from OpenSSL import SSL

CIPHERS_1_2 = b":".join(
    (
        b"ECDHE-ECDSA-AES128-GCM-SHA256",
        b"ECDHE-RSA-AES128-GCM-SHA256",
        b"ECDHE-ECDSA-AES256-GCM-SHA384",
        b"ECDHE-RSA-AES256-GCM-SHA384",
    )
)
"""RFC 9325 section 4.2, the whole list."""
CIPHERS_1_3 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"


NOBODY, EVERYBODY = "", "*"
"""Whom to ask for a certificate, beside: whoever calls us by one host name."""


def make(certificate: Path, key: Path, ask: str) -> SSL.Context:
    """A server's context.

    1. TLS 1.2 or 1.3, with the suites above; no renegotiation.
    2. No session is resumed: a client proves its key on every connection, so that what we say of
       its certificate was shown on this one.
    3. A certificate is requested and none is required. Whichever comes is taken: whether it is
       trusted, and as whose, is the application's to judge. That the client has its private key TLS
       itself checks.

    :param ask: ``EVERYBODY``, ``NOBODY``, or the host name (RFC 6066 section 3) under which clients
        with certificates call: a browser that has some would ask a person to choose one
    :raises SSL.Error: certificate and key are not PEM, or don't belong together
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS_1_2)
    context.set_tls13_ciphersuites(CIPHERS_1_3)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"consent-service")
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.check_privatekey()
    context.set_alpn_select_callback(_speak_http_1)
    if ask == EVERYBODY:
        context.set_verify(SSL.VERIFY_PEER, _take)
    elif ask != NOBODY:
        context.set_tlsext_servername_callback(partial(_ask_under, ask.lower().encode()))
    return context


def _take(*_seen: object) -> bool:
    return True


def _ask_under(name: bytes, connection: SSL.Connection) -> None:
    if (connection.get_servername() or b"").lower() == name:
        connection.set_verify(SSL.VERIFY_PEER, _take)


def _speak_http_1(_connection: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class Reloading:
    """The context of the files as they are: a renewed certificate is used by the next connection."""

    def __init__(self, certificate: Path, key: Path, ask: str) -> None:
        self._files, self._ask = (certificate, key), ask
        self._seen = self._stamps()
        self.current = make(certificate, key, ask)

    def look(self) -> None:
        """Read the files again where they changed; half-written ones change nothing yet.

        :raises SSL.Error: they can't be used; the old ones stay in use
        :raises OSError: they can't be read
        """
        if (stamps := self._stamps()) != self._seen:
            self.current = make(*self._files, self._ask)
            self._seen = stamps

    def _stamps(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns for file in self._files)
