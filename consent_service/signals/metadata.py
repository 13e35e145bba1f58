"""Transmitter configuration metadata (SSF section 7.1): what is claimed here is what is built."""

from __future__ import annotations

from typing import Any

from consent_service.signals.model import Method

PATH = "/ssf"
READ, MANAGE = "ssf.read", "ssf.manage"
"""The scopes of CAEP interop section 2.7.2."""


def document(issuer: str) -> dict[str, Any]:
    """The metadata document of this transmitter."""
    base = issuer + PATH
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/oauth/jwks",
        "delivery_methods_supported": [Method.PUSH.value, Method.POLL.value],
        "configuration_endpoint": f"{base}/stream",
        "status_endpoint": f"{base}/status",
        "add_subject_endpoint": f"{base}/subjects/add",
        "remove_subject_endpoint": f"{base}/subjects/remove",
        "verification_endpoint": f"{base}/verify",
        "critical_subject_members": ["user"],
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }


def poll_endpoint(issuer: str, stream_id: str) -> str:
    """Where a stream's events are polled."""
    return f"{issuer}{PATH}/poll/{stream_id}"
