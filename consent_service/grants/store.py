"""The tables of requests and grants. A grant's versions are rows that never change.

A new version is an insert under (owner, grant, version): two writers who both hold
version 3 can't both write version 4.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String, Text, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.grants.model import Grant, Request, Status, terms_from_json, terms_to_json


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

    __table_args__ = (
        Index("ix_grant_version_owner_client_id", "owner", "client_id"),
        Index("ix_grant_version_grant_id", "grant_id"),
    )

    def to_model(self) -> Grant:
        return Grant(
            grant_id=self.grant_id,
            version=self.version,
            owner=self.owner,
            party=self.party,
            client_id=self.client_id,
            terms=terms_from_json(self.terms),
            status=Status(self.status),
            created_at=self.created_at,
            entry_id=self.entry_id,
            reason=self.reason,
        )


class ReadsRow(Base):
    """How many reads of a data set a grant permitted in one window; only limited grants have rows."""

    __tablename__ = "grant_reads"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    data_set: Mapped[str] = mapped_column(String(64), primary_key=True)
    window_start: Mapped[dt.datetime] = mapped_column(Instant, primary_key=True)
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
        )
    )
    session.flush()


def find_request(session: Session, request_id: str) -> Request | None:
    """The request with this id as it stands now, or None."""
    row = session.get(RequestRow, request_id, populate_existing=True)
    return row.to_model() if row else None


def move_request(session: Session, now: Request, then: Status, **changes: Any) -> bool:
    """Move a request from the state it was seen in; False when somebody was faster."""
    moved = session.execute(
        update(RequestRow)
        .where(RequestRow.request_id == now.request_id, RequestRow.status == now.status)
        .values(status=then, **changes)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]


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
        )
    )
    session.flush()


def current(session: Session, owner: str, grant_id: str) -> Grant | None:
    """The version of a grant that counts, or None."""
    row = session.scalar(
        select(GrantRow)
        .where(GrantRow.owner == owner, GrantRow.grant_id == grant_id)
        .order_by(GrantRow.version.desc())
        .limit(1)
    )
    return row.to_model() if row else None


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


def reads(session: Session, grant: Grant, data_set: str, window: dt.datetime) -> int:
    """How many reads of a data set this grant permitted in a window."""
    row = session.get(ReadsRow, (grant.owner, grant.grant_id, data_set, window), populate_existing=True)
    return row.reads if row else 0


def count_read(session: Session, grant: Grant, data_set: str, window: dt.datetime) -> None:
    """Count one more; the caller holds the owner's lock, so nobody counts beside it."""
    row = session.get(ReadsRow, (grant.owner, grant.grant_id, data_set, window), populate_existing=True)
    if row is None:
        session.add(
            ReadsRow(
                owner=grant.owner, grant_id=grant.grant_id, data_set=data_set, window_start=window, reads=1
            )
        )
    else:
        row.reads += 1
    session.flush()
