"""Issued tokens, known only by their SHA-256: remember, find, revoke.

A token that carries a grant lives only as long as the grant is active; nothing here
repeats that. Whoever looks a token up asks the grant too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from consent_service.db import lock
from consent_service.ledger import append as ledger
from consent_service.prepared import Prepared
from consent_service.registry.status import Place
from consent_service.registry.store import TokenRow
from consent_service.stored import document, insert_once, moment, rows_changed

TokenKind = Literal["access_token", "refresh_token"]
_TABLE = TokenRow.__table__
_STORE = insert_once(_TABLE, *(column.name for column in _TABLE.columns if column.name != "revoked_at"))
_FOUND = (
    *("token_hash", "kind", "client_id", "jti", "scope", "audience", "issued_at", "expires_at"),
    *("authorization_id", "owner", "grant_id", "jkt", "x5t", "revoked_at", "grant_version", "narrowed"),
    *("actor", "exchanged_from"),
)
_MOMENTS = ("issued_at", "expires_at", "revoked_at")
_FIND = Prepared(
    select(*(_TABLE.c[name] for name in _FOUND)).where(_TABLE.c.token_hash == bindparam("token_hash"))
)


@dataclass(frozen=True, slots=True)
class Token:
    """What the service knows of a token that it issued; times are aware, in UTC."""

    token_hash: str
    kind: str
    client_id: str
    jti: str
    scope: str
    audience: tuple[str, ...]
    issued_at: dt.datetime
    expires_at: dt.datetime
    authorization_id: str | None = None
    owner: str | None = None
    grant_id: str | None = None
    jkt: str | None = None
    """Thumbprint of the DPoP key that it is bound to (RFC 9449 section 6.1)."""
    x5t: str | None = None
    """SHA-256 thumbprint of the certificate that it is bound to (RFC 8705 section 3.1)."""
    revoked_at: dt.datetime | None = None
    place: Place | None = None
    """Where a status list tells of it."""
    grant_version: int | None = None
    """Which version of the grant it was given under."""
    narrowed: Mapping[str, Any] | None = None
    """The granted object that it carries, where that is less than the grant's (RFC 9396 section 6)."""
    actor: str | None = None
    """Who acts with it for the party (RFC 8693 section 4.1)."""
    exchanged_from: str | None = None
    """The hash of the token that it was exchanged for; it ends with that one."""

    @property
    def confirmation(self) -> dict[str, str]:
        """The ``cnf`` member (RFC 7800 section 3.1); empty for a bearer token."""
        named = {"jkt": self.jkt, "x5t#S256": self.x5t}
        return {name: value for name, value in named.items() if value}

    def live(self, now: dt.datetime) -> bool:
        """Neither revoked nor past its end."""
        return self.revoked_at is None and now < self.expires_at


def digest(token: str) -> str:
    """SHA-256 of a code or token, in hex: what is stored in its place."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def remember(session: Session, token: Token) -> bool:
    """Store an issued token; False, and nothing stored, where its place in a status list is taken."""
    values: dict[str, Any] = {
        "token_hash": token.token_hash,
        "kind": token.kind,
        "client_id": token.client_id,
        "authorization_id": token.authorization_id,
        "owner": token.owner,
        "grant_id": token.grant_id,
        "jti": token.jti,
        "scope": token.scope,
        "audience": list(token.audience),
        "jkt": token.jkt,
        "x5t": token.x5t,
        "issued_at": token.issued_at,
        "expires_at": token.expires_at,
        "grant_version": token.grant_version,
        "narrowed": dict(token.narrowed) if token.narrowed else None,
        "actor": token.actor,
        "exchanged_from": token.exchanged_from,
        "status_list": None,
        "status_index": None,
    }
    if token.place is not None:
        values |= {"status_list": token.place.number, "status_index": token.place.index}
    return _STORE.change(session, values) == 1


def find(session: Session, token: str) -> Token | None:
    """The token as stored, dead or alive, or None where we never issued it."""
    row = _FIND.first(session, {"token_hash": digest(token)})
    if row is None:
        return None
    values = dict(zip(_FOUND, row, strict=True))
    for name in _MOMENTS:
        values[name] = moment(values[name])
    values["audience"] = tuple(document(values["audience"]))
    values["narrowed"] = document(values["narrowed"])
    return Token(**values)


def held(session: Session, token: str) -> Token | None:
    """The same for whoever gives more of it: until the transaction ends nobody revokes what it came from.

    Otherwise a revocation could end between the look and the gift, and never see what was given.
    """
    found = find(session, token)
    if found is None:
        return None
    _hold(session, found.authorization_id or found.token_hash)
    return find(session, token)


def use(session: Session, token: Token, now: dt.datetime) -> bool:
    """Use a token up that counts once, in one conditional UPDATE; False when it was used before."""
    this = TokenRow.token_hash == token.token_hash, TokenRow.revoked_at.is_(None)
    changed = session.execute(update(TokenRow).where(*this).values(revoked_at=now))
    return bool(rows_changed(changed))


def revoke(session: Session, token: Token, now: dt.datetime) -> None:
    """Revoke a token; a refresh token takes along all that its authorization gave (RFC 7009 section 2.1).

    An access token takes along what it was exchanged for.

    A client's own token may be remembered where it is used; the registry's epoch ends that.
    """
    if token.grant_id is None:
        ledger.hold(session, registry="changes")
    if token.kind == "refresh_token" and token.authorization_id:
        revoke_authorization(session, token.authorization_id, now)
    else:
        _hold(session, token.authorization_id or token.token_hash)
        session.execute(
            update(TokenRow)
            .where(
                or_(TokenRow.token_hash == token.token_hash, TokenRow.exchanged_from == token.token_hash),
                TokenRow.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )


def revoke_client(session: Session, client_id: str, now: dt.datetime) -> None:
    """Revoke every token that a client was given; the caller changes the registry."""
    session.execute(
        update(TokenRow)
        .where(TokenRow.client_id == client_id, TokenRow.revoked_at.is_(None), TokenRow.expires_at > now)
        .values(revoked_at=now)
    )


def revoke_authorization(session: Session, authorization_id: str, now: dt.datetime) -> None:
    """Revoke every token that came from one authorization (RFC 6749 section 4.1.2: a code used twice)."""
    _hold(session, authorization_id)
    session.execute(
        update(TokenRow)
        .where(TokenRow.authorization_id == authorization_id, TokenRow.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def revoke_sign_in(session: Session, authorization_id: str, now: dt.datetime) -> None:
    """Revoke what an authorization gave beside a grant: tokens that carry one end with it, and not before."""
    session.execute(
        update(TokenRow)
        .where(
            TokenRow.authorization_id == authorization_id,
            TokenRow.grant_id.is_(None),
            TokenRow.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


def _hold(session: Session, source: str) -> None:
    lock(session, f"tokens of {source}")
