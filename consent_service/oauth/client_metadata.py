"""Client metadata as it goes over the wire (RFC 7591 section 2), read into a registration and told again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consent_service.errors import ServiceError
from consent_service.oauth.client import CIBA, CODE, GRANT_TYPES
from consent_service.registry import metadata, parties
from consent_service.registry.enrolment import Admission, Enrolled
from consent_service.registry.model import SECRET_METHODS, AuthMethod, Client, ClientRole, Profile
from consent_service.registry.parties import Registration

USUAL_METHOD = {
    Profile.FAPI2: AuthMethod.PRIVATE_KEY_JWT,  # RFC 7591's default is a secret, which FAPI 2.0 does not take
    Profile.OIDC: AuthMethod.CLIENT_SECRET_BASIC,
}
OURS_TO_GIVE = frozenset(
    {
        "client_id_issued_at",
        "client_secret_expires_at",
        "registration_access_token",
        "registration_client_uri",
    }
)
"""Members that only the server writes (RFC 7592 section 2.2)."""


def read(document: Mapping[str, Any], admission: Admission, organisation_name: str) -> Registration:
    """The registration that this metadata asks for, within what the client was let in as.

    :raises ServiceError: ``invalid_client_metadata`` or ``invalid_redirect_uri``
    """
    document = {name: value for name, value in admission.over(document).items() if value is not None}
    method = _method(document.get("token_endpoint_auth_method", USUAL_METHOD[admission.profile]))
    jwks, bound = document.get("jwks", {}), document.get("dpop_bound_access_tokens", False)
    name = document.get("client_name", organisation_name)
    redirect_uris = document.get("redirect_uris", [])
    if not isinstance(jwks, dict):
        raise _wrong("jwks must be a JWK Set of public keys")
    if not isinstance(bound, bool):
        raise _wrong("dpop_bound_access_tokens must be true or false")
    if not isinstance(name, str):
        raise _wrong("client_name must be a text")
    if (
        not isinstance(redirect_uris, list)
        or len(redirect_uris) > 20
        or not all(isinstance(one, str) for one in redirect_uris)
    ):
        raise ServiceError("invalid_redirect_uri", "redirect_uris must be a list of at most 20 URIs")
    return Registration(
        role=admission.role,
        name=name,
        organisation=admission.organisation,
        jwks=jwks,
        redirect_uris=redirect_uris,
        resources=admission.resources,
        dpop_bound=bound,
        profile=admission.profile,
        auth_method=method,
        secret=parties.new_secret() if method in SECRET_METHODS else "",
        metadata=_completed(metadata.checked(document), admission.role),
        by=admission.by,
    )


def told(enrolled: Enrolled, issuer: str) -> dict[str, Any]:
    """Everything that a client is registered with (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
    client = enrolled.client
    document: dict[str, Any] = {
        **client.metadata,
        "client_id": client.client_id,
        "client_id_issued_at": int(enrolled.issued_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "token_endpoint_auth_method": client.auth_method.value,
        "dpop_bound_access_tokens": client.dpop_bound,
        "registration_access_token": enrolled.token,
        "registration_client_uri": f"{issuer}/oauth/register/{client.client_id}",
        **_whose(client),
    }
    if client.jwks["keys"]:
        document["jwks"] = client.jwks
    if enrolled.secret:
        document["client_secret"] = enrolled.secret
    if client.secret_hash or enrolled.secret:
        document["client_secret_expires_at"] = 0  # never
    if enrolled.statement:
        document["software_statement"] = enrolled.statement
    return document


def _whose(client: Client) -> dict[str, Any]:
    """Members of our own: as what the client was let in."""
    said: dict[str, Any] = {
        "role": client.role.value,
        "organisation": client.organisation.identifier,
        "profile": client.profile.value,
    }
    return said | ({"resources": list(client.resources)} if client.resources else {})


def _completed(kept: dict[str, Any], role: ClientRole) -> dict[str, Any]:
    """With the grant and response types that count where none were named: all of the role's.

    CIBA's goes with a delivery mode, for those who may ask a person (CIBA Core section 4).
    """
    usual, asks = GRANT_TYPES[role], "backchannel_token_delivery_mode" in kept
    without_a_browser = frozenset({CIBA} if CODE in usual else ())
    stated = kept.get("grant_types", sorted(usual | without_a_browser if asks else usual))
    if unknown := sorted(set(stated) - usual - without_a_browser):
        raise _wrong(f"grant_types: {unknown[0]} is not for a {role}'s client")
    if not stated:
        raise _wrong("grant_types must name at least one")
    if asks is not (CIBA in stated):
        raise _wrong(f"backchannel_token_delivery_mode and grant_types go together: one with {CIBA}")
    has_code = CODE in stated
    types = kept.get("response_types", ["code"] if has_code else [])
    if bool(types) != has_code:  # RFC 7591 section 2.1
        raise _wrong("response_types and grant_types go together: code with authorization_code")
    return kept | {"grant_types": stated, "response_types": types}


def _method(stated: Any) -> AuthMethod:
    try:
        return AuthMethod(stated)
    except ValueError as error:
        raise _wrong("token_endpoint_auth_method is none that is known here") from error


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_client_metadata", sentence)
