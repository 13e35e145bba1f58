"""TLS over asyncio's plain streams, by OpenSSL with memory buffers.

Python's own ``ssl`` takes no certificate that it can't verify; OpenSSL does.
"""

from __future__ import annotations

import asyncio

from OpenSSL import SSL, crypto

CHUNK = 16 * 1024  # bytes: one TLS record


class Ended(Exception):
    """The peer is gone, or does not speak TLS."""


class TlsStream:
    """One connection's plaintext side; one reader and one writer at a time.

    Back pressure is the plain streams': nothing is read that nobody waits for, and a write waits
    until the peer has taken most of what was written before.
    """

    def __init__(
        self, context: SSL.Context, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._tls = SSL.Connection(context)
        self._tls.set_accept_state()
        self._reader, self._writer = reader, writer

    async def handshake(self) -> bytes | None:
        """Agree on keys; the DER certificate that the client showed, or None.

        :raises Ended: it did not come to that
        """
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                await self._flush()
                await self._feed()
            except SSL.Error as error:
                await self._flush()  # the alert
                raise Ended("no TLS") from error
            else:
                await self._flush()
                shown = self._tls.get_peer_certificate()
                return None if shown is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)

    async def read(self) -> bytes:
        """Some plaintext, or nothing when the peer has ended.

        :raises Ended: it ended without saying so, or broke the protocol
        """
        while True:
            try:
                return self._tls.recv(CHUNK)
            except SSL.WantReadError:
                await self._flush()
                await self._feed()
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                raise Ended("TLS broke") from error

    async def write(self, data: bytes) -> None:
        """Send all of it; raises Ended when the peer is gone."""
        view = memoryview(data)
        try:
            for start in range(0, len(view), CHUNK):
                self._tls.sendall(view[start : start + CHUNK])
                await self._flush()
        except SSL.Error as error:
            raise Ended("TLS broke") from error

    async def close(self) -> None:
        """Say that nothing more comes (RFC 8446 section 6.1), and hang up."""
        try:
            self._tls.shutdown()
            await self._flush()
        except (SSL.Error, Ended):
            pass  # it is gone already
        self._writer.close()

    async def _feed(self) -> None:
        data = await self._reader.read(CHUNK)
        if not data:
            raise Ended("the peer is gone")
        self._tls.bio_write(data)

    async def _flush(self) -> None:
        try:
            while True:
                self._writer.write(self._tls.bio_read(CHUNK))
                await self._writer.drain()
        except SSL.WantReadError:
            return
        except OSError as error:
            raise Ended("the peer is gone") from error
