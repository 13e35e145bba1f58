"""Clients, and whose token a caller shows, remembered for as long as nothing in the registry changes.

Whatever changes who takes part begins a new epoch (:func:`consent_service.ledger.append.hold`), in the
same transaction. So each use reads the epoch first, and what was read in another one is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from consent_service.ledger import store
from consent_service.registry import parties
from consent_service.registry.callers import Known
from consent_service.registry.model import Client

MOST = 10_000
"""Clients, or callers, of one epoch; whoever comes then makes it begin anew."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one epoch; threads share it."""

    epoch: int
    clients: dict[str, Client] = field(default_factory=dict)
    callers: dict[str, Known] = field(default_factory=dict)
    """By the hash of the token that they show. The caller still owes whether it has ended, and the proof."""

    def remember(self, token_hash: str, known: Known) -> None:
        """Remember whose token this is, until the epoch ends."""
        if len(self.callers) >= MOST:
            self.callers.clear()
        self.callers[token_hash] = known


class Remembered:
    """The memory of one worker."""

    def __init__(self) -> None:
        self._seen = Seen(-1)

    @property
    def latest(self) -> Seen:
        """What was seen last, not looked at again: for who holds its epoch against the present one later."""
        return self._seen

    def seen(self, session: Session) -> Seen:
        """What is known in the present epoch, as this transaction sees it.

        :param session: a transaction that changed nothing in the registry: what it has not committed
            may never be
        """
        epoch, seen = store.epoch(session), self._seen
        if seen.epoch != epoch:
            seen = self._seen = Seen(epoch)
        return seen

    def client(self, session: Session, client_id: str) -> Client | None:
        """The client with this id, or None; a name that nobody has is not remembered."""
        clients = self.seen(session).clients
        found = clients.get(client_id)
        if found is None:
            found = parties.find(session, client_id)
            if found is not None:
                if len(clients) >= MOST:
                    clients.clear()
                clients[client_id] = found
        return found
