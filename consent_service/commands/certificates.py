"""What the command line says about a client's certificate, as client metadata (RFC 8705 section 2)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from consent_service.commands import CommandError
from consent_service.registry.model import CERTIFICATE_METHODS, AuthMethod

BOUND = "tls_client_certificate_bound_access_tokens"


def names(method: AuthMethod, options: Mapping[str, Any]) -> dict[str, Any]:
    """The client metadata that the options ask for.

    A client that authenticates by its certificate has tokens that are bound to it, unless a DPoP key
    binds them. With ``--certificate`` and tls_client_auth, the name is the certificate's subject.
    """
    found: dict[str, Any] = {}
    if options.get("tls_subject_dn"):
        found["tls_client_auth_subject_dn"] = options["tls_subject_dn"]
    if options.get("tls_san_dns"):
        found["tls_client_auth_san_dns"] = options["tls_san_dns"]
    if method is AuthMethod.TLS_CLIENT_AUTH and options.get("certificate"):
        found["tls_client_auth_subject_dn"] = _read(options["certificate"]).subject.rfc4514_string()
    if options.get("certificate_bound") or (method in CERTIFICATE_METHODS and not options.get("dpop")):
        found[BOUND] = True
    return found


def jwks(certificate: Path) -> dict[str, Any]:
    """The certificate's own key, which names it (``x5c``), as a JWK Set."""
    read = _read(certificate)
    public = read.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kind in (ECKey, RSAKey, OKPKey):
        try:
            key = kind.import_key(public).as_dict(private=False)
        except (JoseError, ValueError, TypeError):
            continue
        return {"keys": [{**key, "x5c": [base64.b64encode(read.public_bytes(Encoding.DER)).decode()]}]}
    raise CommandError(f"{certificate}: a certificate's key must be EC, RSA or Edwards")


def _read(certificate: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"{certificate} is not a certificate in PEM") from error
