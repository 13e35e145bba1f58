"""Client metadata, checked one by one (RFC 7591 section 2): the command line and the endpoint alike.

A member that is not in the table is ignored, as RFC 7591 section 2 wants; one that is there and
wrong is refused by name. What has a column of its own (keys, redirect URIs, the way to
authenticate) is checked where it is stored, in :mod:`consent_service.registry.parties`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from consent_service.config import check_origin
from consent_service.errors import ServiceError
from consent_service.web.certificate_names import KINDS, check_name

Check = Callable[[Any], Any]
SIGNING = ("ES256", "PS256", "EdDSA")
"""FAPI 2.0 section 5.4.1."""
ISSUED = ("ES256", "PS256", "RS256")
"""What we sign ID tokens and userinfo with; RS256 is OpenID Connect's default, for profile ``oidc`` alone."""
LONGEST = 2000
SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")


def _boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ValueError("must be true or false")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
        raise ValueError(f"must be a text of 1 to {LONGEST} printable characters")
    return value


def _url(value: Any) -> str:
    """An https address; http for this machine only. A query is allowed, a fragment is not."""
    text = _text(value)
    wrong = check_origin(text.partition("?")[0]) or (None if text.isascii() else "must be ASCII")
    if wrong or "#" in text:
        raise ValueError(wrong or "must have no fragment")
    return text


def _urls(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 20:
        raise ValueError("must be a list of at most 20 addresses")
    return [_url(one) for one in value]


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 20:
        raise ValueError("must be a list of at most 20 texts")
    return [_text(one) for one in value]


def _seconds(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError("must be a whole number of seconds")
    return value


def _scope(value: Any) -> str:
    if not isinstance(value, str) or not SCOPE.fullmatch(value) or len(value) > LONGEST:
        raise ValueError("must be scopes separated by single spaces (RFC 6749 section 3.3)")
    return value


def _one_of(*values: str) -> Check:
    def check(value: Any) -> str:
        if value not in values:
            raise ValueError(f"must be one of {', '.join(values)}")
        return str(value)

    return check


def _certificate_name(kind: str) -> Check:
    def check(value: Any) -> str:
        try:
            check_name(kind, text := _text(value))
        except ValueError:
            raise ValueError("must be a name that a certificate can bear (RFC 8705 section 2.1.2)") from None
        return text

    return check


def _only(*values: str) -> Check:
    def check(value: Any) -> list[str]:
        if not isinstance(value, list) or any(one not in values for one in value) or len(value) > len(values):
            raise ValueError(f"must hold nothing but {', '.join(values)}")
        return list(value)

    return check


TLS_NAMES = tuple(KINDS)
"""Of these a client with tls_client_auth has exactly one."""
MEMBERS: Mapping[str, Check] = {
    # RFC 7591 section 2
    "client_uri": _url,
    "contacts": _texts,
    "grant_types": _texts,
    "jwks_uri": _url,
    "logo_uri": _url,
    "policy_uri": _url,
    "response_types": _only("code"),
    "scope": _scope,
    "software_id": _text,
    "software_version": _text,
    "tos_uri": _url,
    # OpenID Connect Dynamic Client Registration 1.0 section 2
    "application_type": _one_of("web"),
    "default_acr_values": _texts,
    "default_max_age": _seconds,
    "id_token_signed_response_alg": _one_of(*ISSUED),
    "require_auth_time": _boolean,
    "sector_identifier_uri": _url,
    "subject_type": _one_of("pairwise", "public"),
    "userinfo_signed_response_alg": _one_of(*ISSUED),
    "request_object_signing_alg": _one_of(*SIGNING),
    "token_endpoint_auth_signing_alg": _one_of(*SIGNING),
    # OpenID Connect RP-Initiated Logout 1.0 section 3.1, Back-Channel Logout 1.0 section 2.2
    "post_logout_redirect_uris": _urls,
    "backchannel_logout_uri": _url,
    "backchannel_logout_session_required": _boolean,
    # OpenID Connect CIBA Core 1.0 section 4
    "backchannel_token_delivery_mode": _one_of("poll", "ping"),
    "backchannel_client_notification_endpoint": _url,
    "backchannel_authentication_request_signing_alg": _one_of(*SIGNING),
    "backchannel_user_code_parameter": _boolean,
    # JARM section 3, RFC 9101 section 10.5, RFC 9701 section 6, RFC 8705 sections 2.1.2 and 3.4
    "authorization_signed_response_alg": _one_of("ES256", "PS256"),
    "require_signed_request_object": _boolean,
    "introspection_signed_response_alg": _one_of("ES256", "PS256"),
    "tls_client_certificate_bound_access_tokens": _boolean,
    **{name: _certificate_name(name) for name in TLS_NAMES},
}


def checked(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are known, each as its rule wants it.

    :raises ServiceError: ``invalid_client_metadata`` (RFC 7591 section 3.2.2), naming the member
    """
    kept = {}
    for name, check in MEMBERS.items():
        if document.get(name) is None:
            continue
        try:
            kept[name] = check(document[name])
        except ValueError as error:
            raise ServiceError("invalid_client_metadata", f"{name} {error}") from error
    endpoint = "backchannel_client_notification_endpoint"
    if kept.get("backchannel_token_delivery_mode") == "ping" and endpoint not in kept:
        raise ServiceError("invalid_client_metadata", f"{endpoint} is needed for ping (CIBA Core section 4)")
    if kept.get("backchannel_user_code_parameter"):
        raise ServiceError("invalid_client_metadata", "backchannel_user_code_parameter is not supported")
    return kept
