"""Client credentials (RFC 6749 section 4.4): how a client's machine gets a token for an API of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from authlib.oauth2.rfc6749 import grants

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants import agreement, law, management
from consent_service.grants.model import Status
from consent_service.grants.schemas import load_authorization_details
from consent_service.oauth import narrowing, sender, tokens
from consent_service.oauth.client import METHODS
from consent_service.oauth.live import active_grant
from consent_service.oauth.server import session
from consent_service.registry.model import Client, ClientRole
from consent_service.web.current import current, now


class MachineGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """``grant_type=client_credentials``: for an API of ours, for a standing grant, or by law."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue a token, ten minutes long: for an API of ours, under a grant, or for what a law opens.

        With a DPoP proof it is bound to that key (RFC 9449 section 5); a client that was registered
        for tokens bound to a key, or to its certificate (RFC 8705 section 3.4), gets no other.

        :raises ServiceError: ``invalid_scope``, ``unauthorized_client``, ``invalid_dpop_proof``,
            ``invalid_authorization_details``, ``invalid_grant``, ``invalid_target``
        """
        client: Client = self.request.client.client
        if "grant_id" in self.request.form:
            return 200, self._by_grant(client), self.TOKEN_RESPONSE_HEADER
        if "authorization_details" in self.request.form:
            return 200, self._by_law(client), self.TOKEN_RESPONSE_HEADER
        settings, form = current(Settings), self.request.form
        scope, audience = asked_for(client, settings, form.get("scope", "").split(), form.getlist("resource"))
        found = sender.proven(session(), client, f"{settings.issuer}/oauth/token", now())
        if client.dpop_bound and not found.jkt:
            raise ServiceError("invalid_dpop_proof", "this client's tokens are bound to a DPoP key")
        subject = tokens.Subject(client, client.client_id, (audience,), scope=scope, sender=found)
        return 200, tokens.access_token(session(), settings, subject, now()), self.TOKEN_RESPONSE_HEADER

    def _by_grant(self, client: Client) -> dict[str, Any]:
        """A standing grant, used by its party's machine, with nobody at a browser.

        1. The client is a requesting party's, and the request proves its key.
        2. The grant is this client's and active at this moment; the ledger's current version counts.
        3. The token carries that, or what of it the request asks for.

        :raises ServiceError: ``invalid_grant``: the same for another's grant as for none
        """
        moment = now()
        found = self._sender_of_party(client)
        held = management.held(session(), client, self.request.form["grant_id"], moment)
        grant = active_grant(session(), held.owner if held else None, held.grant_id if held else None, moment)
        terms = narrowing.of_request(session(), grant, moment)
        subject = tokens.of_grant(client, grant, found, None, terms=terms)
        return tokens.access_token(session(), current(Settings), subject, moment)

    def _sender_of_party(self, client: Client) -> sender.Sender:
        if client.role is not ClientRole.PARTY:
            raise ServiceError("unauthorized_client", "this client is not a requesting party's")
        if self.request.form.get("scope", "").strip():
            raise ServiceError("invalid_scope", "authorization_details say all; no scope goes with them")
        return sender.required(session(), client, f"{current(Settings).issuer}/oauth/token", now())

    def _by_law(self, client: Client) -> dict[str, Any]:
        """Access that a law opens, for an authority's machine (RFC 9396 section 6, with no owner asked).

        The token is bound to a key or a certificate, as every token that opens data.
        """
        settings, moment = current(Settings), now()
        found = self._sender_of_party(client)
        catalogue = agreement.agreements().catalogue(session())
        terms = load_authorization_details(self.request.form["authorization_details"], catalogue)
        grant = law.invoke(session(), client, terms, moment)
        if grant.status is not Status.ACTIVE:
            begins = grant.given_at.date().isoformat()
            raise ServiceError("authorization_pending", f"the owner is told; access begins on {begins}")
        return tokens.access_token(session(), settings, tokens.of_grant(client, grant, found, None), moment)


def asked_for(
    client: Client, settings: Settings, scopes: list[str], resources: Sequence[str]
) -> tuple[str, str]:
    """The scope of a token for an API of ours, and its audience.

    :raises ServiceError: ``invalid_scope``, ``unauthorized_client``, ``invalid_target``
    """
    scope, path = _asked(client, scopes)
    if not set(resources) <= {settings.issuer + path}:
        raise ServiceError("invalid_target", f"a token for {scope} is for {settings.issuer}{path}")
    return scope, settings.issuer + path


def _asked(client: Client, scopes: list[str]) -> tuple[str, str]:
    """The scope that a client asks for, by default its role's, and the path of its audience.

    :raises ServiceError: ``invalid_scope``, ``unauthorized_client``; scopes of two APIs are of two tokens
    """
    apis = [(tokens.SIGNALS, tokens.SIGNALS_PATH), (tokens.INTROSPECTING, tokens.INTROSPECTION_PATH)]
    if client.role is ClientRole.PARTY:
        apis.append((tokens.GRANT_SCOPES, tokens.GRANTS_PATH))
    for known, path in apis:
        if scopes and known.issuperset(scopes):
            return " ".join(dict.fromkeys(scopes)), path
    others = " or ".join(" ".join(sorted(known)) for known, _path in apis)
    found = tokens.MACHINE_SCOPES.get(client.role)
    if found is None:
        raise ServiceError("unauthorized_client", f"a {client.role}'s machine gets tokens for {others} only")
    if scopes not in ([], [found[0]]):
        raise ServiceError("invalid_scope", f"a {client.role}'s token has the scope {found[0]} or {others}")
    return found
