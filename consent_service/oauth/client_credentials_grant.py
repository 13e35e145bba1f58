"""Client credentials (RFC 6749 section 4.4): how a client's machine gets a token for an API of ours."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants import agreement, law
from consent_service.grants.model import Status
from consent_service.grants.schemas import load_authorization_details
from consent_service.oauth import sender, tokens
from consent_service.oauth.client import METHODS
from consent_service.oauth.server import session
from consent_service.registry.model import Client, ClientRole
from consent_service.web.current import current, now


class MachineGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """``grant_type=client_credentials``: the one scope of a client's role, or those for signals."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue a token, ten minutes long: for decisions, for the ledger, or for what a law opens.

        With a DPoP proof it is bound to that key (RFC 9449 section 5); a client that was registered
        for tokens bound to a key, or to its certificate (RFC 8705 section 3.4), gets no other.

        :raises ServiceError: ``invalid_scope``, ``unauthorized_client``, ``invalid_dpop_proof``,
            ``invalid_authorization_details``
        """
        client: Client = self.request.client.client
        if "authorization_details" in self.request.form:
            return 200, self._by_law(client), self.TOKEN_RESPONSE_HEADER
        scope, path = _asked(client, self.request.form.get("scope", "").split())
        settings = current(Settings)
        found = sender.proven(session(), client, f"{settings.issuer}/oauth/token", now())
        if client.dpop_bound and not found.jkt:
            raise ServiceError("invalid_dpop_proof", "this client's tokens are bound to a DPoP key")
        audience = (settings.issuer + path,)
        subject = tokens.Subject(client, client.client_id, audience, scope=scope, sender=found)
        return 200, tokens.access_token(session(), settings, subject, now()), self.TOKEN_RESPONSE_HEADER

    def _by_law(self, client: Client) -> dict[str, Any]:
        """Access that a law opens, for an authority's machine (RFC 9396 section 6, with no owner asked).

        The token is bound to a key or a certificate, as every token that opens data.
        """
        if client.role is not ClientRole.PARTY:
            raise ServiceError("unauthorized_client", "this client is not a requesting party's")
        if self.request.form.get("scope", "").strip():
            raise ServiceError("invalid_scope", "authorization_details say all; no scope goes with them")
        settings, moment = current(Settings), now()
        found = sender.required(session(), client, f"{settings.issuer}/oauth/token", moment)
        catalogue = agreement.agreements().catalogue(session())
        terms = load_authorization_details(self.request.form["authorization_details"], catalogue)
        grant = law.invoke(session(), client, terms, moment)
        if grant.status is not Status.ACTIVE:
            begins = grant.given_at.date().isoformat()
            raise ServiceError("authorization_pending", f"the owner is told; access begins on {begins}")
        return tokens.access_token(session(), settings, tokens.of_grant(client, grant, found, None), moment)


def _asked(client: Client, scopes: list[str]) -> tuple[str, str]:
    """The scope that a client asks for, by default its role's, and the path of its audience.

    :raises ServiceError: ``invalid_scope``, ``unauthorized_client``
    """
    if scopes and tokens.SIGNALS.issuperset(scopes):
        return " ".join(dict.fromkeys(scopes)), tokens.SIGNALS_PATH
    signals = " ".join(sorted(tokens.SIGNALS))
    found = tokens.MACHINE_SCOPES.get(client.role)
    if found is None:
        raise ServiceError("unauthorized_client", f"a {client.role}'s machine gets tokens for {signals} only")
    if scopes not in ([], [found[0]]):
        raise ServiceError("invalid_scope", f"a {client.role}'s token has the scope {found[0]} or {signals}")
    return found
