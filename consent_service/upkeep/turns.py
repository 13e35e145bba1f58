"""Whose turn a job is: one worker at a time, on one machine or many, without anybody in charge.

A job's row says when it is due. Whoever moves that moment into the future has the job for so
long; a worker that dies with it loses it then.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import String, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from consent_service.db import Base, Instant
from consent_service.stored import rows_changed


class JobRow(Base):
    """One job, when it is due next, and when it was last done to its end."""

    __tablename__ = "upkeep_job"

    job: Mapped[str] = mapped_column(String(32), primary_key=True)
    due_at: Mapped[dt.datetime] = mapped_column(Instant)
    done_at: Mapped[dt.datetime | None] = mapped_column(Instant)


def is_due(session: Session, job: str, now: dt.datetime) -> bool:
    """Whether somebody should take this job; only looks."""
    due_at = session.scalar(select(JobRow.due_at).where(JobRow.job == job))
    return due_at is None or due_at <= now


def take(session: Session, job: str, now: dt.datetime, lease: dt.timedelta) -> bool:
    """Take a job that is due, for at most ``lease``; False when somebody was faster."""
    taken = session.execute(
        update(JobRow).where(JobRow.job == job, JobRow.due_at <= now).values(due_at=now + lease)
    )
    if rows_changed(taken):
        return True
    if session.scalar(select(JobRow.due_at).where(JobRow.job == job)) is not None:
        return False
    try:
        with session.begin_nested():
            session.execute(insert(JobRow).values(job=job, due_at=now + lease))
    except IntegrityError:
        return False
    return True


def give_back(session: Session, job: str, due_at: dt.datetime, done_at: dt.datetime | None) -> None:
    """Say when the job is due next; ``done_at`` is None when it was not done to its end."""
    values = {"due_at": due_at} | ({"done_at": done_at} if done_at else {})
    session.execute(update(JobRow).where(JobRow.job == job).values(**values))


def done_at(session: Session, job: str) -> dt.datetime | None:
    """When a job was last done to its end, or None."""
    return session.scalar(select(JobRow.done_at).where(JobRow.job == job))
