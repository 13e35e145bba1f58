"""How many entries of which kind an owner's grants have, week by week: numbers, no payload is opened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from consent_service.ledger.model import Kind
from consent_service.ledger.store import PayloadRow

WEEK = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Series:
    """The counts of one kind under one grant (None: under none), oldest week first."""

    grant_id: str | None
    kind: str
    counts: tuple[int, ...]


def weekly(
    session: Session, owner: str, kinds: Sequence[Kind], weeks: int, until: dt.datetime
) -> Iterator[Series]:
    """Counts of the last ``weeks`` weeks before ``until``, one query whatever their number."""
    starts = [until - WEEK * (weeks - number) for number in range(weeks)]
    inside = [
        func.sum(case((and_(PayloadRow.time >= start, PayloadRow.time < start + WEEK), 1), else_=0))
        for start in starts
    ]
    rows = session.execute(
        select(PayloadRow.grant_id, PayloadRow.kind, *inside)
        .where(
            PayloadRow.owner == owner,
            PayloadRow.time >= starts[0],
            PayloadRow.time < until,
            PayloadRow.kind.in_([kind.value for kind in kinds]),
        )
        .group_by(PayloadRow.grant_id, PayloadRow.kind)
    )
    for grant_id, kind, *counts in rows:
        yield Series(grant_id, kind, tuple(int(one or 0) for one in counts))


def before(session: Session, row: PayloadRow, kind: Kind, since: dt.datetime) -> int:
    """How many entries of a kind the grant of ``row`` has since a moment and before this one."""
    query = select(func.count()).where(
        PayloadRow.owner == row.owner,
        PayloadRow.grant_id == row.grant_id,
        PayloadRow.kind == kind.value,
        PayloadRow.time >= since,
        PayloadRow.time < row.time,
    )
    return session.scalar(query) or 0


def between(
    session: Session, owner: str, kinds: Sequence[Kind], start: dt.datetime, end: dt.datetime
) -> Iterable[PayloadRow]:
    """An owner's payloads of a time, oldest first, fetched a few at a time."""
    query = (
        select(PayloadRow)
        .where(
            PayloadRow.owner == owner,
            PayloadRow.kind.in_([kind.value for kind in kinds]),
            PayloadRow.time >= start,
            PayloadRow.time < end,
        )
        .order_by(PayloadRow.time, PayloadRow.entry_id)
    )
    return session.scalars(query.execution_options(yield_per=500))
