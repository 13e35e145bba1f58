"""How long and how much: what a slow or greedy client can cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """For one process; the header and body bounds lie above the application's own."""

    connections: int = 1024
    from_one_address: int = 512
    handshake_seconds: float = 10
    header_seconds: float = 10
    body_seconds: float = 30
    idle_seconds: float = 60
    write_seconds: float = 30  # for one piece of an answer to be taken
    answer_seconds: float = 60
    linger_seconds: float = 1  # after an answer of our own, for what the client still sends
    header_bytes: int = 64 * 1024
    body_bytes: int = 512 * 1024
    held_bytes: int = 64 * 1024 * 1024  # all bodies together
    in_flight: int = 128  # below the backlog of the application's socket, whatever the number of listeners


class Exhausted(Exception):
    """All bodies together would be more than we hold."""


@dataclass(slots=True)
class Share:
    """What one request holds of the budget."""

    budget: Budget
    held: int = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more; raises Exhausted."""
        if self.budget.held + size > self.budget.most:
            raise Exhausted
        self.budget.held += size
        self.held += size


@dataclass(slots=True)
class Budget:
    """Bytes of bodies held for all requests."""

    most: int
    held: int = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """A request's share, given back at its end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held -= share.held


@dataclass(slots=True)
class Doors:
    """Who is inside: the number of connections, in all and from one address.

    Behind a proxy all come from one address, so there only the whole counts.
    """

    limits: Limits
    by_address: bool
    inside: Counter[str] = field(default_factory=Counter)

    def enter(self, address: str) -> bool:
        """Let one in, or not."""
        if self.inside.total() >= self.limits.connections:
            return False
        if self.by_address and self.inside[address] >= self.limits.from_one_address:
            return False
        self.inside[address] += 1
        return True

    def leave(self, address: str) -> None:
        self.inside[address] -= 1
        if not self.inside[address]:
            del self.inside[address]
