"""Publishing a policy set: the ledger holds its files, so that every decision can be made again from it."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.orm import Session

from consent_service.ledger import append as ledger
from consent_service.ledger import store
from consent_service.ledger.model import Kind
from consent_service.policy.choice import Rules
from consent_service.policy.engine import PolicyError, PolicySet, digest

CATALOGUE, TYPES = "catalogue/", "types/"
INSTANT = dt.timedelta(microseconds=1)


def publish(session: Session, policies: PolicySet, now: dt.datetime) -> bool:
    """Record which policy set decides from now on; False when it is the one of before.

    A catalogue that changed with it has an entry of its own, so that whoever follows the log
    sees when purposes and data sets became others.
    """
    ledger.hold(session, registry="changes")  # no decision stands between the old set and the new
    if store.last_digest(session, Kind.POLICY_PUBLISHED) == policies.digest:
        return False
    before = store.last_time(session, Kind.POLICY_PUBLISHED)
    if before is not None:  # the last one is found by its time, and clocks differ, and go back
        now = max(now, before + INSTANT)
    catalogue = {name: text for name, text in policies.files.items() if name.startswith((CATALOGUE, TYPES))}
    catalogue_digest = digest(catalogue)
    if catalogue and store.last_digest(session, Kind.CATALOGUE_PUBLISHED) != catalogue_digest:
        told = {"digest": catalogue_digest, "files": catalogue}
        ledger.append(session, Kind.CATALOGUE_PUBLISHED, told, now=now, policy_digest=policies.digest)
    payload = {"digest": policies.digest, "files": policies.files}
    ledger.append(session, Kind.POLICY_PUBLISHED, payload, now=now, policy_digest=policies.digest)
    return True


def from_files(files: Mapping[str, str]) -> Rules:
    """The rules of a published set.

    :raises PolicyError: a name that is no plain path, or files that don't hold
    :raises CatalogueError: the catalogue does not hold
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for path, content in files.items():
            target = (folder / path).resolve()
            if not target.is_relative_to(folder):
                raise PolicyError(f"a policy file can't be called {path!r}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode())
        return from_directory(folder)


def from_directory(directory: Path) -> Rules:
    """The rules of a policy directory."""
    return Rules(PolicySet.load(directory))
