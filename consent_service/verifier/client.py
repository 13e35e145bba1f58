"""The requesting party's side: ask (PAR and RAR), redeem, refresh, read, look."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import httpx2

from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.errors import OAuthRefused, Refused
from consent_service.verifier.service import TIMEOUT, Authenticated


@dataclass(frozen=True, slots=True)
class Asked:
    """A pushed request: where to send the browser, and what to keep until it comes back."""

    url: str
    state: str
    code_verifier: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for its owner; times in seconds."""

    auth_req_id: str
    expires_in: int
    interval: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave."""

    access_token: str
    refresh_token: str | None
    expires_in: int
    grant_id: str
    details: Mapping[str, Any]


class PartyClient:
    """One requesting party's client; every token is bound to ``dpop``, or to the party's certificate.

    :param dpop: None for a party whose tokens are bound to the certificate that ``http`` shows
    """

    def __init__(self, party: Authenticated, dpop: DPoPKey | None, http: httpx2.Client | None = None) -> None:
        self._party, self._dpop = party, dpop
        self._http = http or httpx2.Client(timeout=TIMEOUT)

    def ask(self, details: Mapping[str, Any], redirect_uri: str, now: dt.datetime) -> Asked:
        """Push an authorization request (RFC 9126) for one ``business_data`` object (RFC 9396).

        :raises OAuthRefused: the service's answer, with the member that is wrong
        """
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        bound = {"dpop_jkt": self._dpop.jkt} if self._dpop else {}
        answer = self._party.form(
            "pushed_authorization_request_endpoint",
            {
                **bound,
                "response_type": "code",
                "redirect_uri": redirect_uri,
                "state": state,
                "code_challenge": challenge.decode(),
                "code_challenge_method": "S256",
                "authorization_details": json.dumps([dict(details)]),
            },
            now,
        )
        query = urlencode({"client_id": self._party.client_id, "request_uri": answer["request_uri"]})
        endpoint = self._party.service.metadata()["authorization_endpoint"]
        return Asked(f"{endpoint}?{query}", state, verifier, redirect_uri)

    def redeem(self, asked: Asked, callback: Mapping[str, str], now: dt.datetime) -> Tokens:
        """Check what the browser brought back, and redeem the code.

        1. ``state`` is the one that we sent (RFC 6749 section 10.12).
        2. ``iss`` is the service that we asked (RFC 9207 section 2.4).
        3. An error is an answer too.
        4. The code is redeemed with its verifier and a DPoP proof.

        :raises Refused: steps 1 and 2
        :raises OAuthRefused: steps 3 and 4
        """
        if not hmac.compare_digest(callback.get("state", "").encode(), asked.state.encode()):
            raise Refused("the answer belongs to another request")
        if callback.get("iss") != self._party.service.issuer:
            raise Refused("the answer comes from another service")
        if "error" in callback:
            raise OAuthRefused(callback["error"], callback.get("error_description", ""), 400)
        return self._token(
            {
                "grant_type": "authorization_code",
                "code": callback.get("code", ""),
                "redirect_uri": asked.redirect_uri,
                "code_verifier": asked.code_verifier,
            },
            now,
        )

    def ask_backchannel(
        self, details: Mapping[str, Any], owner: str, binding_message: str, now: dt.datetime
    ) -> Waiting:
        """Ask an owner without a browser (OpenID Connect CIBA Core section 7).

        A party that has a key signs it (section 7.1.1), so that it can be shown later who asked what.

        :param binding_message: shown to the owner, who compares it with what you show them
        :raises OAuthRefused: an error of section 13
        """
        asked = {
            "login_hint": owner,
            "binding_message": binding_message,
            "authorization_details": json.dumps([dict(details)]),
        }
        answer = self._party.form("backchannel_authentication_endpoint", self._party.signed(asked, now), now)
        try:
            return Waiting(answer["auth_req_id"], int(answer["expires_in"]), int(answer.get("interval", 5)))
        except (KeyError, TypeError, ValueError) as error:
            raise Refused("the answer is not complete") from error

    def poll(self, waiting: Waiting, now: dt.datetime) -> Tokens | None:
        """What the owner answered; None while there is no answer.

        Wait ``interval`` seconds between two polls.

        :raises OAuthRefused: ``access_denied``, ``expired_token``, or ``slow_down``: wait five seconds longer
        """
        form = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": waiting.auth_req_id}
        try:
            return self._token(form, now)
        except OAuthRefused as refused:
            if refused.error != "authorization_pending":
                raise
            return None

    def refresh(self, refresh_token: str, now: dt.datetime) -> Tokens:
        """A new access token; raises OAuthRefused when the grant has ended."""
        tokens = self._token({"grant_type": "refresh_token", "refresh_token": refresh_token}, now)
        # The service does not rotate a refresh token that is bound to a key: it stays the one.
        return replace(tokens, refresh_token=tokens.refresh_token or refresh_token)

    def invoke_law(self, details: Mapping[str, Any], now: dt.datetime) -> Tokens:
        """Access that a law opens to this party, an authority; its ``legal_basis`` is the law's id.

        :raises OAuthRefused: the law does not open it, or ``authorization_pending``: the owner is told
            and the time of notice runs
        """
        asked = {"authorization_details": json.dumps([dict(details)])}
        return self._token({"grant_type": "client_credentials", **asked}, now)

    def introspect(self, token: str, now: dt.datetime) -> dict[str, Any]:
        """What the service says of a token (RFC 7662)."""
        return self._party.form("introspection_endpoint", {"token": token}, now)

    def read(self, url: str, access_token: str, now: dt.datetime) -> httpx2.Response:
        """GET from a data holder with the token, and a proof made for this request (RFC 9449 section 7)."""
        headers = {"Authorization": f"Bearer {access_token}"}  # RFC 8705 section 3: the connection proves it
        if self._dpop:
            proof = self._dpop.proof("GET", url, now, access_token)
            headers = {"Authorization": f"DPoP {access_token}", "DPoP": proof}
        return self._http.get(url, headers=headers)

    def _token(self, parameters: dict[str, str], now: dt.datetime) -> Tokens:
        answer = self._party.proven_form("token_endpoint", parameters, now, self._dpop)
        try:
            return Tokens(
                answer["access_token"],
                answer.get("refresh_token"),
                int(answer["expires_in"]),
                answer["grant_id"],
                answer["authorization_details"][0],
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Refused("the token response is not complete") from error
