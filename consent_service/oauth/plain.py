"""Plain requests, read without the framework: a short form of known fields, and no unusual header."""

from __future__ import annotations

import io
import re
from typing import Any
from urllib.parse import parse_qsl

from consent_service.oauth.server import FORM, LONGEST_PARAMETER

Environ = dict[str, Any]
UNUSUAL = (
    *("QUERY_STRING", "HTTP_DPOP", "HTTP_CLIENT_CERT", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING"),
)
PLAIN = re.compile(rb"[!-~]*")
LONGEST = 32 * 1024  # bytes


class NotPlain(Exception):
    """A request that the framework has to look at."""


def form(environ: Environ, largest: int, fields: frozenset[str]) -> dict[str, str]:
    """The form of a request; its body is put back for whoever has to read it again.

    1. No header says that there is more to the request than its form.
    2. The form is of a stated length that we take, and of the characters that forms are written in.
    3. Each of its fields is one of ``fields``, comes once, has text, and no control character in it.

    :raises NotPlain: any of this is not so
    """
    length = environ.get("CONTENT_LENGTH", "")
    if environ.get("CONTENT_TYPE") != FORM or not (length.isascii() and length.isdecimal()):
        raise NotPlain
    if int(length) > min(largest, LONGEST) or any(environ.get(name) for name in UNUSUAL):
        raise NotPlain
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    if len(body) != int(length) or not PLAIN.fullmatch(body):
        raise NotPlain
    pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs) or not found.keys() <= fields:
        raise NotPlain
    for value in found.values():
        if not value.isascii() or not value.isprintable() or not 0 < len(value) <= LONGEST_PARAMETER:
            raise NotPlain
    return found
