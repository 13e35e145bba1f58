"""Protected resource metadata (RFC 9728): how a party finds the authorisation server of a data holder."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from consent_service.verifier.dpop import ALGORITHMS
from consent_service.verifier.token import DETAILS_TYPE

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(resource: str) -> str:
    """Where the metadata of a resource lies: the well-known path before the resource's own (section 3.1)."""
    parts = urlsplit(resource)
    return urlunsplit((parts.scheme, parts.netloc, WELL_KNOWN + parts.path.rstrip("/"), parts.query, ""))


def metadata(resource: str, issuer: str, name: str, *, certificates: bool) -> dict[str, Any]:
    """The metadata document (section 2) of a resource that is guarded by :class:`~.guard.Guard`.

    :param issuer: the authorisation server whose tokens it takes
    :param name: what people call it
    :param certificates: whether the server that ends TLS asks for client certificates and hands them on
    """
    return {
        "resource": resource,
        "resource_name": name,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "authorization_details_types_supported": [DETAILS_TYPE],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": certificates,
    }
