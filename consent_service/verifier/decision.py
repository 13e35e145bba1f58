"""Asking for the decision (AuthZEN Authorization API 1.0); whatever is not a clear yes is a deny."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.errors import OAuthRefused, ServiceFailed
from consent_service.verifier.service import TIMEOUT, Authenticated

SCOPE = "decisions"
METADATA = "/.well-known/authzen-configuration"
KNOWN_OBLIGATIONS = frozenset({"delete_after", "do_not_store", "use_only_for", "share_only_with", "mask"})
"""What a holder passes on to the party, and ``mask``, which it does itself (:meth:`Decision.masked`)."""
RENEW_BEFORE = dt.timedelta(seconds=30)
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Decision:
    """Permit or deny; ``answered`` is False when there was no usable answer, which is a deny too."""

    permit: bool
    reasons: tuple[str, ...] = ()
    grant_id: str | None = None
    entry_id: str | None = None
    obligations: tuple[Mapping[str, Any], ...] = ()
    answered: bool = True

    def __bool__(self) -> bool:
        return self.permit

    @property
    def step_up(self) -> str:
        """The sign-in that would make this deny a permit (RFC 9470 ``acr_values``); empty if none would."""
        found = (one for one in self.obligations if one.get("type") == "step-up")
        needs = [str(one["properties"]["acr_value"]) for one in found]
        return "" if self.permit else " ".join(needs)

    def masked(self, data: Any) -> Any:
        """The data without the members that the decision's ``mask`` obligations name, at any depth."""
        names = {
            name
            for one in self.obligations
            if one.get("type") == "mask"
            for name in str(one["properties"]["members"]).split()
        }
        return _without(data, names) if names else data


def _without(data: Any, names: set[str]) -> Any:
    if isinstance(data, Mapping):
        return {name: _without(value, names) for name, value in data.items() if name not in names}
    if isinstance(data, list | tuple):
        return [_without(one, names) for one in data]
    return data


class DecisionClient:
    """Asks the service for decisions as one holder; gets and renews its own token."""

    def __init__(
        self, holder: Authenticated, http: httpx2.Client | None = None, dpop: DPoPKey | None = None
    ) -> None:
        """Ask as this holder; with ``dpop``, by tokens that are bound to that key (RFC 9449).

        A holder whose tokens are bound to its certificate (RFC 8705) gives, as ``http``, a client
        that shows it.
        """
        self._holder, self._dpop = holder, dpop
        self._http = http or httpx2.Client(timeout=TIMEOUT)
        self._endpoint = ""
        self._token, self._until = "", dt.datetime.min.replace(tzinfo=dt.UTC)
        self._lock = threading.Lock()

    def ask(self, question: Mapping[str, Any], now: dt.datetime, request_id: str = "") -> Decision:
        """Ask one question; fails closed.

        1. No answer, an error, or an answer that is not the standard's: deny.
        2. ``decision`` is exactly ``true``, else deny.
        3. An obligation that we don't know: deny (AuthZEN obligations profile, draft 1).
        """
        try:
            response = self._post(question, now, request_id, fresh=False)
            if response.status_code == UNAUTHORIZED:  # our token ended early, or the key was rotated
                response = self._post(question, now, request_id, fresh=True)
            response.raise_for_status()
            answer = response.json()
            context = answer.get("context") or {}
            reasons = tuple(str(one["text"]) for one in context.get("reasons", []))
            obligations = tuple(dict(one) for one in context.get("obligations", []))
            permit = answer.get("decision") is True
            # What a deny binds to is for the party: it says how to get a permit.
            known = not permit or all(one.get("type") in KNOWN_OBLIGATIONS for one in obligations)
        except (
            httpx2.HTTPError,
            ServiceFailed,
            OAuthRefused,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ):
            return Decision(False, ("The consent service gave no decision.",), answered=False)
        if not known:
            reasons = ("The decision binds us to something that we can't do.",)
        return Decision(
            permit and known,
            reasons,
            context.get("grant_id"),
            context.get("entry_id"),
            obligations,
        )

    def _post(
        self, question: Mapping[str, Any], now: dt.datetime, request_id: str, *, fresh: bool
    ) -> httpx2.Response:
        token, endpoint = self._access_token(now, fresh=fresh), self._evaluation_endpoint()
        headers = {"Authorization": f"{'DPoP' if self._dpop else 'Bearer'} {token}"}
        if self._dpop:
            headers["DPoP"] = self._dpop.proof("POST", endpoint, now, token)
        if request_id:
            headers["X-Request-ID"] = request_id
        return self._http.post(endpoint, json=dict(question), headers=headers)

    def _access_token(self, now: dt.datetime, *, fresh: bool) -> str:
        with self._lock:
            if fresh or now >= self._until:
                form = {"grant_type": "client_credentials", "scope": SCOPE}
                answer = self._holder.proven_form("token_endpoint", form, now, self._dpop)
                self._token = str(answer["access_token"])
                self._until = now + dt.timedelta(seconds=int(answer["expires_in"])) - RENEW_BEFORE
            return self._token

    def _evaluation_endpoint(self) -> str:
        if not self._endpoint:
            issuer = self._holder.service.issuer
            metadata = self._http.get(issuer + METADATA).raise_for_status().json()
            if metadata.get("policy_decision_point") != issuer:
                raise ServiceFailed("the metadata names another decision point")
            aliases = {} if self._holder.signs else metadata.get("mtls_endpoint_aliases") or {}
            name = "access_evaluation_endpoint"
            self._endpoint = str(aliases.get(name) or metadata[name])
        return self._endpoint
