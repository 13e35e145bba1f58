"""What an authorization request is checked for, in order, one rule a function.

The table is the protocol on one screen, with the endpoints that each rule serves. Order matters:
who asks and where the answer goes are settled before anything else is looked at.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants import management
from consent_service.grants.catalogue import Catalogue
from consent_service.grants.model import CONSENT, Action, Grant, Terms
from consent_service.grants.schemas import load_authorization_details
from consent_service.oauth import backchannel_checks, jarm, openid
from consent_service.oauth.backchannel_checks import NOBODY, Hinted
from consent_service.oauth.tokens import USERINFO_PATH
from consent_service.registry.login_rules import Asked
from consent_service.registry.model import Client, ClientRole, Profile

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
    session: Session
    settings: Settings
    repeated: tuple[str, ...] = ()
    redirect_uri: str | None = None
    """Where the answer goes, once that is settled: from then on an error may be redirected there."""
    scopes: tuple[str, ...] = ()
    signed: bool = False
    """Whether the parameters come from a signed request object."""
    terms: Terms | None = None
    login: Asked | None = None
    amends: Grant | None = None
    """The grant that the request wants to change."""
    resources: tuple[str, ...] = ()
    """Every value of ``resource``, which may come several times (RFC 8707 section 2)."""
    hinted: Hinted = NOBODY
    """Whom a request without a browser is for."""

    @property
    def action(self) -> Action:
        """What is to be done with a grant, once the rules below have run."""
        return Action(self.parameters.get("grant_management_action", Action.CREATE))

    @property
    def fapi(self) -> bool:
        return self.client.profile is Profile.FAPI2


def client_may_ask(ask: Ask) -> None:
    """A requesting party's client asks owners; a client for sign-ins asks who somebody is."""
    if not ask.client.active or ask.client.role not in {ClientRole.PARTY, ClientRole.LOGIN}:
        raise ServiceError(
            "unauthorized_client", "this client is neither a requesting party's nor one for sign-ins"
        )


def client_may_ask_without_a_browser(ask: Ask) -> None:
    """CIBA Core section 4."""
    backchannel_checks.check_client(ask.client, signed=ask.signed)


def hint_names_somebody(ask: Ask) -> None:
    """CIBA Core section 7.1: exactly one hint; then message, code, token and expiry."""
    backchannel_checks.check_parameters(ask.client, ask.parameters)
    ask.hinted = backchannel_checks.hinted(ask.session, ask.settings, ask.client, ask.parameters)


def hint_and_owner_agree(ask: Ask) -> None:
    """Who is asked for an owner's data is who may act for that owner."""
    if ask.terms is None or ask.hinted.owner is None:
        return
    if ask.terms.owner not in {None, ask.hinted.owner}:
        raise ServiceError("invalid_authorization_details", "login_hint names another owner than the details")
    ask.terms = replace(ask.terms, owner=ask.hinted.owner)


def fapi_is_pushed(ask: Ask) -> None:
    """FAPI 2.0 section 5.3.2.2: of these clients only pushed requests are taken."""
    if ask.fapi:
        raise ServiceError("invalid_request", "this client's requests must be pushed")


def no_request_uri(ask: Ask) -> None:
    """RFC 9126 section 2.1: request_uri must not be pushed; Core section 6.2: we fetch none."""
    if "request_uri" in ask.parameters:
        if ask.endpoint is Endpoint.AUTHORIZE:
            raise ServiceError("request_uri_not_supported", "request objects are not fetched")
        raise ServiceError("invalid_request", "request_uri must not be pushed")


def no_request_object(ask: Ask) -> None:
    """RFC 9101 section 6.3 gives the code. Where requests may be signed, they were opened before this."""
    if "request" in ask.parameters:
        raise ServiceError("request_not_supported", "signed request objects are not supported here")


def signed_where_required(ask: Ask) -> None:
    """RFC 9101 section 10.5: a client that registered for it has no request that is not signed."""
    if ask.client.metadata.get("require_signed_request_object") and not ask.signed:
        raise ServiceError("invalid_request", "this client's requests must be signed (request is missing)")


def client_id_agrees(ask: Ask) -> None:
    """RFC 9126 section 2.1: the client that authenticates is the client that asks."""
    stated = ask.parameters.get("client_id")
    if stated is not None and stated != ask.client.client_id:
        raise ServiceError("invalid_request", "client_id is not the authenticated client")


def redirect_uri_is_registered(ask: Ask) -> None:
    """FAPI 2.0 section 5.3.2.2: stated, and exactly one of those registered."""
    stated = ask.parameters.get("redirect_uri")
    if stated not in ask.client.redirect_uris or "redirect_uri" in ask.repeated:
        raise ServiceError("invalid_request", "redirect_uri is not one of those registered for this client")
    ask.redirect_uri = stated


def nothing_twice(ask: Ask) -> None:
    """RFC 6749 section 3.1."""
    if ask.repeated:
        raise ServiceError("invalid_request", f"{', '.join(ask.repeated)} is given more than once")


def response_type_is_code(ask: Ask) -> None:
    """FAPI 2.0 section 5.3.2.2."""
    if ask.parameters.get("response_type") != "code":
        raise ServiceError("unsupported_response_type", "response_type must be code")


def response_mode_is_known(ask: Ask) -> None:
    """The answer goes into the query, the default of response_type code; signed where that is asked for."""
    if ask.parameters.get("response_mode", jarm.QUERY) not in jarm.MODES:
        raise ServiceError("invalid_request", f"response_mode must be one of {', '.join(jarm.MODES)}")


def challenge_is_s256(ask: Ask) -> None:
    """RFC 7636 section 4.3 with S256 only (FAPI 2.0 section 5.3.2.2); profile ``oidc`` may do without."""
    if not ask.fapi and not {"code_challenge", "code_challenge_method"} & set(ask.parameters):
        return
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


def scopes_are_known(ask: Ask) -> None:
    """Business data is asked for in authorization_details; scopes ask who answers, and nothing else."""
    ask.scopes = openid.scopes_of(
        ask.client, ask.parameters.get("scope", ""), browser=ask.endpoint is not Endpoint.BACKCHANNEL
    )
    if not ask.fapi and not ask.scopes:
        raise ServiceError("invalid_scope", "scope must have openid")


def login_is_valid(ask: Ask) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    if not ask.scopes:
        return
    parameters = ask.parameters
    if ask.endpoint is Endpoint.BACKCHANNEL:  # CIBA Core section 7.1 has these alone
        parameters = {
            name: parameters[name] for name in ("acr_values", "id_token_hint") if name in parameters
        }
    ask.login = openid.read(ask.session, ask.settings, ask.client, ask.scopes, parameters)
    if ask.hinted.subject is not None:
        ask.login = replace(ask.login, subject=ask.hinted.subject)


def details_are_valid(ask: Ask) -> None:
    """RFC 9396 section 5: well formed, of what the catalogue has, and of a party.

    A sign-in alone asks for no data.
    """
    stated = ask.parameters.get("authorization_details")
    if stated is None and ask.login is not None:
        return
    if ask.client.role is not ClientRole.PARTY:
        raise ServiceError("invalid_authorization_details", "only a requesting party asks for data")
    ask.terms = load_authorization_details(stated, ask.catalogue)


def basis_is_consent(ask: Ask) -> None:
    """An owner is asked for nothing but consent; a law is invoked at the token endpoint."""
    if ask.terms is not None and ask.terms.legal_basis != CONSENT:
        raise ServiceError(
            "invalid_authorization_details", "legal_basis must be consent where an owner is asked"
        )


def resource_is_a_location(ask: Ask) -> None:
    """RFC 8707 section 2: a resource that the details don't name can't be meant.

    A sign-in alone opens userinfo, and nothing else. A request without a browser has its tokens
    narrowed where they are fetched.
    """
    if ask.endpoint is Endpoint.BACKCHANNEL and "resource" in ask.parameters:
        raise ServiceError("invalid_target", "name the resource at the token endpoint")
    places = ask.terms.locations if ask.terms else (ask.settings.issuer + USERINFO_PATH,)
    if not set(ask.resources) <= set(places):
        raise ServiceError("invalid_target", "resource is not one of the locations asked for")


def action_is_known(ask: Ask) -> None:
    """Grant Management section 5.3: an action that is not supported is an invalid request."""
    if ask.parameters.get("grant_management_action", Action.CREATE) not in {one.value for one in Action}:
        raise ServiceError("invalid_request", "grant_management_action must be create, merge or replace")


def grant_id_fits_the_action(ask: Ask) -> None:
    """Grant Management section 5.2: merge and replace name a grant, create names none."""
    named = bool(ask.parameters.get("grant_id"))
    if named is (ask.action is Action.CREATE):
        raise ServiceError(
            "invalid_request",
            "grant_id goes with the grant_management_action merge or replace, and they with it",
        )


def grant_may_be_changed(ask: Ask) -> None:
    """Grant Management sections 5.2 and 5.3: from here on the terms are those that the grant would have."""
    if ask.action is Action.CREATE:
        return
    if ask.terms is None:
        raise ServiceError("invalid_request", "a grant is changed by authorization_details")
    ask.amends = management.target(ask.session, ask.client, ask.parameters["grant_id"], ask.now)
    ask.terms = management.wanted(ask.amends, ask.terms, ask.action)


RULES: tuple[tuple[Callable[[Ask], None], frozenset[Endpoint]], ...] = (
    (client_may_ask, EVERYWHERE),
    (client_may_ask_without_a_browser, frozenset({Endpoint.BACKCHANNEL})),
    (fapi_is_pushed, frozenset({Endpoint.AUTHORIZE})),
    (client_id_agrees, EVERYWHERE),
    (redirect_uri_is_registered, BROWSER),
    (nothing_twice, EVERYWHERE),
    (no_request_uri, BROWSER),
    (no_request_object, EVERYWHERE),
    (response_type_is_code, BROWSER),
    (signed_where_required, BROWSER),
    (response_mode_is_known, BROWSER),
    (state_is_bounded, BROWSER),
    (challenge_is_s256, BROWSER),
    (dpop_jkt_is_a_thumbprint, BROWSER),
    (scopes_are_known, EVERYWHERE),
    (hint_names_somebody, frozenset({Endpoint.BACKCHANNEL})),
    (login_is_valid, EVERYWHERE),
    (action_is_known, EVERYWHERE),
    (grant_id_fits_the_action, EVERYWHERE),
    (details_are_valid, EVERYWHERE),
    (hint_and_owner_agree, frozenset({Endpoint.BACKCHANNEL})),
    (basis_is_consent, EVERYWHERE),
    (grant_may_be_changed, EVERYWHERE),
    (resource_is_a_location, EVERYWHERE),
)


def check(ask: Ask) -> None:
    """Run the table; what is asked for stands in ``ask.terms`` and ``ask.login`` then.

    :raises ServiceError: the first rule that is not kept, with the standard's error code
    """
    for rule, endpoints in RULES:
        if ask.endpoint in endpoints:
            rule(ask)
