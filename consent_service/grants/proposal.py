"""What is put to the policies before anything is agreed to. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from consent_service.grants.model import Terms


@dataclass(frozen=True, slots=True)
class Proposal:
    """Terms that are to be agreed to, by whom and when.

    ``owner_disputed`` says that it is unclear who may act for the owner; ``signed_in_at`` is when
    the person who answers signed in, None while nobody answers.
    """

    terms: Terms
    client_id: str
    organisation: str
    status: str
    licences: frozenset[str]
    time: dt.datetime
    owner_disputed: bool = False
    signed_in_at: dt.datetime | None = None
