"""Whom a certificate names, and who vouches for it: ``tls_client_auth`` (RFC 8705 section 2.1).

A client registers exactly one name of these (section 2.1.2). It counts in a certificate that an
authority of the operator's choice issued for clients, and in no other.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from consent_service.errors import ConfigurationError

# RFC 4514's own short names, and those that certificates of organisations use beside them.
SHORT_NAMES = {
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "GN": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
    "T": NameOID.TITLE,
    "businessCategory": NameOID.BUSINESS_CATEGORY,
    "postalCode": NameOID.POSTAL_CODE,
    "jurisdictionC": NameOID.JURISDICTION_COUNTRY_NAME,
}
STRING_TAGS = {0x0C, 0x13, 0x14, 0x16, 0x1A}  # BER: the string types of one octet a character, and UTF-8
LONGEST = 1024  # characters
MISSHAPEN = x509.DuplicateExtension, x509.UnsupportedGeneralNameType
"""What is raised beside ValueError where a certificate's extensions can't be read."""


class Authorities:
    """Who may vouch for a client's certificate: the PEM bundle of ``CONSENT_MTLS_CA``.

    Every certificate in it is an anchor, so an issuing authority may stand there alone: the header
    of RFC 9440 carries the client's own certificate and no intermediates.

    :raises ConfigurationError: the file can't be read, or holds no certificate
    """

    def __init__(self, bundle: Path) -> None:
        try:
            self._anchors = x509.load_pem_x509_certificates(bundle.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"CONSENT_MTLS_CA can't be used: {bundle}: {error}") from error

    def vouch_for(self, certificate: x509.Certificate, now: dt.datetime) -> bool:
        """Whether the certificate is a client's, of ours, and valid (RFC 5280 section 6).

        1. A chain of signatures leads to an anchor; every certificate in it is valid now, and each
           that signs may sign.
        2. Where it says what it is for, that includes TLS clients (section 4.2.1.12).
        """
        store = crypto.X509Store()
        for anchor in self._anchors:
            store.add_cert(crypto.X509.from_cryptography(anchor))
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        store.set_time(now)
        try:
            crypto.X509StoreContext(store, crypto.X509.from_cryptography(certificate)).verify_certificate()
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return True
        except (crypto.X509StoreContextError, crypto.Error, ValueError, *MISSHAPEN):
            return False
        return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def bears(certificate: x509.Certificate, kind: str, expected: str) -> bool:
    """Whether the certificate bears a registered name.

    :param kind: the metadata parameter (RFC 8705 section 2.1.2), for example ``tls_client_auth_san_dns``
    :raises ValueError: the expected name is none, or the certificate's can't be read
    """
    wanted, found = KINDS[kind]
    try:
        return wanted(expected) in found(certificate)
    except MISSHAPEN as error:
        raise ValueError("the certificate's names can't be read") from error


def check_name(kind: str, expected: str) -> None:
    """Refuse, at registration, a name that no certificate could bear.

    :raises ValueError: one sentence
    """
    if kind not in KINDS:
        raise ValueError(f"there is no {kind}")
    try:
        wanted = KINDS[kind][0](expected) if 0 < len(expected) <= LONGEST else None
    except (ValueError, TypeError, AssertionError) as error:
        raise ValueError(f"{kind} can't be read: {expected!r:.100}") from error
    if not wanted:
        raise ValueError(f"{kind} can't be read: {expected!r:.100}")


Rdns = tuple[frozenset[tuple[str, str]], ...]


def _distinguished(text: str) -> Rdns:
    """An RFC 4514 string, as the standard reads it: last part first, escapes and OIDs understood."""
    return _normal(x509.Name.from_rfc4514_string(text, SHORT_NAMES))


def _normal(name: x509.Name) -> Rdns:
    """What is compared (RFC 5280 section 7.1): attributes by type, values without case and extra space."""
    return tuple(frozenset((one.oid.dotted_string, _value(one.value)) for one in rdn) for rdn in name.rdns)


def _value(value: str | bytes) -> str:
    text = value if isinstance(value, str) else f"#{value.hex()}"
    raw = text.encode()
    if len(raw) > 2 and raw[0] in STRING_TAGS and raw[1] == len(raw) - 2:
        text = raw[2:].decode()  # RFC 4514 section 2.4: #hex is the BER value, tag and length included
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _alternative(kind: type[x509.GeneralName]) -> Callable[[x509.Certificate], Iterator[object]]:
    def found(certificate: x509.Certificate) -> Iterator[object]:
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return
        for name in names:
            if isinstance(name, kind):
                yield READ[kind](name.value)

    return found


def _dns(text: str) -> str:
    if not text.isascii() or not text.strip(".") or set(text) & set(" */:@"):
        raise ValueError("a DNS name, not a pattern")  # RFC 8705 says nothing of wildcards
    return text.rstrip(".").lower()


def _found_dns(text: str) -> str:
    return text.rstrip(".").lower()


def _uri(text: str) -> str:
    if ":" not in text or text != text.strip():
        raise ValueError("a URI")
    return text


def _email(text: str) -> tuple[str, str]:
    local, _, domain = text.rpartition("@")
    if not local or not domain:
        raise ValueError("an address")
    return local, domain.lower()  # RFC 5280 section 7.5: the domain alone is without case


def _found_email(text: str) -> tuple[str, str]:
    local, _, domain = text.rpartition("@")
    return local, domain.lower()


READ: dict[type[x509.GeneralName], Callable[..., object]] = {
    x509.DNSName: _found_dns,
    x509.UniformResourceIdentifier: str,
    x509.IPAddress: lambda address: address,
    x509.RFC822Name: _found_email,
}
KINDS: dict[str, tuple[Callable[[str], object], Callable[[x509.Certificate], Iterator[object]]]] = {
    "tls_client_auth_subject_dn": (_distinguished, lambda one: iter((_normal(one.subject),))),
    "tls_client_auth_san_dns": (_dns, _alternative(x509.DNSName)),
    "tls_client_auth_san_uri": (_uri, _alternative(x509.UniformResourceIdentifier)),
    "tls_client_auth_san_ip": (ipaddress.ip_address, _alternative(x509.IPAddress)),
    "tls_client_auth_san_email": (_email, _alternative(x509.RFC822Name)),
}
