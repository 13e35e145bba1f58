"""One request that wants to authenticate: what every method of client authentication looks at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from consent_service.registry import remote_keys
from consent_service.registry.model import Client
from consent_service.registry.remembered import Remembered


@dataclass(frozen=True, slots=True)
class Attempt:
    """The form, the transaction in which what it uses up is noted, and the moment."""

    session: Session
    form: Mapping[str, str]
    issuer: str
    now: dt.datetime
    remembered: Remembered
    address: str | None = None
    """Where it comes from; None where that is not known."""
    path: str = ""
    """The endpoint that is called."""
    claimed: set[str] = field(default_factory=set)
    """The names of the clients that it claims to be, whether there are such clients or not."""

    def client(self, client_id: object, kid: object = None) -> Client | None:
        """The client of this name with the keys that count now, or None.

        :param kid: the id of the key that is looked for
        :raises KeysWanted: its keys have to be fetched first
        """
        if not isinstance(client_id, str) or not client_id.isprintable():
            return None
        self.claimed.add(client_id)
        client = self.remembered.client(self.session, client_id)
        if client is None or not client.active:  # who may not take part makes us ask nobody
            return client
        return remote_keys.with_keys(self.session, client, self.now, kid)
