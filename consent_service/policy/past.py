"""Parties, grants, reads and policy sets as the ledger's entries tell them, one entry after the other.

The fold that DESIGN speaks of: nothing here looks into any other table. Where a payload was
erased, what hung on it is unknown from then on, and says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent_service.grants.model import Grant, InvalidTransition, Status, terms_from_json
from consent_service.grants.windows import SINCE_EVER, counted_as, window_of
from consent_service.ledger.model import Kind
from consent_service.policy.choice import Rules, holder_facts, newest_first
from consent_service.policy.memo import Memo
from consent_service.policy.model import HolderFacts, PartyFacts
from consent_service.policy.publish import from_files
from consent_service.policy.told import Registry, Told

CHANGES = {
    Kind.GRANT_ACTIVATED: Status.ACTIVE,  # a law's access, after its notice
    Kind.GRANT_REVOKED: Status.REVOKED,
    Kind.GRANT_EXPIRED: Status.EXPIRED,
    Kind.GRANT_EXHAUSTED: Status.EXHAUSTED,
    Kind.GRANT_SUSPENDED: Status.SUSPENDED,
    Kind.GRANT_RESUMED: Status.ACTIVE,
    Kind.GRANT_ENDED: Status.ENDED,
    Kind.GRANT_TERMINATED: Status.TERMINATED,
}


class Unfit(Exception):
    """An entry that does not follow from those before it; the message says why."""


@dataclass
class Past:
    """Everything known after the entries so far (:class:`consent_service.policy.choice.Known`)."""

    registry: Registry = field(default_factory=Registry)
    grants: dict[str, dict[str, Grant]] = field(default_factory=dict)
    rules: dict[str, Rules] = field(default_factory=dict)
    digest: str | None = None
    erased: set[str] = field(default_factory=set)
    """Grants whose terms or reads were erased, the owners who have one, and what is counted with them."""
    unworded: dict[str, str] = field(default_factory=dict)
    """Grants of which it was erased why they are in their present state, with their owners."""
    now: dt.datetime = SINCE_EVER
    _reads: dict[tuple[str, str, str, dt.datetime], int] = field(default_factory=dict)

    def tell(self, told: Told) -> None:
        """Take one more entry in.

        :raises Unfit: it does not follow from those before
        """
        self.now = told.time
        self.registry.tell(told)
        match told.kind:
            case Kind.POLICY_PUBLISHED if told.payload and "files" in told.payload:
                self._publish(told.payload)
            case Kind.GRANT_NOTIFIED:
                self._give(told, Status.NOTIFIED)
            case Kind.GRANT_ACTIVATED if told.entry["grant_version"] == 1:
                self._give(told, Status.ACTIVE)
            case Kind.GRANT_AMENDED:
                self._amend(told)
            case kind if kind in CHANGES:
                self._change(told, CHANGES[kind])
            case Kind.DECISION_PERMIT:
                self._read(told)

    def unknown(self, owner: str, named: object) -> bool:
        """Whether a decision hung on something that was erased, so that it can't be made again.

        :param named: the grant that the request names; without one, any grant of the owner counts
        """
        if not isinstance(named, str):
            return owner in self.erased or owner in self.unworded.values()
        grant = self.grant(owner, named)
        return bool(
            named in self.erased
            or named in self.unworded
            or (grant and not self.erased.isdisjoint(_counted_with(grant)))
        )

    def out_of_date(self, digest: str) -> bool:
        """Whether another policy set was published since: no worker decides by it any more."""
        return digest != self.digest

    def party(self, client_id: str) -> PartyFacts | None:
        return self.registry.party(client_id, self.now)

    def standing(self, client_id: str) -> str:
        return self.registry.standing(client_id)

    def holders_of(self, locations: Sequence[str]) -> dict[str, str]:
        return self.registry.holders_of(locations)

    def has_resources(self, client_id: str) -> bool:
        return self.registry.has_resources(client_id)

    def serves(self, client_id: str, owner: str | None) -> bool:
        return self.registry.serves(client_id, owner)

    def holder(self, client_id: str, locations: tuple[str, ...], *, serves_owner: bool) -> HolderFacts:
        return holder_facts(client_id, locations, self, serves_owner=serves_owner)

    def grant(self, owner: str, grant_id: str) -> Grant | None:
        return self.grants.get(owner, {}).get(grant_id)

    def grants_to(self, owner: str, client_id: str) -> Sequence[Grant]:
        return newest_first(one for one in self.grants.get(owner, {}).values() if one.client_id == client_id)

    def reads(self, grant: Grant, data_set: str) -> int:
        window = window_of(grant, self.now)
        return self._reads.get((grant.owner, counted_as(grant), data_set, window), 0) if window else 0

    def _publish(self, payload: Mapping[str, Any]) -> None:
        rules = from_files(payload["files"])
        if rules.policies.digest != payload["digest"]:
            raise Unfit("the published files don't have the digest that the entry names")
        self.digest = rules.policies.digest
        self.rules[self.digest] = Rules(rules.policies, Memo(rules.policies).decide)

    def _give(self, told: Told, status: Status) -> None:
        grant_id = str(told.entry["grant_id"])
        if any(grant_id in one for one in self.grants.values()):
            raise Unfit("it gives a grant that was given before")
        if told.entry["grant_version"] != 1:
            raise Unfit(f"a grant begins with version 1, not {told.entry['grant_version']}")
        if told.payload is None:
            client = self.registry.parties.get(str(told.entry.get("client_id")), {})
            self.erased |= {grant_id, told.owner, _by_law(told.owner, client.get("organisation", ""))}
            return
        self.grants.setdefault(told.owner, {})[grant_id] = Grant(
            grant_id=grant_id,
            version=int(told.entry["grant_version"]),
            owner=told.owner,
            party=told.payload["party"],
            client_id=told.payload["client_id"],
            terms=terms_from_json(dict(told.payload["terms"])),
            status=status,
            created_at=told.time,
            entry_id=str(told.entry["entry_id"]),
            given_at=dt.datetime.fromisoformat(told.payload.get("begins", told.entry["time"])),
        )

    def _amend(self, told: Told) -> None:
        grant = self._before(told)
        if grant is None:
            return
        if told.payload is None:  # what is granted from here on is not known any more
            self.grants[told.owner].pop(grant.grant_id)
            self.erased |= {grant.grant_id, told.owner}
            return
        terms = terms_from_json(dict(told.payload["terms"]))
        try:
            after = grant.amended(terms, at=told.time, entry_id=str(told.entry["entry_id"]))
        except InvalidTransition as error:
            raise Unfit(f"only an active grant is changed: {error}") from error
        self.grants[told.owner][grant.grant_id] = after

    def _change(self, told: Told, status: Status) -> None:
        grant = self._before(told)
        if grant is None:
            return
        reason = str(told.payload["reason"]) if told.payload else ""
        try:
            after = grant.next(status, at=told.time, entry_id=str(told.entry["entry_id"]), reason=reason)
        except InvalidTransition as error:
            raise Unfit(f"the life of a grant has no such step: {error}") from error
        self.grants[told.owner][grant.grant_id] = after
        self.unworded.pop(grant.grant_id, None)
        if told.payload is None:
            self.unworded[grant.grant_id] = told.owner

    def _before(self, told: Told) -> Grant | None:
        """The version that an entry follows; None where its terms were erased."""
        grant_id = str(told.entry["grant_id"])
        grant = self.grant(told.owner, grant_id)
        if grant is None and grant_id in self.erased:
            return None
        if grant is None:
            raise Unfit("it changes a grant that was never given")
        if told.entry["grant_version"] != grant.version + 1:
            raise Unfit(
                f"it is version {told.entry['grant_version']}, and version {grant.version} came before"
            )
        return grant

    def _read(self, told: Told) -> None:
        grant_id = str(told.entry.get("grant_id"))
        grant = self.grant(told.owner, grant_id)
        window = window_of(grant, told.time) if grant else None
        if grant is None or window is None:
            return
        if told.payload is None:
            self.erased |= {grant_id, told.owner, counted_as(grant)}
            return
        key = (grant.owner, counted_as(grant), str(told.payload["asked"]["data_set"]), window)
        self._reads[key] = self._reads.get(key, 0) + 1


def _by_law(owner: str, party: str) -> str:
    """The name for all that a party reads by law of an owner."""
    return f"{owner} {party}"


def _counted_with(grant: Grant) -> set[str]:
    """Names under which something could have been erased that counts for this grant."""
    return {counted_as(grant), _by_law(grant.owner, grant.party)} if grant.by_law else set()
