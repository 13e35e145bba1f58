"""The tables of requests and grants. A grant's versions are rows that never change.

A new version is an insert under (owner, grant, version): two writers who both hold
version 3 can't both write version 4.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    String,
    Text,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.grants.model import (
    Action,
    DeclineReason,
    Grant,
    Request,
    Status,
    terms_from_json,
    terms_to_json,
)
from consent_service.grants.windows import counted_as
from consent_service.prepared import LISTED, Prepared, among
from consent_service.stored import Rows, rows_changed, table


class RequestRow(Base):
    """A party's ask."""

    __tablename__ = "access_request"

    request_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    client_id: Mapped[str] = mapped_column(String(64))
    party: Mapped[str] = mapped_column(String(64))
    terms: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(24))
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    expires_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    grant_id: Mapped[str | None] = mapped_column(String(36))
    answered_by: Mapped[str | None] = mapped_column(String(36))
    action: Mapped[str] = mapped_column(String(8), default=Action.CREATE)
    amends_grant_id: Mapped[str | None] = mapped_column(String(36))
    amends_version: Mapped[int | None]
    declined_for: Mapped[str | None] = mapped_column(String(24))

    def to_model(self) -> Request:
        return Request(
            request_id=self.request_id,
            client_id=self.client_id,
            party=self.party,
            terms=terms_from_json(self.terms),
            status=Status(self.status),
            created_at=self.created_at,
            expires_at=self.expires_at,
            owner=self.owner,
            grant_id=self.grant_id,
            answered_by=self.answered_by,
            action=Action(self.action),
            amends=(self.amends_grant_id, self.amends_version or 0) if self.amends_grant_id else None,
            declined_for=DeclineReason(self.declined_for) if self.declined_for else None,
        )


class GrantRow(Base):
    """One version of a grant; the highest version is the one that counts."""

    __tablename__ = "grant_version"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    party: Mapped[str] = mapped_column(String(64))
    client_id: Mapped[str] = mapped_column(String(64))
    terms: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(24))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    entry_id: Mapped[str] = mapped_column(String(36))
    given_at: Mapped[dt.datetime] = mapped_column(Instant)

    __table_args__ = (
        Index("ix_grant_version_owner_client_id", "owner", "client_id"),
        Index("ix_grant_version_grant_id", "grant_id"),
        Index("ix_grant_version_party", "party", "owner"),
        # What changed lately; a grant's first version is no change.
        Index(
            "ix_grant_version_changed",
            "created_at",
            sqlite_where=text("version > 1"),
            postgresql_where=text("version > 1"),
        ),
    )

    def to_model(self) -> Grant:
        return _grant(self)


class ReadsRow(Base):
    """How many reads of a data set a grant permitted in one window; only limited grants have rows."""

    __tablename__ = "grant_reads"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    data_set: Mapped[str] = mapped_column(String(64), primary_key=True)
    window_start: Mapped[dt.datetime] = mapped_column(Instant, primary_key=True, index=True)
    reads: Mapped[int] = mapped_column(BigInteger)


def add_request(session: Session, request: Request) -> None:
    """Store a new request."""
    session.add(
        RequestRow(
            request_id=request.request_id,
            owner=request.owner,
            client_id=request.client_id,
            party=request.party,
            terms=terms_to_json(request.terms),
            status=request.status,
            created_at=request.created_at,
            expires_at=request.expires_at,
            action=request.action,
            amends_grant_id=request.amends[0] if request.amends else None,
            amends_version=request.amends[1] if request.amends else None,
        )
    )
    session.flush()


_REQUEST = Rows(RequestRow, RequestRow.request_id == bindparam("request_id"))


def find_request(session: Session, request_id: str) -> Request | None:
    """The request with this id as it stands now, or None."""
    row = _REQUEST.first(session, request_id=request_id)
    return RequestRow.to_model(row) if row else None


def move_request(session: Session, now: Request, then: Status, **changes: Any) -> bool:
    """Move a request from the state it was seen in; False when somebody was faster."""
    moved = session.execute(
        update(RequestRow)
        .where(RequestRow.request_id == now.request_id, RequestRow.status == now.status)
        .values(status=then, **changes)
        .execution_options(synchronize_session=False)
    )
    return bool(rows_changed(moved))


def answered_request(session: Session, owner: str, grant_id: str) -> Request | None:
    """The request that gave a grant the terms it was last asked for, or None."""
    row = session.scalars(
        select(RequestRow)
        .where(RequestRow.owner == owner, RequestRow.grant_id == grant_id, RequestRow.status == Status.ACTIVE)
        .order_by(RequestRow.created_at.desc())
        .limit(1)
    ).first()
    return row.to_model() if row else None


def open_requests(session: Session, owner: str, now: dt.datetime) -> list[Request]:
    """What waits for this owner's answer, oldest first."""
    rows = session.scalars(
        select(RequestRow)
        .where(
            RequestRow.owner == owner,
            RequestRow.status.in_([Status.REQUESTED, Status.OPEN]),
            RequestRow.expires_at > now,
        )
        .order_by(RequestRow.created_at)
    )
    return [row.to_model() for row in rows]


def add_version(session: Session, grant: Grant) -> None:
    """Store a version of a grant; an IntegrityError says that it exists already."""
    session.add(
        GrantRow(
            owner=grant.owner,
            grant_id=grant.grant_id,
            version=grant.version,
            party=grant.party,
            client_id=grant.client_id,
            terms=terms_to_json(grant.terms),
            status=grant.status,
            reason=grant.reason,
            created_at=grant.created_at,
            entry_id=grant.entry_id,
            given_at=grant.given_at,
        )
    )
    session.flush()


# On the path of every decision: plain statements, made once, without the object mapper's share.
_GRANT, _READS = table(GrantRow), table(ReadsRow)
_OF_GRANT = (_GRANT.c.owner == bindparam("owner"), _GRANT.c.grant_id == bindparam("grant_id"))
_LATEST = Prepared(
    select(_GRANT.c.version, _GRANT.c.entry_id).where(*_OF_GRANT).order_by(_GRANT.c.version.desc()).limit(1)
)
# By id alone: the owner is looked at afterwards, since no database has an index for lists of pairs.
_LATEST_OF = select(_GRANT.c.owner, _GRANT.c.grant_id, _GRANT.c.version, _GRANT.c.entry_id)
_LATEST_AMONG = Prepared(among(_GRANT.c.grant_id, _LATEST_OF.order_by(_GRANT.c.version)))
_VERSIONS_OF = select(_GRANT).where(_GRANT.c.grant_id.in_(bindparam("ids", expanding=True)))
_VERSION = select(_GRANT).where(*_OF_GRANT, _GRANT.c.version == bindparam("version"))
Version = tuple[str, str, int, str]
MOST_AT_ONCE = 500
MOST_VERSIONS = 65_536
_versions: dict[Version, Grant] = {}
"""Versions that were read, by their key and their ledger entry, which no two of them share."""
_COUNTER = (
    _READS.c.owner == bindparam("b_owner"),
    _READS.c.grant_id == bindparam("b_grant_id"),
    _READS.c.data_set == bindparam("b_data_set"),
    _READS.c.window_start == bindparam("b_window_start"),
)
_COUNTED = Prepared(select(_READS.c.reads).where(*_COUNTER))
_COUNT = Prepared(update(_READS).where(*_COUNTER).values(reads=_READS.c.reads + 1))


def current(session: Session, owner: str, grant_id: str) -> Grant | None:
    """The version of a grant that counts, or None.

    Which one that is, is always asked; what is in it never changes, so it is read once.
    """
    key = {"owner": owner, "grant_id": grant_id}
    latest = _LATEST.first(session, key)
    if latest is None:
        return None
    version: Version = (owner, grant_id, latest[0], latest[1])
    known = _versions.get(version)
    if known is None:
        [known] = _remember([session.connection().execute(_VERSION, key | {"version": latest[0]}).one()])
    return known


def find(session: Session, grant_id: str) -> Grant | None:
    """The version that counts of a grant of which only the id is known, or None.

    Ids are random and given once, so that no two owners have the same.
    """
    owners = _LATEST_AMONG.rows(session, {LISTED: [grant_id]})
    return current(session, owners[-1][0], grant_id) if owners else None


def version(session: Session, owner: str, grant_id: str, number: int) -> Grant | None:
    """One version of a grant, or None."""
    key = {"owner": owner, "grant_id": grant_id, "version": number}
    row = session.connection().execute(_VERSION, key).first()
    return _grant(row) if row else None


def versions(session: Session, owner: str, grant_id: str) -> list[Grant]:
    """Every version of a grant, oldest first."""
    query = select(GrantRow).where(GrantRow.owner == owner, GrantRow.grant_id == grant_id)
    return [row.to_model() for row in session.scalars(query.order_by(GrantRow.version))]


def current_of(session: Session, named: Collection[tuple[str, str]]) -> dict[tuple[str, str], Grant]:
    """The same for several grants at once, by owner and id; what there is not is left out."""
    latest: dict[tuple[str, str], Version] = {}
    for row in _LATEST_AMONG.rows(session, {LISTED: sorted({grant_id for _owner, grant_id in named})}):
        if (row[0], row[1]) in named:  # the highest version comes last
            latest[row[0], row[1]] = (row[0], row[1], row[2], row[3])
    found = {key: known for key, version in latest.items() if (known := _versions.get(version))}
    if new := {key: version for key, version in latest.items() if key not in found}:
        versions = set(new.values())
        rows = _versions_of(session, {grant_id for _owner, grant_id in new})
        some = [row for row in rows if (row.owner, row.grant_id, row.version, row.entry_id) in versions]
        found |= {(grant.owner, grant.grant_id): grant for grant in _remember(some)}
    return found


def _versions_of(session: Session, ids: Collection[str]) -> Iterator[Any]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), MOST_AT_ONCE):
        some = ordered[start : start + MOST_AT_ONCE]
        yield from session.connection().execute(_VERSIONS_OF, {"ids": some})


def _remember(rows: list[Any]) -> list[Grant]:
    read = [_grant(row) for row in rows]
    if len(_versions) + len(read) > MOST_VERSIONS:
        _versions.clear()
    _versions.update({(one.owner, one.grant_id, one.version, one.entry_id): one for one in read})
    return read


def current_of_owner(session: Session, owner: str, client_id: str | None = None) -> list[Grant]:
    """The current version of each of an owner's grants (of one client's), newest grant first."""
    latest = (
        select(GrantRow.grant_id, func.max(GrantRow.version).label("version"))
        .where(GrantRow.owner == owner)
        .group_by(GrantRow.grant_id)
    )
    if client_id is not None:
        latest = latest.where(GrantRow.client_id == client_id)
    newest = latest.subquery()
    rows = session.scalars(
        select(GrantRow)
        .join(
            newest,
            (GrantRow.grant_id == newest.c.grant_id) & (GrantRow.version == newest.c.version),
        )
        .where(GrantRow.owner == owner)
        .order_by(GrantRow.created_at.desc(), GrantRow.grant_id)
    )
    return [row.to_model() for row in rows]


def owners_of_party(session: Session, party: str, *, after: str = "") -> list[str]:
    """The owners who gave a party a grant, in order, at most :data:`MOST_AT_ONCE` after the one named."""
    query = (
        select(GrantRow.owner)
        .where(GrantRow.party == party, GrantRow.owner > after)
        .distinct()
        .order_by(GrantRow.owner)
        .limit(MOST_AT_ONCE)
    )
    return list(session.scalars(query))


def reads(session: Session, grant: Grant, data_set: str, window: dt.datetime) -> int:
    """How many reads of a data set this grant permitted in a window."""
    found = _COUNTED.first(session, _counted(grant, data_set, window))
    return int(found[0]) if found else 0


def count_read(session: Session, grant: Grant, data_set: str, window: dt.datetime) -> None:
    """Count one more; the caller holds the owner's lock, so nobody counts beside it."""
    key = _counted(grant, data_set, window)
    if _COUNT.change(session, key) == 0:
        first = {name.removeprefix("b_"): value for name, value in key.items()} | {"reads": 1}
        session.connection().execute(insert(ReadsRow), first)


def _counted(grant: Grant, data_set: str, window: dt.datetime) -> dict[str, Any]:
    return {
        "b_owner": grant.owner,
        "b_grant_id": counted_as(grant),
        "b_data_set": data_set,
        "b_window_start": window,
    }


def _grant(row: Any) -> Grant:
    """A version from a row of its columns."""
    return Grant(
        grant_id=row.grant_id,
        version=row.version,
        owner=row.owner,
        party=row.party,
        client_id=row.client_id,
        terms=terms_from_json(row.terms),
        status=Status(row.status),
        created_at=row.created_at,
        entry_id=row.entry_id,
        given_at=row.given_at,
        reason=row.reason,
    )
