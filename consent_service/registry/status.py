"""Which place a token has in a status list, and which places a token's own end has taken.

A list has no row: its number follows from the ten minutes in which its tokens were issued. So
none has to be opened or closed, and each is gone once its last token has ended. Within a list a
token's place is drawn at random; a place is a column of the token, so none is given twice.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from consent_service.registry.model import Standing
from consent_service.registry.store import ClientRow, OrganisationRow, TokenRow

PATH = "/oauth/status-lists"
SIZE = 2**17
"""Places of a list; far more than tokens, so that a list does not tell how many there are."""
WINDOW = dt.timedelta(minutes=10)
"""How long new tokens get their places in the same lists."""
LONGEST = dt.timedelta(minutes=10)
"""How long a token with a place lives at most."""
LISTS = 16
"""Lists of one window; all but the first are for what finds its place taken."""
SKEW = dt.timedelta(seconds=30)
"""How far the clocks of two nodes may differ."""
_PLACE = TokenRow.status_list, TokenRow.status_index


@dataclass(frozen=True, slots=True)
class Place:
    """A token's place: the number of its list and the index in it."""

    number: int
    index: int


def places(now: dt.datetime) -> Iterator[Place]:
    """Places to try for a token that is issued now, each in another list, until one is free."""
    first = _window(now) * LISTS
    return (Place(first + attempt, secrets.randbelow(SIZE)) for attempt in range(LISTS))


def address(issuer: str, number: int) -> str:
    """Where the list of this number is, which is also its name."""
    return f"{issuer}{PATH}/{number}"


def opened_at(number: int) -> dt.datetime:
    """Since when tokens may have got places in this list."""
    return dt.datetime.fromtimestamp(number // LISTS * WINDOW.total_seconds(), dt.UTC) - SKEW


def is_live(number: int, now: dt.datetime) -> bool:
    """Whether a token with a place in this list can be alive."""
    age = now.timestamp() - number // LISTS * WINDOW.total_seconds()
    return -SKEW.total_seconds() <= age < (WINDOW + LONGEST + SKEW).total_seconds()


def live(session: Session, now: dt.datetime) -> list[int]:
    """The lists that have living tokens, and may have others; the first of a window is always told."""
    windows = range(_window(now - LONGEST - SKEW), _window(now) + 1)
    numbers = [window * LISTS + place for window in windows for place in range(LISTS)]
    return [number for number in numbers if number % LISTS == 0 or _is_used(session, number)]


def revoked(session: Session, number: int) -> list[int]:
    """The places of tokens that were themselves revoked (RFC 7009)."""
    query = select(TokenRow.status_index).where(
        TokenRow.status_list == number, TokenRow.revoked_at.is_not(None)
    )
    return [index for index in session.scalars(query) if index is not None]


def of_suspended(session: Session, number: int) -> list[int]:
    """The places of tokens whose client, or its organisation, may not take part at the moment."""
    away = (
        select(ClientRow.client_id)
        .join(OrganisationRow, OrganisationRow.identifier == ClientRow.organisation_id)
        .where(or_(ClientRow.status != Standing.ACTIVE, OrganisationRow.status != Standing.ACTIVE))
    )
    query = select(TokenRow.status_index).where(
        TokenRow.status_list == number, TokenRow.client_id.in_(session.scalars(away).all())
    )
    return [index for index in session.scalars(query) if index is not None]


def of_grants(
    session: Session, number: int, grant_ids: Iterable[str]
) -> list[tuple[int, str, str, dt.datetime]]:
    """Place, owner, grant and time of issue of each token under one of these grants."""
    found: list[tuple[int, str, str, dt.datetime]] = []
    ordered = sorted(set(grant_ids))
    for start in range(0, len(ordered), MOST_AT_ONCE):
        rows = session.execute(
            select(TokenRow.status_index, TokenRow.owner, TokenRow.grant_id, TokenRow.issued_at).where(
                TokenRow.status_list == number, TokenRow.grant_id.in_(ordered[start : start + MOST_AT_ONCE])
            )
        )
        found += [(int(row[0] or 0), str(row[1]), str(row[2]), row[3]) for row in rows]
    return found


MOST_AT_ONCE = 500
"""Grants of one query: SQLite takes no more than 999 values."""


def _is_used(session: Session, number: int) -> bool:
    return session.scalar(select(_PLACE[1]).where(_PLACE[0] == number).limit(1)) is not None


def _window(now: dt.datetime) -> int:
    return int(now.timestamp() // WINDOW.total_seconds())
