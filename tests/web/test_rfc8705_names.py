"""RFC 8705 sections 2.1 and 2.2: whose certificate it is."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from consent_service.errors import ConfigurationError
from consent_service.web.certificate import in_jwks, strong, thumbprint
from consent_service.web.certificate_names import Authorities, bears, check_name
from tests.certificates import SERVER, Issued, authority, issue, jwks_of

NOW = dt.datetime.now(dt.UTC)
DN = "tls_client_auth_subject_dn"
RFC4514 = "CN=credit.bank.example.no,2.5.4.97=PSDNO-FSA-310041238,O=Nordhavn Bank ASA,C=NO"


@pytest.fixture(scope="module")
def root() -> Issued:
    return authority()


def trusting(tmp_path: Path, *anchors: Issued) -> Authorities:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(b"".join(one.pem for one in anchors))
    return Authorities(bundle)


@pytest.mark.parametrize(
    "same",
    [
        RFC4514,
        RFC4514.replace("2.5.4.97", "organizationIdentifier"),
        RFC4514.replace("Nordhavn Bank ASA", "NORDHAVN  bank asa"),
        RFC4514.replace("Nordhavn Bank ASA", "Nordhavn\\20Bank ASA"),
        RFC4514.replace("PSDNO-FSA-310041238", "#0c1350534" + "44e4f2d4653412d333130303431323338"),
    ],
)
def test_a_subject_dn_is_compared_as_a_name_and_not_as_a_text(same: str) -> None:
    check_name(DN, same)
    assert bears(issue().certificate, DN, same)


@pytest.mark.parametrize(
    "other",
    [
        "CN=credit.bank.example.no",
        "C=NO,O=Nordhavn Bank ASA,2.5.4.97=PSDNO-FSA-310041238,CN=credit.bank.example.no",
        RFC4514.replace("credit", "debit"),
        RFC4514 + ",DC=no",
        RFC4514.replace("CN=credit.bank.example.no,", "CN=credit.bank.example.no+"),
        RFC4514.replace("O=Nordhavn", "OU=Nordhavn"),
    ],
)
def test_another_name_is_another_name(other: str) -> None:
    assert not bears(issue().certificate, DN, other)


def test_a_comma_in_a_value_does_not_make_another_part() -> None:
    tricky = issue(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a,O=Nordhavn Bank ASA")]))
    assert not bears(tricky.certificate, DN, "CN=a,O=Nordhavn Bank ASA")
    assert bears(tricky.certificate, DN, "CN=a\\,O=Nordhavn Bank ASA")


NAMES = [
    x509.DNSName("credit.bank.example.no"),
    x509.UniformResourceIdentifier("spiffe://bank.example.no/credit"),
    x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    x509.RFC822Name("Credit@bank.example.no"),
]


@pytest.mark.parametrize(
    ("kind", "same", "other"),
    [
        ("dns", "CREDIT.bank.example.no", "bank.example.no"),
        ("uri", "spiffe://bank.example.no/credit", "spiffe://bank.example.no/CREDIT"),
        ("ip", "2001:0db8:0:0:0:0:0:1", "2001:db8::2"),
        ("email", "Credit@BANK.example.no", "credit@bank.example.no"),
    ],
)
def test_an_alternative_name_is_compared_by_its_kind(kind: str, same: str, other: str) -> None:
    certificate = issue(names=NAMES).certificate
    check_name(f"tls_client_auth_san_{kind}", same)
    assert bears(certificate, f"tls_client_auth_san_{kind}", same)
    assert not bears(certificate, f"tls_client_auth_san_{kind}", other)
    assert not bears(issue().certificate, f"tls_client_auth_san_{kind}", same)


def test_a_wildcard_in_a_certificate_is_no_other_name() -> None:
    wild = issue(names=[x509.DNSName("*.bank.example.no")]).certificate
    assert not bears(wild, "tls_client_auth_san_dns", "credit.bank.example.no")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (DN, ""),
        (DN, "Nordhavn Bank"),
        (DN, "CN=a, O=b"),
        (DN, "XX=a"),
        (DN, "C=Norway"),
        (DN, "CN=" + "a" * 2000),
        ("tls_client_auth_san_dns", "*.example.no"),
        ("tls_client_auth_san_dns", "https://example.no"),
        ("tls_client_auth_san_uri", "example"),
        ("tls_client_auth_san_ip", "300.1.1.1"),
        ("tls_client_auth_san_email", "@example.no"),
        ("tls_client_auth_san_other", "x"),
    ],
)
def test_a_name_that_no_certificate_could_bear_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match="tls_client_auth"):
        check_name(kind, text)


def test_an_authority_vouches_for_its_own_clients_alone(tmp_path: Path, root: Issued) -> None:
    trusted = trusting(tmp_path, root)
    assert trusted.vouch_for(issue(by=root).certificate, NOW)
    assert not trusted.vouch_for(issue().certificate, NOW)
    impostor = authority()  # the same name, another key
    assert not trusted.vouch_for(issue(by=impostor).certificate, NOW)


def test_a_certificate_counts_in_its_time_alone(tmp_path: Path, root: Issued) -> None:
    trusted, client = trusting(tmp_path, root), issue(by=root).certificate
    assert not trusted.vouch_for(client, NOW + dt.timedelta(days=31))
    assert not trusted.vouch_for(client, NOW - dt.timedelta(days=2))


def test_a_certificate_for_servers_is_no_client_s(tmp_path: Path, root: Issued) -> None:
    trusted = trusting(tmp_path, root)
    assert not trusted.vouch_for(issue(by=root, usage=[SERVER]).certificate, NOW)
    assert trusted.vouch_for(issue(by=root, usage=[]).certificate, NOW)


def test_a_client_can_t_vouch_for_another(tmp_path: Path, root: Issued) -> None:
    client = issue(by=root)
    forged = issue(by=client)
    assert not trusting(tmp_path, root).vouch_for(forged.certificate, NOW)


def test_an_issuing_authority_may_stand_alone_or_with_its_root(tmp_path: Path, root: Issued) -> None:
    issuing = authority("Issuing authority", by=root)
    client = issue(by=issuing).certificate
    assert trusting(tmp_path, issuing).vouch_for(client, NOW)
    assert trusting(tmp_path, root, issuing).vouch_for(client, NOW)
    assert not trusting(tmp_path, root).vouch_for(client, NOW)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"]
)
def test_a_bundle_without_certificates_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match="CONSENT_MTLS_CA"):
        Authorities(tmp_path / "ca.pem")
    with pytest.raises(ConfigurationError, match="CONSENT_MTLS_CA"):
        Authorities(tmp_path / "none.pem")


def test_a_registered_certificate_is_found_by_x5c_or_thumbprint() -> None:
    mine, other = issue(), issue()
    assert in_jwks(mine.certificate, jwks_of(other, mine))
    assert in_jwks(mine.certificate, {"keys": [{"x5t#S256": thumbprint(mine.certificate)}]})


@pytest.mark.parametrize(
    "jwks", [{}, {"keys": []}, {"keys": [5]}, {"keys": [{"x5c": ["?"]}]}, {"keys": [{"x5c": []}]}]
)
def test_a_set_that_names_no_certificate_accepts_none(jwks: dict[str, Any]) -> None:
    assert not in_jwks(issue().certificate, jwks)


def test_another_certificate_with_the_same_key_or_name_is_not_the_registered_one() -> None:
    mine = issue()
    again = issue(key=mine.key)
    assert not in_jwks(again.certificate, jwks_of(mine))
    bare = {"keys": [{name: value for name, value in jwks_of(mine)["keys"][0].items() if name != "x5c"}]}
    assert not in_jwks(mine.certificate, bare)


def test_a_weak_key_is_not_taken() -> None:
    assert strong(issue().certificate)
    assert strong(issue(key=rsa.generate_private_key(65537, 2048)).certificate)
    assert not strong(issue(key=rsa.generate_private_key(65537, 1024)).certificate)
    assert not strong(issue(key=ec.generate_private_key(ec.SECP192R1())).certificate)
