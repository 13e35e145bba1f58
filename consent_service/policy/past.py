"""Parties, grants, reads and policy sets as the ledger's entries tell them, one entry after the other.

The fold that DESIGN speaks of: nothing here looks into any other table. Where a payload was
erased, what hung on it is unknown from then on, and says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent_service.grants.model import SINCE_EVER, Grant, Status, terms_from_json, window_of
from consent_service.ledger.model import Kind
from consent_service.policy.choice import Rules, newest_first
from consent_service.policy.memo import Memo
from consent_service.policy.model import PartyFacts
from consent_service.policy.publish import from_files
from consent_service.registry.model import ClientRole, Standing

ENDS = {
    Kind.GRANT_REVOKED: Status.REVOKED,
    Kind.GRANT_EXPIRED: Status.EXPIRED,
    Kind.GRANT_EXHAUSTED: Status.EXHAUSTED,
}


CHANGE_OVER = dt.timedelta(hours=1)
"""How long workers that still run may decide by the policy set of before."""


class Unfit(Exception):
    """An entry that does not follow from those before it; the message says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """An entry as it tells its part: what it states, for whom, and its payload unless that was erased."""

    entry: Mapping[str, Any]
    owner: str
    payload: Mapping[str, Any] | None

    @property
    def kind(self) -> Kind:
        return Kind(self.entry["kind"])

    @property
    def time(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.entry["time"])


@dataclass
class Past:
    """Everything known after the entries so far (:class:`consent_service.policy.choice.Known`).

    ``parties`` and ``mandates`` are what their entries say, by client and by mandate.
    """

    parties: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    mandates: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    locations: dict[str, str] = field(default_factory=dict)
    grants: dict[str, dict[str, Grant]] = field(default_factory=dict)
    rules: dict[str, Rules] = field(default_factory=dict)
    digest: str | None = None
    superseded: dict[str, dt.datetime] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    """Grants whose terms or reads were erased, and the owners who have one."""
    now: dt.datetime = SINCE_EVER
    _reads: dict[tuple[str, str, str, dt.datetime], int] = field(default_factory=dict)

    def tell(self, told: Told) -> None:
        """Take one more entry in.

        :raises Unfit: it does not follow from those before
        """
        self.now = told.time
        payload = told.payload
        match told.kind:
            case Kind.PARTY_REGISTERED if payload:
                self.parties[payload["client_id"]] = payload
                self.locations |= dict.fromkeys(payload["resources"], payload["client_id"])
            case Kind.PARTY_SUSPENDED if payload:
                self.suspended.add(payload["organisation"])
            case Kind.PARTY_RESUMED if payload:
                self.suspended.discard(payload["organisation"])
            case Kind.MANDATE_GIVEN if payload:
                self.mandates[payload["mandate_id"]] = payload
            case Kind.MANDATE_ENDED if payload:
                self.mandates.pop(payload["mandate_id"], None)
            case Kind.POLICY_PUBLISHED if payload and "files" in payload:
                self._publish(payload)
            case Kind.GRANT_ACTIVATED:
                self._activate(told)
            case Kind.GRANT_REVOKED | Kind.GRANT_EXPIRED | Kind.GRANT_EXHAUSTED:
                self._end(told)
            case Kind.DECISION_PERMIT:
                self._read(told)

    def unknown(self, owner: str, named: object) -> bool:
        """Whether a decision hung on something that was erased, so that it can't be made again.

        :param named: the grant that the request names; without one, any grant of the owner counts
        """
        return named in self.erased if isinstance(named, str) else owner in self.erased

    def out_of_date(self, digest: str) -> bool:
        """Whether a policy set was replaced longer ago than workers may take to notice."""
        replaced = self.superseded.get(digest)
        return replaced is not None and self.now - replaced > CHANGE_OVER

    def party(self, client_id: str) -> PartyFacts | None:
        known = self.parties.get(client_id)
        if known is None or known["role"] != ClientRole.PARTY:
            return None
        return PartyFacts(client_id, known["organisation"], self.standing(client_id))

    def standing(self, client_id: str) -> str:
        known = self.parties.get(client_id)
        out = known is not None and known["organisation"] in self.suspended
        return (Standing.SUSPENDED if out else Standing.ACTIVE).value

    def holders_of(self, locations: Sequence[str]) -> dict[str, str]:
        return {one: self.locations[one] for one in locations if one in self.locations}

    def has_resources(self, client_id: str) -> bool:
        known = self.parties.get(client_id)
        return known is not None and bool(known["resources"])

    def grant(self, owner: str, grant_id: str) -> Grant | None:
        return self.grants.get(owner, {}).get(grant_id)

    def grants_to(self, owner: str, client_id: str) -> Sequence[Grant]:
        return newest_first(one for one in self.grants.get(owner, {}).values() if one.client_id == client_id)

    def reads(self, grant: Grant, data_set: str) -> int:
        window = window_of(grant, self.now)
        return self._reads.get((grant.owner, grant.grant_id, data_set, window), 0) if window else 0

    def _publish(self, payload: Mapping[str, Any]) -> None:
        rules = from_files(payload["files"])
        if rules.policies.digest != payload["digest"]:
            raise Unfit("the published files don't have the digest that the entry names")
        if self.digest is not None:
            self.superseded[self.digest] = self.now
        self.digest = rules.policies.digest
        self.superseded.pop(self.digest, None)
        self.rules[self.digest] = Rules(rules.policies, rules.catalogue, Memo(rules.policies).decide)

    def _activate(self, told: Told) -> None:
        grant_id = str(told.entry["grant_id"])
        if any(grant_id in one for one in self.grants.values()):
            raise Unfit("it gives a grant that was given before")
        if told.entry["grant_version"] != 1:
            raise Unfit(f"a grant begins with version 1, not {told.entry['grant_version']}")
        if told.payload is None:
            self.erased |= {grant_id, told.owner}
            return
        self.grants.setdefault(told.owner, {})[grant_id] = Grant(
            grant_id=grant_id,
            version=int(told.entry["grant_version"]),
            owner=told.owner,
            party=told.payload["party"],
            client_id=told.payload["client_id"],
            terms=terms_from_json(dict(told.payload["terms"])),
            status=Status.ACTIVE,
            created_at=told.time,
            entry_id=str(told.entry["entry_id"]),
        )

    def _end(self, told: Told) -> None:
        grant_id = str(told.entry["grant_id"])
        grant = self.grant(told.owner, grant_id)
        if grant is None and grant_id in self.erased:
            return
        if grant is None or grant.status is not Status.ACTIVE:
            raise Unfit("it ends a grant that is not active")
        if told.entry["grant_version"] != grant.version + 1:
            raise Unfit(
                f"it is version {told.entry['grant_version']}, and version {grant.version} came before"
            )
        reason = str(told.payload["reason"]) if told.payload else ""
        self.grants[told.owner][grant_id] = grant.next(
            ENDS[told.kind], at=told.time, entry_id=str(told.entry["entry_id"]), reason=reason
        )

    def _read(self, told: Told) -> None:
        grant_id = str(told.entry.get("grant_id"))
        grant = self.grant(told.owner, grant_id)
        window = window_of(grant, told.time) if grant else None
        if grant is None or window is None:
            return
        if told.payload is None:
            self.erased |= {grant_id, told.owner}
            return
        key = (grant.owner, grant_id, str(told.payload["asked"]["data_set"]), window)
        self._reads[key] = self._reads.get(key, 0) + 1
