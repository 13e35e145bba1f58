"""What has become of grants lately, and what that means for a token that was given before.

A token is given under an active grant only. So whatever could be wrong with it is a version of
its grant that came later: a look at the newest versions finds every token that holds no longer,
however many tokens there are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import IntEnum

from sqlalchemy import literal_column, select
from sqlalchemy.orm import Session

from consent_service.grants import store
from consent_service.grants.model import Grant, Status
from consent_service.grants.store import GrantRow


class TokenStatus(IntEnum):
    """Whether a token holds, in the status types of draft-ietf-oauth-status-list section 7.1."""

    VALID = 0x00
    INVALID = 0x01
    SUSPENDED = 0x02


def changed_since(session: Session, since: dt.datetime) -> dict[tuple[str, str], list[Grant]]:
    """All versions, oldest first, of each grant that got another version since then."""
    changed = (
        select(GrantRow.grant_id)
        .where(GrantRow.created_at >= since, GrantRow.version > literal_column("1"))
        .distinct()
    )
    found: dict[tuple[str, str], list[Grant]] = {}
    for grant in store.versions_of(session, session.scalars(changed).all()):
        found.setdefault((grant.owner, grant.grant_id), []).append(grant)
    return found


def of_token(versions: Sequence[Grant], issued_at: dt.datetime) -> TokenStatus:
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
