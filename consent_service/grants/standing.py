"""What has become of grants lately, and what that means for a token that was given before.

A token is given under an active grant only. So whatever could be wrong with it is a version of
its grant that came later: a look at the newest versions finds every token that holds no longer,
however many tokens there are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import Text, cast, literal_column, select
from sqlalchemy.orm import Session

from consent_service.grants.model import Status
from consent_service.grants.store import GrantRow


class TokenStatus(IntEnum):
    """Whether a token holds, in the status types of draft-ietf-oauth-status-list section 7.1."""

    VALID = 0x00
    INVALID = 0x01
    SUSPENDED = 0x02


@dataclass(frozen=True, slots=True)
class Version:
    """What counts of a version of a grant here; ``terms`` as they are stored, to be compared only."""

    status: Status
    created_at: dt.datetime
    terms: str


def changed_since(session: Session, since: dt.datetime) -> dict[tuple[str, str], list[Version]]:
    """All versions, oldest first, of each grant that got another version since then, by owner and id."""
    changed = (
        select(GrantRow.grant_id)
        .where(GrantRow.created_at >= since, GrantRow.version > literal_column("1"))
        .distinct()
    )
    rows = session.execute(
        select(
            GrantRow.owner,
            GrantRow.grant_id,
            GrantRow.status,
            GrantRow.created_at,
            cast(GrantRow.terms, Text),
        )
        .where(GrantRow.grant_id.in_(changed))
        .order_by(GrantRow.version)
    )
    found: dict[tuple[str, str], list[Version]] = {}
    for owner, grant_id, status, created_at, terms in rows:
        found.setdefault((owner, grant_id), []).append(Version(Status(status), created_at, terms))
    return found


def of_token(versions: Sequence[Version], issued_at: dt.datetime) -> TokenStatus:
    """What a token that was given at this moment is worth, by all versions of its grant, oldest first.

    1. A grant that rests lets its tokens rest; one that ended, or does not count yet, ends them.
    2. A grant whose terms are others now ends what was given under the terms of before.
    """
    present = versions[-1]
    if present.status is Status.SUSPENDED:
        return TokenStatus.SUSPENDED
    if present.status is not Status.ACTIVE:
        return TokenStatus.INVALID
    given = [version for version in versions if version.created_at <= issued_at]
    return TokenStatus.VALID if given and given[-1].terms == present.terms else TokenStatus.INVALID
