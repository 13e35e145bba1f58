"""Signing keys from the command line: rotate, withdraw, list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from consent_service.clock import SystemClock, rfc3339
from consent_service.commands.database import transaction
from consent_service.config import Settings
from consent_service.keys import rotation
from consent_service.keys.jws import Algorithm, generate
from consent_service.keys.store import State, every


def rotate(settings: Settings, algorithms: Sequence[Algorithm], *, at_once: bool = False) -> Iterator[str]:
    """Announce a new key for each algorithm, or let it sign at once; says for each what signs when."""
    for algorithm in algorithms:
        fresh, now = generate(algorithm), SystemClock().now()
        with transaction(settings.database_url) as session:
            row = rotation.rotate(session, settings.secret_key, fresh, now, at_once=at_once)
            kid, signs, since = row.kid, row.state is State.SIGNING, rfc3339(row.activates_at)
            session.commit()
        yield (
            f"{algorithm}: signing with {kid}"
            if signs
            else f"{algorithm}: {kid} is published, and signs from {since}"
        )


def withdraw(settings: Settings, kid: str) -> str:
    """Publish a stolen key no more."""
    with transaction(settings.database_url) as session:
        rotation.withdraw(session, kid, SystemClock().now())
        session.commit()
    return f"{kid} is published no more; who kept it drops it when it looks for keys again"


def listed(settings: Settings) -> list[dict[str, str | None]]:
    """Every key there ever was, newest first."""
    with transaction(settings.database_url) as session:
        return [
            {
                "kid": row.kid,
                "algorithm": row.algorithm,
                "state": row.state.value,
                "created_at": rfc3339(row.created_at),
                "signs_from": rfc3339(row.activated_at or row.activates_at),
                "retired_at": rfc3339(row.retired_at) if row.retired_at else None,
                "withdrawn_at": rfc3339(row.withdrawn_at) if row.withdrawn_at else None,
            }
            for row in every(session)
        ]
