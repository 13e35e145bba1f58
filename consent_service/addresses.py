"""Which addresses the service asks when somebody else names them: pure rules, nothing is resolved here."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_URL = 2000
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
PORTS = {"https": 443, "http": 80}


class NotAllowed(Exception):
    """The address is none that we ask; the message says why, after "the address"."""


def problem(url: str, *, sandbox: bool) -> str | None:
    """What is wrong with how an address is written, or None; no name is resolved for it.

    For the moment at which somebody registers it: https, a host, no user name, no fragment, and
    plain http or an address of a private network only in the sandbox.
    """
    try:
        parts = split(url)
    except NotAllowed as error:
        return str(error)
    literal = _literal(parts.hostname or "")
    if parts.scheme == "http" and not sandbox:
        return "must be https"
    if parts.scheme == "http" and not _is_loopback(parts.hostname or "", literal):
        return "must be https; plain http is for this machine only"
    if literal is not None and not allowed(literal, sandbox=sandbox):
        return "names an address that is not on the public internet"
    return None


def split(url: str) -> SplitResult:
    """The parts of an address that is written as one may be.

    :raises NotAllowed: with what is wrong
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise NotAllowed("is not a URL") from error
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_URL:
        raise NotAllowed(f"must be a URL of printable ASCII, at most {LONGEST_URL} characters long")
    if parts.scheme not in PORTS or not host or port == 0:
        raise NotAllowed("must be an https URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise NotAllowed("must have no user name and no fragment")
    return parts


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str, literal: Address | None) -> bool:
    return literal.is_loopback if literal is not None else host == "localhost"


def allowed(address: Address, *, sandbox: bool) -> bool:
    """Whether this address may be asked: public, or in the sandbox of this machine or a private network.

    What an IPv6 address carries of IPv4 (mapped, 6to4, Teredo, NAT64) is looked at as what it
    leads to. Link-local addresses, where clouds keep their secrets, are asked never.
    """
    if (inner := _inner(address)) is not None:
        return allowed(inner, sandbox=sandbox)
    if address.is_multicast or address.is_link_local or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:  # private once (RFC 3879)
        return False
    if sandbox and (address.is_loopback or address.is_private):
        return True
    return address.is_global and not address.is_reserved


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
