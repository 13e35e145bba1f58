"""Talking to the service: metadata, keys, and form calls with a client assertion."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from typing import Any

import httpx2
import jwt

from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.errors import OAuthRefused, Refused, ServiceFailed
from consent_service.verifier.keys import ClientKey

TIMEOUT = 5.0  # seconds
LARGEST = 256 * 1024  # bytes of metadata or keys
REFETCH_AFTER = 10.0  # seconds between two looks for an unknown key
KEYS_FRESH = 600.0  # seconds after which keys are looked at again: one may have been withdrawn
KEYS_KEPT = 3600.0  # seconds for which they count while the service does not answer
METADATA = "/.well-known/oauth-authorization-server"


class Service:
    """The service at ``issuer``; its metadata and keys are fetched once and kept.

    :raises ServiceFailed: from every method, when the service can't be used
    """

    def __init__(self, issuer: str, http: httpx2.Client | None = None) -> None:
        self.issuer = issuer
        self._http = http or httpx2.Client(timeout=TIMEOUT, follow_redirects=False)
        self._metadata: dict[str, Any] = {}
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._known_at = -KEYS_KEPT
        self.nonce = ""
        """The last nonce that the service gave for DPoP proofs (RFC 9449 section 8.2)."""
        self._lock = threading.Lock()

    def metadata(self) -> dict[str, Any]:
        """The authorization server metadata (RFC 8414); its issuer must be the one configured."""
        if not self._metadata:
            found = self._get(self.issuer + METADATA)
            if found.get("issuer") != self.issuer:
                raise ServiceFailed("the metadata names another issuer")
            self._metadata = found
        return self._metadata

    def key(self, kid: object) -> jwt.PyJWK:
        """The published key of this id; looks again for one that is not known, but not often.

        A key that was seen a short while ago waits for nobody: whoever sends tokens with key ids that are
        made up holds up no others, and can't make a key count longer than it does.

        :raises Refused: there is no such key
        """
        if not isinstance(kid, str):
            raise Refused("the token names no key")
        known = self._keys.get(kid)
        if known is not None and time.monotonic() - self._known_at < KEYS_FRESH:
            return known
        with self._lock:
            moment = time.monotonic()
            wanted = kid not in self._keys or moment - self._known_at >= KEYS_FRESH
            if wanted and moment - self._fetched >= REFETCH_AFTER:
                self._fetched = moment
                try:
                    self._keys, self._known_at = self._published(), moment
                except ServiceFailed:
                    if kid not in self._keys:
                        raise
            if kid not in self._keys:
                raise Refused("the token is signed with an unknown key")
            if moment - self._known_at >= KEYS_KEPT:
                raise ServiceFailed("the keys that are known are too old to count")
            return self._keys[kid]

    def form(
        self, url: str, parameters: dict[str, str], headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """POST a form and return the JSON answer.

        :raises OAuthRefused: an error of RFC 6749 section 5.2
        """
        try:
            response = self._http.post(url, data=parameters, headers=headers)
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
            document = response.json() if response.content else {}
        except (httpx2.HTTPError, ValueError) as error:
            raise ServiceFailed(f"{url} did not answer in JSON") from error
        if not isinstance(document, dict):
            raise ServiceFailed(f"{url} did not answer with an object")
        if response.is_error:
            raise OAuthRefused(
                str(document.get("error", "server_error")),
                str(document.get("error_description", "")),
                response.status_code,
            )
        return document

    def fetch(self, url: str, accept: str = "application/json") -> bytes:
        """The body of what the service serves at an address of its own, within bounds."""
        body = b""
        try:
            with self._http.stream("GET", url, headers={"Accept": accept}) as response:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        raise ServiceFailed(f"{url} answers with too much")
        except (httpx2.HTTPError, ValueError) as error:
            raise ServiceFailed(f"{url} can't be read") from error
        return body

    def _published(self) -> dict[str, jwt.PyJWK]:
        published = self._get(self.metadata()["jwks_uri"])
        try:
            return {one["kid"]: jwt.PyJWK(one) for one in published["keys"] if one.get("use") == "sig"}
        except (KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
            raise ServiceFailed("the published keys can't be read") from error

    def _get(self, url: str) -> dict[str, Any]:
        body = self.fetch(url)
        try:
            document = json.loads(body)
        except ValueError as error:
            raise ServiceFailed(f"{url} can't be read") from error
        if not isinstance(document, dict):
            raise ServiceFailed(f"{url} is not an object")
        return document


class Authenticated:
    """The service, called as one client: by private_key_jwt, or by its certificate (RFC 8705 section 2).

    :param key: signs assertions; None for a client whose ``Service`` was made with an HTTP client that
        shows a certificate (``verifier/certificate.py``)
    """

    def __init__(self, service: Service, client_id: str, key: ClientKey | None) -> None:
        self.service, self.client_id, self._key = service, client_id, key

    @property
    def signs(self) -> bool:
        """Whether it authenticates by assertions; else by its certificate."""
        return self._key is not None

    def signed(self, parameters: dict[str, str], now: dt.datetime) -> dict[str, str]:
        """The parameters as a signed request; as they are for a client that has no key to sign with."""
        if self._key is None:
            return parameters
        return self._key.request(self.client_id, self.service.issuer, parameters, now)

    def endpoint(self, name: str) -> str:
        """The endpoint's address; with a certificate, where one is asked for (RFC 8705 section 5)."""
        metadata = self.service.metadata()
        aliases = {} if self.signs else metadata.get("mtls_endpoint_aliases") or {}
        return str(aliases.get(name) or metadata[name])

    def form(
        self,
        endpoint: str,
        parameters: dict[str, str],
        now: dt.datetime,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """POST to the endpoint of this name in the metadata, authenticated."""
        proof = self._key.assertion(self.client_id, self.service.issuer, now) if self._key else {}
        sent = {**parameters, **proof, "client_id": self.client_id}
        return self.service.form(self.endpoint(endpoint), sent, headers)

    def proven_form(
        self, endpoint: str, parameters: dict[str, str], now: dt.datetime, dpop: DPoPKey | None
    ) -> dict[str, Any]:
        """The same with a DPoP proof; made again when a nonce is wanted in it (RFC 9449 section 8)."""
        if dpop is None:
            return self.form(endpoint, parameters, now)
        url, nonce = self.endpoint(endpoint), self.service.nonce
        try:
            return self.form(endpoint, parameters, now, {"DPoP": dpop.proof("POST", url, now, nonce=nonce)})
        except OAuthRefused as refused:
            if refused.error != "use_dpop_nonce" or self.service.nonce == nonce:
                raise
        proof = dpop.proof("POST", url, now, nonce=self.service.nonce)
        return self.form(endpoint, parameters, now, {"DPoP": proof})
