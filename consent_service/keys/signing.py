"""What signs JWTs: one small interface, and the implementation with keys sealed in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import bindparam, literal, select
from sqlalchemy.orm import Session

from consent_service.errors import ConfigurationError
from consent_service.keys.jws import Algorithm, SigningKey, compact
from consent_service.keys.store import PUBLISHED_AFTER, SigningKeyRow
from consent_service.prepared import Prepared
from consent_service.sealing import Seal

USE = "signing-key"
_TABLE = SigningKeyRow.__table__
_CURRENT_OF = {
    algorithm: Prepared(
        select(_TABLE.c.kid).where(
            _TABLE.c.activated_at.is_not(None),
            _TABLE.c.retired_at.is_(None),
            _TABLE.c.algorithm == literal(algorithm.value),
        )
    )
    for algorithm in Algorithm
}
_SEALED = select(_TABLE.c.sealed_private_key).where(_TABLE.c.kid == bindparam("kid"))
_opened: dict[Algorithm, tuple[str, SigningKey]] = {}
"""The key that this worker opened last for each algorithm, by its id."""


class Signer(Protocol):
    """Signs JWTs with the key of the moment; another one may keep its keys in hardware."""

    def sign(self, claims: dict[str, Any], *, typ: str, alg: Algorithm = Algorithm.ES256) -> str:
        """``claims`` as a compact JWS (RFC 7515) with ``typ`` and ``kid`` in its header."""
        ...


@dataclass(frozen=True, slots=True)
class DatabaseSigner:
    """Signs with the keys in the database, in the caller's transaction."""

    session: Session
    secret_key: str

    def sign(self, claims: dict[str, Any], *, typ: str, alg: Algorithm = Algorithm.ES256) -> str:
        """Sign with this algorithm's key.

        1. Nothing is signed that would outlive the publication of its key.
        2. Ask the table which key signs: one small read, so that a rotation counts at once.
        3. Open that key, unless this worker has done so before.

        :raises ConfigurationError: no key yet, or sealed with another secret
        :raises ValueError: step 1
        """
        if claims.get("exp", 0) - claims.get("iat", claims.get("exp", 0)) > PUBLISHED_AFTER.total_seconds():
            raise ValueError("what is signed must end before its key is published no more")
        kid, key = self._current(alg)
        return compact(key, kid, typ, claims)

    def _current(self, alg: Algorithm) -> tuple[str, SigningKey]:
        for _ in range(2):  # between two looks it may have retired, and lost its private part
            row = _CURRENT_OF[alg].first(self.session, {})
            if row is None:
                raise ConfigurationError(f"there is no {alg} signing key: run `consent-service keys rotate`")
            kid, found = row[0], _opened.get(alg)
            if found is not None and found[0] == kid:
                return found
            if sealed := self.session.connection().execute(_SEALED, {"kid": kid}).scalar():
                key = SigningKey.from_text(alg, Seal(self.secret_key, USE).open(sealed))
                _opened[alg] = kid, key
                return kid, key
        raise ConfigurationError(f"the {alg} signing key {kid} has no private part")


def signer(session: Session, secret_key: str) -> Signer:
    """The signer of this database."""
    return DatabaseSigner(session, secret_key)


def check_opens(session: Session, secret_key: str) -> None:
    """Make sure that there is a key for each algorithm that has one, and that this secret opens it.

    :raises ConfigurationError: no key yet, or sealed with another secret
    """
    rows = session.execute(
        select(_TABLE.c.algorithm, _TABLE.c.sealed_private_key).where(
            _TABLE.c.activated_at.is_not(None), _TABLE.c.retired_at.is_(None)
        )
    ).all()
    if Algorithm.ES256 not in {row.algorithm for row in rows}:
        raise ConfigurationError("there is no signing key: run `consent-service keys rotate`")
    for row in rows:
        Seal(secret_key, USE).open(row.sealed_private_key or "")
