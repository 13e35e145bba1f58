"""Token exchange (RFC 8693): a holder asks another holder for what the same grant opens there.

A bank reads a statement from one system, and that system needs figures from another. It shows the
bank's token as it came, and gets one for the other system, in its own hands and for no more.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import TokenEndpointMixin, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants.model import Grant, Terms
from consent_service.ledger import append as ledger
from consent_service.ledger.model import Kind
from consent_service.oauth import narrowing, sender, tokens
from consent_service.oauth.client import EXCHANGE, METHODS
from consent_service.oauth.live import active_grant
from consent_service.oauth.server import session
from consent_service.registry import tokens as issued
from consent_service.registry.model import Client
from consent_service.web.current import current, now

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ASKABLE = {ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"}


class ExchangeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """``grant_type=urn:ietf:params:oauth:grant-type:token-exchange``, for data holders."""

    GRANT_TYPE = EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_token_request(self) -> None:
        """The client is authenticated, and may exchange tokens."""
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("only a data holder exchanges tokens")
        self.request.client = client

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue a token for another holder, to the holder that authenticated.

        1. The request has the form of RFC 8693 section 2.1; the actor is who authenticated.
        2. It proves the holder's own key: the new token is bound to that, not to the party's.
        3. The subject token is alive, a party's own, under a grant, and meant for this holder.
        4. The grant is still active; nothing changes it from here to the commit.
        5. ``resource`` is one of the grant's locations, and not this holder's own.
        6. The token carries what the subject token carries, at that place, or less; it ends with the
           subject token at the latest. The ledger has it before it leaves.

        :raises ServiceError: ``invalid_request``, ``invalid_target``, ``invalid_scope``,
            ``invalid_dpop_proof``, ``invalid_authorization_details``
        """
        settings, moment = current(Settings), now()
        client: Client = self.request.client.client
        form = self.request.form
        _check_form(form)
        found = sender.required(session(), client, f"{settings.issuer}/oauth/token", moment)
        subject_token = _subject_token(form["subject_token"], client)
        ledger.hold(session(), ledger.of_owner(subject_token.owner or ""))
        grant = _grant(subject_token)
        carried = narrowing.carried(session(), grant, subject_token)
        target = _target(form, grant, client)
        if carried is None:
            raise _no_subject()
        terms = narrowing.at_place(session(), grant, carried, target, moment)
        subject = _subject(client, grant, found, subject_token, terms)
        answer = tokens.access_token(session(), settings, subject, moment)
        ledger.append(
            session(),
            Kind.TOKEN_EXCHANGED,
            {
                "actor": client.client_id,
                "client_id": grant.client_id,
                "party": grant.party,
                "resource": target,
            },
            now=moment,
            owner=grant.owner,
            grant_id=grant.grant_id,
            grant_version=grant.version,
            client_id=client.client_id,
        )
        return 200, {**answer, "issued_token_type": ACCESS_TOKEN}, self.TOKEN_RESPONSE_HEADER


def _check_form(form: Any) -> None:
    """RFC 8693 section 2.1."""
    if "subject_token" not in form:
        raise ServiceError("invalid_request", "subject_token is missing")
    if form.get("subject_token_type") != ACCESS_TOKEN:
        raise ServiceError("invalid_request", f"subject_token_type must be {ACCESS_TOKEN}")
    if "actor_token" in form or "actor_token_type" in form:
        raise ServiceError(
            "invalid_request", "the actor is the client that authenticates; send no actor_token"
        )
    if form.get("requested_token_type", ACCESS_TOKEN) not in ASKABLE:
        raise ServiceError("invalid_request", f"requested_token_type must be {ACCESS_TOKEN}")
    if form.get("scope", "").strip():
        raise ServiceError("invalid_scope", "authorization_details say all; no scope goes with them")
    if "audience" in form:
        raise ServiceError("invalid_target", "name the other holder by its resource")


def _subject_token(text: str, client: Client) -> issued.Token:
    """The party's token, for a holder for whom it is meant; one sentence for every other.

    What was exchanged already goes no further: a grant names its party and its holders, and no chain.
    """
    token = issued.held(session(), text)
    if (
        token is None
        or token.kind != "access_token"
        or token.grant_id is None
        or token.actor is not None
        or not token.live(now())
        or not set(token.audience) & set(client.resources)
    ):
        raise _no_subject()
    return token


def _grant(token: issued.Token) -> Grant:
    try:
        return active_grant(session(), token.owner, token.grant_id, now())
    except ServiceError as error:
        raise _no_subject() from error


def _target(form: Any, grant: Grant, client: Client) -> str:
    resources = form.getlist("resource")
    if len(resources) != 1 or resources[0] not in grant.terms.locations or resources[0] in client.resources:
        raise ServiceError("invalid_target", "resource must be one location of the grant, of another holder")
    return str(resources[0])


def _subject(
    client: Client, grant: Grant, found: sender.Sender, token: issued.Token, terms: Terms
) -> tokens.Subject:
    return tokens.Subject(
        client,
        grant.owner,
        terms.locations,
        sender=found,
        grant=grant,
        authorization_id=token.authorization_id,
        terms=terms,
        exchanged=token,
    )


def _no_subject() -> ServiceError:
    return ServiceError("invalid_request", "subject_token is no token that this client can exchange")
