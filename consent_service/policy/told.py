"""Who takes part, as the ledger's entries tell it, one entry after the other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent_service.ledger.model import Kind
from consent_service.policy.model import PartyFacts
from consent_service.registry.model import ClientRole, Standing


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
class Registry:
    """Clients, mandates, suspensions, licences and disputes after the entries so far.

    ``parties`` and ``mandates`` are what their entries say, by client and by mandate; ``licences``
    are by organisation, with their ends; ``owners`` are those that a holder serves, by its client,
    for the holders that don't serve everybody.
    """

    parties: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    mandates: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    locations: dict[str, str] = field(default_factory=dict)
    licences: dict[str, dict[str, dt.datetime]] = field(default_factory=dict)
    disputed: set[str] = field(default_factory=set)
    owners: dict[str, set[str]] = field(default_factory=dict)

    def tell(self, told: Told) -> None:
        """Take one more entry in; what was erased, or is about something else, changes nothing."""
        note = _NOTES.get(told.kind)
        if note and told.payload is not None:
            note(self, told.payload)

    def party(self, client_id: str, now: dt.datetime) -> PartyFacts | None:
        """The requesting party with this client id, or None."""
        known = self.parties.get(client_id)
        if known is None or known["role"] != ClientRole.PARTY:
            return None
        held = self.licences.get(known["organisation"], {})
        now_held = frozenset(licence for licence, until in held.items() if now < until)
        return PartyFacts(client_id, known["organisation"], self.standing(client_id), now_held)

    def standing(self, client_id: str) -> str:
        """``active`` or ``suspended``; a client that nobody registered is the latter."""
        known = self.parties.get(client_id)
        active = known is not None and not known["ended"] and known["organisation"] not in self.suspended
        return (Standing.ACTIVE if active else Standing.SUSPENDED).value

    def holders_of(self, locations: Sequence[str]) -> dict[str, str]:
        """Which holder's client registered each location."""
        return {one: self.locations[one] for one in locations if one in self.locations}

    def has_resources(self, client_id: str) -> bool:
        """Whether this holder registered any location."""
        known = self.parties.get(client_id)
        return known is not None and bool(known["resources"])

    def serves(self, client_id: str, owner: str | None) -> bool:
        """Whether this holder serves an owner."""
        return client_id not in self.owners or owner in self.owners[client_id]

    def _registered(self, payload: Mapping[str, Any]) -> None:
        self.parties[payload["client_id"]] = {**payload, "ended": False}
        self.locations |= dict.fromkeys(payload["resources"], payload["client_id"])

    def _ended(self, payload: Mapping[str, Any]) -> None:
        client_id = payload["client_id"]
        if client_id in self.parties:
            self.parties[client_id] = {**self.parties[client_id], "ended": True}

    def _licensed(self, payload: Mapping[str, Any]) -> None:
        until = dt.datetime.fromisoformat(payload["valid_until"])
        self.licences.setdefault(payload["organisation"], {})[payload["licence"]] = until

    def _served(self, payload: Mapping[str, Any]) -> set[str]:
        """The owners of a holder that from this entry on serves no others."""
        return self.owners.setdefault(payload["client_id"], set())

    def _licence_ended(self, payload: Mapping[str, Any]) -> None:
        self.licences.get(payload["organisation"], {}).pop(payload["licence"], None)


_NOTES: dict[Kind, Callable[[Registry, Mapping[str, Any]], object]] = {
    Kind.PARTY_REGISTERED: Registry._registered,  # noqa: SLF001  (the class's own table)
    Kind.PARTY_UPDATED: Registry._registered,  # noqa: SLF001
    Kind.PARTY_ENDED: Registry._ended,  # noqa: SLF001
    Kind.PARTY_SUSPENDED: lambda self, payload: self.suspended.add(payload["organisation"]),
    Kind.PARTY_RESUMED: lambda self, payload: self.suspended.discard(payload["organisation"]),
    Kind.PARTY_LICENSED: Registry._licensed,  # noqa: SLF001
    Kind.PARTY_LICENCE_ENDED: Registry._licence_ended,  # noqa: SLF001
    Kind.MANDATE_GIVEN: lambda self, payload: self.mandates.update({payload["mandate_id"]: payload}),
    Kind.MANDATE_ENDED: lambda self, payload: self.mandates.pop(payload["mandate_id"], None),
    Kind.OWNER_DISPUTED: lambda self, payload: self.disputed.add(payload["owner"]),
    Kind.OWNER_SETTLED: lambda self, payload: self.disputed.discard(payload["owner"]),
    Kind.HOLDER_SERVES: lambda self, payload: self._served(payload).add(payload["owner"]),
    Kind.HOLDER_SERVES_NO_MORE: lambda self, payload: self._served(payload).discard(payload["owner"]),
    Kind.HOLDER_SERVES_EVERYBODY: lambda self, payload: self.owners.pop(payload["client_id"], None),
}
