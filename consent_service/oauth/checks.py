"""What an authorization request is checked for, in order, one rule a function.

The table is the protocol on one screen, with the endpoints that each rule serves. Order matters:
who asks and where the answer goes are settled before anything else is looked at.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from consent_service.errors import ServiceError
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import CONSENT, Terms
from consent_service.grants.schemas import load_authorization_details
from consent_service.registry.model import Client, ClientRole

S256 = re.compile(r"[A-Za-z0-9_-]{43}")
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
STATE_LENGTH = 4000


class Endpoint(StrEnum):
    """Where an authorization request can come in."""

    PAR = "par"
    AUTHORIZE = "authorize"
    BACKCHANNEL = "backchannel"


BROWSER = frozenset({Endpoint.PAR, Endpoint.AUTHORIZE})
EVERYWHERE = frozenset(Endpoint)


@dataclass(slots=True)
class Ask:
    """An authorization request on its way through the checks."""

    endpoint: Endpoint
    client: Client
    parameters: Mapping[str, str]
    catalogue: Catalogue
    now: dt.datetime
    terms: Terms | None = None


def client_may_ask(ask: Ask) -> None:
    """Only a requesting party's client asks owners."""
    if ask.client.role is not ClientRole.PARTY:
        raise ServiceError("unauthorized_client", "this client is not a requesting party's")


def no_request_uri(ask: Ask) -> None:
    """RFC 9126 section 2.1: request_uri must not be pushed."""
    if "request_uri" in ask.parameters:
        raise ServiceError("invalid_request", "request_uri must not be pushed")


def no_request_object(ask: Ask) -> None:
    """RFC 9101 section 6.3 gives the code; signed requests are not supported."""
    if "request" in ask.parameters:
        raise ServiceError("request_not_supported", "signed request objects are not supported")


def client_id_agrees(ask: Ask) -> None:
    """RFC 9126 section 2.1: the client that authenticates is the client that asks."""
    stated = ask.parameters.get("client_id")
    if stated is not None and stated != ask.client.client_id:
        raise ServiceError("invalid_request", "client_id is not the authenticated client")


def redirect_uri_is_registered(ask: Ask) -> None:
    """FAPI 2.0 section 5.3.2.2: stated, and exactly one of those registered."""
    if ask.parameters.get("redirect_uri") not in ask.client.redirect_uris:
        raise ServiceError("invalid_request", "redirect_uri is not one of those registered for this client")


def response_type_is_code(ask: Ask) -> None:
    """FAPI 2.0 section 5.3.2.2."""
    if ask.parameters.get("response_type") != "code":
        raise ServiceError("unsupported_response_type", "response_type must be code")


def response_mode_is_query(ask: Ask) -> None:
    """The answer goes into the query, the default of response_type code."""
    if ask.parameters.get("response_mode", "query") != "query":
        raise ServiceError("invalid_request", "response_mode must be query")


def challenge_is_s256(ask: Ask) -> None:
    """RFC 7636 section 4.3 with S256 only (FAPI 2.0 section 5.3.2.2)."""
    if ask.parameters.get("code_challenge_method") != "S256":
        raise ServiceError("invalid_request", "code_challenge_method must be S256")
    if not S256.fullmatch(ask.parameters.get("code_challenge", "")):
        raise ServiceError("invalid_request", "code_challenge must be a base64url SHA-256")


def state_is_bounded(ask: Ask) -> None:
    """RFC 6749 section 4.1.1 sets no length; a bound keeps redirects whole."""
    if len(ask.parameters.get("state", "")) > STATE_LENGTH:
        raise ServiceError("invalid_request", f"state is longer than {STATE_LENGTH} characters")


def dpop_jkt_is_a_thumbprint(ask: Ask) -> None:
    """RFC 9449 section 10."""
    if not THUMBPRINT.fullmatch(ask.parameters.get("dpop_jkt", "A" * 43)):
        raise ServiceError("invalid_request", "dpop_jkt must be a base64url SHA-256 thumbprint")


def no_scope(ask: Ask) -> None:
    """What is asked for stands in authorization_details alone, so that nothing comes in beside it."""
    if ask.parameters.get("scope", "").strip():
        raise ServiceError(
            "invalid_scope", "ask with authorization_details; no scope can be granted to a party"
        )


def details_are_valid(ask: Ask) -> None:
    """RFC 9396 section 5: well formed, and of what the catalogue has."""
    ask.terms = load_authorization_details(ask.parameters.get("authorization_details"), ask.catalogue)


def basis_is_consent(ask: Ask) -> None:
    """An owner is asked for nothing but consent; a law is invoked at the token endpoint."""
    if ask.terms is not None and ask.terms.legal_basis != CONSENT:
        raise ServiceError(
            "invalid_authorization_details", "legal_basis must be consent where an owner is asked"
        )


def resource_is_a_location(ask: Ask) -> None:
    """RFC 8707 section 2: a resource that the details don't name can't be meant."""
    resource = ask.parameters.get("resource")
    if resource is not None and ask.terms is not None and resource not in ask.terms.locations:
        raise ServiceError("invalid_target", "resource is not one of the locations asked for")


RULES: tuple[tuple[Callable[[Ask], None], frozenset[Endpoint]], ...] = (
    (client_may_ask, EVERYWHERE),
    (no_request_uri, frozenset({Endpoint.PAR})),
    (no_request_object, EVERYWHERE),
    (client_id_agrees, EVERYWHERE),
    (redirect_uri_is_registered, BROWSER),
    (response_type_is_code, BROWSER),
    (response_mode_is_query, BROWSER),
    (challenge_is_s256, BROWSER),
    (state_is_bounded, BROWSER),
    (dpop_jkt_is_a_thumbprint, BROWSER),
    (no_scope, EVERYWHERE),
    (details_are_valid, EVERYWHERE),
    (basis_is_consent, EVERYWHERE),
    (resource_is_a_location, EVERYWHERE),
)


def check(ask: Ask) -> Terms:
    """Run the table and return what is asked for.

    :raises ServiceError: the first rule that is not kept, with the standard's error code
    """
    for rule, endpoints in RULES:
        if ask.endpoint in endpoints:
            rule(ask)
    if ask.terms is None:
        raise RuntimeError("the table left the terms unread")
    return ask.terms
