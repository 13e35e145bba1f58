"""Certificates for tests: self-signed, or by an authority."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "NO"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Nordhavn Bank ASA"),
        x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "PSDNO-FSA-310041238"),
        x509.NameAttribute(NameOID.COMMON_NAME, "credit.bank.example.no"),
    ]
)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key


def issue(
    subject: x509.Name = SUBJECT,
    by: Issued | None = None,
    *,
    authority: bool = False,
    names: Sequence[x509.GeneralName] = (),
    usage: Sequence[x509.ObjectIdentifier] = (CLIENT,),
    now: dt.datetime | None = None,
    days: int = 30,
    key: Any = None,
) -> Issued:
    """Issue one; self-signed without ``by``."""
    moment = now or dt.datetime.now(dt.UTC)
    key = key or ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - dt.timedelta(days=1))
        .not_valid_after(moment + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage and not authority:
        made = made.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    return Issued(made.sign(by.key if by else key, hashes.SHA256()), key)


def authority(common_name: str = "Authority of the tests", by: Issued | None = None) -> Issued:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return issue(name, by, authority=True, days=300)


def jwks_of(*issued: Issued) -> dict[str, Any]:
    """A JWK Set whose keys name their certificates (RFC 8705 section 2.2.2)."""
    import base64

    from joserfc.jwk import ECKey

    return {
        "keys": [
            {
                **ECKey.import_key(
                    one.certificate.public_key().public_bytes(
                        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                    )
                ).as_dict(private=False),
                "x5c": [base64.b64encode(one.der).decode()],
            }
            for one in issued
        ]
    }
