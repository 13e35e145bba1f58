"""Whether a token still holds, from the service's status lists (draft-ietf-oauth-status-list).

A holder that keeps the lists at hand can refuse a token that was revoked without asking the
service, and goes on to tell through a short outage. It says no more than that: reading data
needs a decision.
"""

from __future__ import annotations

import base64
import datetime as dt
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import jwt

from consent_service.verifier.errors import Refused, ServiceFailed
from consent_service.verifier.service import Service
from consent_service.verifier.token import ALGORITHMS, LEEWAY, AccessToken

TYPE = "application/statuslist+jwt"
SHORTEST, LONGEST = 1, 300  # seconds that a list is kept, whatever it says of itself
LARGEST = 4 * 1024 * 1024  # bytes of a list, unpacked
MOST = 64  # lists that are kept
RETRY = 2.0  # seconds between two looks at a service that does not answer


class TokenStatus(IntEnum):
    """The registered status types (section 7.1); any other says that the token does not hold."""

    VALID = 0x00
    INVALID = 0x01
    SUSPENDED = 0x02


@dataclass(frozen=True, slots=True)
class StatusList:
    """A verified list; times are seconds since 1970."""

    packed: bytes
    bits: int
    fresh_until: float
    expires: float

    def value(self, index: int) -> int:
        """The status at an index (section 4.1).

        :raises Refused: the list is not that long
        """
        place = index * self.bits
        if place // 8 >= len(self.packed):
            raise Refused("the token's status is not in the list")
        return self.packed[place // 8] >> place % 8 & (1 << self.bits) - 1


class StatusLists:
    """The service's lists, fetched when they are needed and kept as long as they say."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lists: dict[str, StatusList] = {}
        self._tried: dict[str, float] = {}
        self._lock = threading.Lock()

    def check(self, token: AccessToken, now: dt.datetime) -> TokenStatus:
        """The status of a verified token (section 8.3).

        1. The token names a list, which is the service's own.
        2. A list that was fetched less than its ``ttl`` ago is at hand, else it is fetched.
        3. Where it can't be had, the one of before counts until its ``exp``.
        4. The value at the token's index; one that we don't know is no better than invalid.

        :raises Refused: the token names no list, or nothing is said at its index
        :raises ServiceFailed: nothing that counts can be had
        """
        if token.status is None:
            raise Refused("the token names no status list")
        uri, index = token.status
        if not uri.startswith(f"{self._service.issuer}/"):
            raise Refused("the token names another service's status list")
        value = self._list(uri, now.timestamp()).value(index)
        return TokenStatus(value) if value in set(TokenStatus) else TokenStatus.INVALID

    def refuse(self, token: AccessToken, now: dt.datetime) -> None:
        """Refuse a token that is known not to hold; one of which nothing can be known now passes.

        :raises Refused: the token was revoked or rests
        """
        if token.status is None:
            return
        try:
            found = self.check(token, now)
        except ServiceFailed:
            return
        if found is not TokenStatus.VALID:
            raise Refused(
                "the token is suspended" if found is TokenStatus.SUSPENDED else "the token was revoked"
            )

    def _list(self, uri: str, moment: float) -> StatusList:
        with self._lock:
            known = self._lists.get(uri)
            if known and moment < known.fresh_until:
                return known
            waits = moment - self._tried.get(uri, -RETRY) < RETRY
            if not (known and waits):
                self._tried[uri] = moment
                try:
                    known = self._lists[uri] = self._fetch(uri, moment)
                    self._forget(moment)
                except (ServiceFailed, Refused) as error:
                    if known is None or moment >= known.expires:
                        raise ServiceFailed("the status list can't be had") from error
            if known is None or moment >= known.expires:
                raise ServiceFailed("the status list can't be had")
            return known

    def _forget(self, moment: float) -> None:
        """Keep only what still counts, and not more than :data:`MOST` lists."""
        living = [(one.expires, uri) for uri, one in self._lists.items() if moment < one.expires]
        kept = {uri for _, uri in sorted(living)[-MOST:]}
        self._lists = {uri: one for uri, one in self._lists.items() if uri in kept}
        self._tried = {uri: at for uri, at in self._tried.items() if uri in kept}

    def _fetch(self, uri: str, moment: float) -> StatusList:
        text = self._service.fetch(uri, TYPE).decode("ascii", "replace")
        return verify_list(text, uri, self._service, moment)


def verify_list(text: str, uri: str, service: Service, moment: float) -> StatusList:
    """Verify a status list token (sections 5.1 and 8.3).

    1. It is a JWT of typ statuslist+jwt, signed with an algorithm that we take, by a published key.
    2. ``sub`` is the address that the token named.
    3. ``iat`` is not in the future and ``exp``, which must be there, not past.
    4. ``bits`` is 1, 2, 4 or 8, and ``lst`` unpacks to no more than we hold.

    :param moment: now, in seconds since 1970
    :raises Refused: the first step that fails
    :raises ServiceFailed: the service's keys can't be had
    """
    try:
        header = jwt.get_unverified_header(text)
        if header.get("typ") not in {"statuslist+jwt", TYPE} or header.get("alg") not in ALGORITHMS:
            raise Refused("this is no status list")
        claims = jwt.decode(
            text,
            service.key(header.get("kid")),
            algorithms=ALGORITHMS,
            # The moment is an argument, so times are checked below.
            options={
                "require": ["sub", "iat", "exp", "status_list"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Refused("the status list is not valid") from error
    if claims["sub"] != uri:
        raise Refused("this is another status list")
    times = [claims["iat"], claims["exp"], claims.get("ttl", LONGEST)]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
        raise Refused("the status list's times can't be read")
    issued, expires, ttl = times
    if issued > moment + LEEWAY or moment >= expires:
        raise Refused("the status list does not count now")
    bits, packed = _unpack(claims["status_list"])
    # From when it was signed, not from when it came: a cache in between must not make us late.
    fresh_until = min(issued, moment) + min(LONGEST, max(SHORTEST, ttl))
    return StatusList(packed, bits, fresh_until, expires)


def _unpack(status_list: Mapping[str, Any] | object) -> tuple[int, bytes]:
    if not isinstance(status_list, Mapping):
        raise Refused("the status list can't be read")
    bits, text = status_list.get("bits"), status_list.get("lst")
    if type(bits) is not int or bits not in {1, 2, 4, 8} or not isinstance(text, str):
        raise Refused("the status list can't be read")
    unpacking = zlib.decompressobj()
    try:
        packed = unpacking.decompress(base64.urlsafe_b64decode(text + "=="), LARGEST)
    except (ValueError, zlib.error) as error:
        raise Refused("the status list can't be read") from error
    if not unpacking.eof:
        raise Refused("the status list is cut short or too long")
    return bits, packed
