"""The few lines that a data holder adds to its API: one call before each answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consent_service.verifier.certificate import check_binding
from consent_service.verifier.decision import Decision, DecisionClient
from consent_service.verifier.dpop import ALGORITHMS, MemoryReplay, Replay, check_proof
from consent_service.verifier.errors import DPoPError, Refused, ServiceFailed
from consent_service.verifier.resource import metadata_url
from consent_service.verifier.service import Authenticated
from consent_service.verifier.status import StatusLists
from consent_service.verifier.token import AccessToken, verify_token

SCHEME, BEARER = "DPoP", "Bearer"


@dataclass(frozen=True, slots=True)
class Call:
    """A data request as it came in, with every value of the two headers that count.

    :param certificate: DER, the one that the client showed in the TLS handshake of this connection, as
        the server that ended TLS says; never from a header that a client can send. None without one.
    """

    method: str
    url: str
    authorization: Sequence[str]
    dpop: Sequence[str]
    request_id: str = ""
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the request would read: one data set of one owner, for a period (both days included)."""

    owner: str
    data_set: str
    period_from: str
    period_to: str


class Unauthorized(Exception):
    """401: no token or proof that we accept; ``challenge`` is the WWW-Authenticate header.

    :param acr: what the owner's sign-in has to be for this data (RFC 9470 section 3)
    """

    def __init__(self, sentence: str, error: str = "", scheme: str = SCHEME, acr: str = "") -> None:
        super().__init__(sentence)
        said = [f'algs="{" ".join(ALGORITHMS)}"'] if scheme == SCHEME else ['realm="data"']
        if error:
            said += [f'error="{error}"', f'error_description="{sentence}"']
        if acr:
            said.append(f'acr_values="{acr}"')
        self.challenge = f"{scheme} {', '.join(said)}"

    def at(self, resource: str) -> Unauthorized:
        """The same, saying where the resource's metadata lies (RFC 9728 section 5.1)."""
        self.challenge += f', resource_metadata="{metadata_url(resource)}"'
        return self


class Guard:
    """Verifies token and proof, then asks for the decision.

    :param resource: this holder's address, the token's audience
    :param statuses: kept at hand, so that what was revoked is refused while the service gives no decision
    """

    def __init__(
        self,
        holder: Authenticated,
        resource: str,
        decisions: DecisionClient,
        replay: Replay | None = None,
        statuses: StatusLists | None = None,
    ) -> None:
        self._holder, self._resource, self._decisions = holder, resource, decisions
        self._replay = replay or MemoryReplay()
        self._statuses = statuses

    def check(self, call: Call, wanted: Wanted, now: dt.datetime) -> Decision:
        """Decide whether to answer a data request.

        1. One access token, valid for this resource (RFC 9068 section 4).
        2. Bound to a key: by the scheme DPoP alone, with a fresh proof by that key (RFC 9449 section 7.1).
        3. Bound to a certificate: on a connection that showed it (RFC 8705 section 3). By the scheme
           Bearer, unless step 2 asks for the other. One of the two bindings there always is.
        4. The service's decision, for this party, owner, data set, period and purpose. It comes before
           what a status list says, so that the owner sees who tried to read under what they took back.
           A deny that a stronger sign-in of the owner would mend is a challenge for one (RFC 9470).
        5. No decision is no yes. Where the lists that are at hand say that the token was revoked or
           rests, it is refused as such: asking again later is no use.
        6. What the token carries (RFC 9396 section 9.1), which may be less than the grant gives. It is
           looked at last: a denial is recorded where the owner sees it, whatever the token carries.

        :raises Unauthorized: 401; a deny comes back as a decision (403, or 503 when not answered)
        """
        try:
            return self._check(call, wanted, now)
        except Unauthorized as error:
            raise error.at(self._resource) from error.__cause__

    def _check(self, call: Call, wanted: Wanted, now: dt.datetime) -> Decision:
        scheme, token_text = _token_of(call)
        try:
            token = verify_token(token_text, self._holder.service, self._resource, now)
            if (token.jkt is not None) != (scheme == SCHEME):
                raise Refused("the token is of another type than it is shown as")
            if token.jkt is not None:
                self._check_proof(call, token_text, token.jkt, now)
            if token.x5t is not None:
                check_binding(token.x5t, call.certificate)
        except Refused as error:
            raise Unauthorized(str(error), error.error, scheme) from error
        except ServiceFailed:
            return Decision(False, ("The consent service gave no decision.",), answered=False)
        over = self._known_to_be_over(token, now)
        decision = self._decisions.ask(self._question(token, wanted), now, call.request_id)
        if over and not decision.answered:
            raise Unauthorized(str(over), over.error, scheme)
        if decision.step_up:
            sentence = " ".join(decision.reasons).replace('"', "'")
            raise Unauthorized(sentence, "insufficient_user_authentication", scheme, decision.step_up)
        if decision and not _carries(token, wanted):
            sentence = "The access token does not carry this data."
            return Decision(False, (sentence,), decision.grant_id, decision.entry_id)
        return decision

    def _known_to_be_over(self, token: AccessToken, now: dt.datetime) -> Refused | None:
        """What the lists say against a token; looked at each time, so that they are there when it counts."""
        try:
            if self._statuses:
                self._statuses.refuse(token, now)
        except Refused as error:
            return error
        return None

    def _check_proof(self, call: Call, token_text: str, jkt: str, now: dt.datetime) -> None:
        proven = check_proof(
            call.dpop,
            method=call.method,
            url=call.url,
            now=now,
            replay=self._replay,
            access_token=token_text,
        )
        if proven != jkt:
            raise DPoPError("the proof is by another key than the token's")

    def _question(self, token: AccessToken, wanted: Wanted) -> dict[str, object]:
        acting = {"actor": token.actor} if token.actor else {}
        return {
            "subject": {"type": "party", "id": token.client_id},
            "action": {"name": "read"},
            "resource": {
                "type": "dataset",
                "id": wanted.data_set,
                "properties": {
                    "owner": wanted.owner,
                    "holder": self._holder.client_id,
                    "from": wanted.period_from,
                    "to": wanted.period_to,
                },
            },
            "context": {
                "purpose": token.details.get("purpose"),
                "grant_id": token.grant_id,
                "token_jti": token.jti,
                **acting,
            },
        }


def _carries(token: AccessToken, wanted: Wanted) -> bool:
    """Whether the granted object in the token has the data set and the period; dates are ISO 8601."""
    named, period = token.details.get("datatypes"), token.details.get("period")
    if isinstance(named, list) and wanted.data_set not in named:
        return False
    if not isinstance(period, Mapping):
        return True
    return str(period.get("from")) <= wanted.period_from and wanted.period_to <= str(period.get("to"))


def _token_of(call: Call) -> tuple[str, str]:
    if len(call.authorization) != 1:
        raise Unauthorized("one access token is needed")
    scheme, _, token = call.authorization[0].partition(" ")
    known = {SCHEME.lower(): SCHEME, BEARER.lower(): BEARER}.get(scheme.lower())
    if known is None or not token.strip():
        raise Unauthorized("an access token is needed")
    if known == BEARER and call.certificate is None:  # a bearer's token opens nothing here
        raise Unauthorized("an access token of type DPoP is needed")
    return known, token.strip()
