"""Metadata of the authorization server and OpenID provider (RFC 8414, OpenID Connect Discovery 1.0).

One document for both addresses, what is claimed here is what is built; OpenID Connect's has no member
that is not registered for it: the Foundation's conformance suite takes such a member for a mistake.
"""

from __future__ import annotations

from typing import Any

from consent_service.config import Settings
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import Action
from consent_service.grants.schemas import TYPE
from consent_service.oauth import details_types, introspect, jarm, request_object, tokens
from consent_service.oauth.assertion import ALGORITHMS
from consent_service.oauth.client import CIBA, CODE, CREDENTIALS, EXCHANGE, REFRESH
from consent_service.oauth.client_auth import SHOWN
from consent_service.oauth.openid import CLAIMS, PROMPTS
from consent_service.registry import callers, status
from consent_service.registry.login_rules import SCOPES, SIGN_INS, acr_of
from consent_service.registry.metadata import ISSUED
from consent_service.registry.model import CERTIFICATE_METHODS, AuthMethod
from consent_service.web.certificate import mtls_aliases
from consent_service.web.languages import LANGUAGES

TOKEN_CLAIMS = ("iss", "aud", "exp", "iat", "nonce", "at_hash", "sid")


OURS = frozenset(
    {
        "authorization_details_types_metadata_endpoint",
        "business_data_purposes_supported",
        "business_data_datatypes_supported",
    }
)
"""Members of a draft and of our own, for those who ask for business data: RFC 8414's document has them."""


def discovery(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """The same for OpenID Connect Discovery."""
    return {name: value for name, value in document(settings, catalogue).items() if name not in OURS}


def document(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """The metadata document of this issuer.

    Pushed requests are not required of everybody: clients of the profile ``oidc`` may do without.
    """
    base = f"{settings.issuer}/oauth"
    off = set() if settings.listener_secret else set(CERTIFICATE_METHODS)
    if not settings.mtls_ca:
        off.add(AuthMethod.TLS_CLIENT_AUTH)
    methods = [method.value for _is_there, shown in SHOWN for method in shown if method not in off]
    by_form = {
        "pushed_authorization_request_endpoint": f"{base}/par",
        "token_endpoint": f"{base}/token",
        "introspection_endpoint": f"{base}/introspect",
        "revocation_endpoint": f"{base}/revoke",
        "backchannel_authentication_endpoint": f"{base}/backchannel",
    }
    return {
        "issuer": settings.issuer,
        **by_form,
        **mtls_aliases(settings, by_form),
        "authorization_endpoint": f"{base}/authorize",
        "registration_endpoint": f"{base}/register",
        "jwks_uri": f"{base}/jwks",
        "status_list_aggregation_endpoint": f"{settings.issuer}{status.PATH}",
        "require_pushed_authorization_requests": False,
        "response_types_supported": ["code"],
        "response_modes_supported": list(jarm.MODES),
        "authorization_signing_alg_values_supported": [alg.value for alg in jarm.ALGORITHMS],
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": [*ALGORITHMS, request_object.OLDER],
        "introspection_signing_alg_values_supported": [alg.value for alg in introspect.ALGORITHMS],
        "grant_types_supported": [CODE, REFRESH, CREDENTIALS, EXCHANGE, CIBA],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "authorization_details_types_supported": sorted(catalogue.types) or [TYPE],
        "authorization_details_types_metadata_endpoint": f"{settings.issuer}{details_types.PATH}",
        "grant_management_actions_supported": ["query", "revoke", *(one.value for one in Action)],
        "grant_management_endpoint": f"{settings.issuer}{tokens.GRANTS_PATH}",
        "grant_management_action_required": False,
        "business_data_purposes_supported": sorted(catalogue.purposes),
        "business_data_datatypes_supported": sorted(catalogue.data_sets),
        "scopes_supported": [
            *SCOPES,
            tokens.DECISIONS,
            tokens.LEDGER,
            *sorted(tokens.GRANT_SCOPES | tokens.SIGNALS | tokens.INTROSPECTING),
        ],
        "dpop_signing_alg_values_supported": ALGORITHMS,
        "tls_client_certificate_bound_access_tokens": bool(settings.listener_secret),
        **_openid(settings, base),
        **{
            f"{endpoint}_endpoint_auth_{name}_supported": value
            for endpoint in ("token", "introspection", "revocation")
            for name, value in (("methods", methods), ("signing_alg_values", ALGORITHMS))
        },
        # RFC 8414 section 2: here a kind of access token stands for itself.
        "introspection_endpoint_auth_methods_supported": [*methods, callers.BEARER, callers.DPOP],
    }


def _openid(settings: Settings, base: str) -> dict[str, Any]:
    """Discovery section 3, RP-Initiated Logout section 2.1, Back-Channel Logout section 2.1."""
    return {
        "userinfo_endpoint": f"{base}/userinfo",
        "end_session_endpoint": f"{base}/logout",
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": list(ISSUED),
        "userinfo_signing_alg_values_supported": list(ISSUED),
        "acr_values_supported": [acr_of(how, settings.issuer) for how in SIGN_INS],
        "prompt_values_supported": list(PROMPTS),
        "display_values_supported": ["page"],
        "claim_types_supported": ["normal"],
        "claims_supported": [*CLAIMS, *TOKEN_CLAIMS],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,  # at the authorization endpoint; signed requests are pushed
        "request_uri_parameter_supported": False,
        "ui_locales_supported": list(LANGUAGES),
        "backchannel_token_delivery_modes_supported": ["poll", "ping"],
        "backchannel_authentication_request_signing_alg_values_supported": ALGORITHMS,
        "backchannel_user_code_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
