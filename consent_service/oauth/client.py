"""Our client in the words of Authlib's interface, and the grant types of each role."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import ClientMixin

from consent_service.registry.model import Client, ClientRole

CODE, REFRESH, CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CIBA = "urn:openid:params:grant-type:ciba"
GRANT_TYPES = {
    ClientRole.PARTY: frozenset({CODE, REFRESH, CREDENTIALS}),
    ClientRole.HOLDER: frozenset({CREDENTIALS, EXCHANGE}),
    ClientRole.SUPERVISOR: frozenset({CREDENTIALS}),
    ClientRole.LOGIN: frozenset({CODE, REFRESH, CREDENTIALS}),  # by credentials, for signals alone
}
REGISTERED = "registered"
"""The one method that Authlib tries: which one it is in truth, the client's registration says."""
METHODS = [REGISTERED]


class OAuthClient(ClientMixin):  # type: ignore[misc]
    """A client, as Authlib asks about it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.client_id = client.client_id

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return None  # always stated (FAPI 2.0 section 5.3.2.2)

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.client.redirect_uris

    def check_endpoint_auth_method(self, _method: str, _endpoint: str) -> bool:
        return True  # whoever got this far used the method that the client is registered with

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == CIBA:
            return "backchannel_token_delivery_mode" in self.client.metadata
        allowed = GRANT_TYPES[self.client.role]
        return grant_type in allowed and grant_type in self.client.metadata.get("grant_types", allowed)
