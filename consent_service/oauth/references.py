"""What a client's metadata refers to, looked at when it registers: its keys, its sector's redirect URIs."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from consent_service.addresses import NotAllowed
from consent_service.errors import ServiceError
from consent_service.outgoing import Outgoing, Unanswered
from consent_service.registry import metadata, remote_keys
from consent_service.registry.limits import TooMany
from consent_service.registry.model import Client
from consent_service.web.current import current

MOST_BYTES = 64 * 1024
SECONDS = 5.0
AT_ONCE = 4
"""Looks of one worker at one time, a quarter of its threads: who has a slow server, or many of them,
holds up no more than these."""
_looking = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The keys that an address serves, and how long they are taken as they are."""

    uri: str
    jwks: dict[str, Any]
    lasts: dt.timedelta


def look_up(document: Mapping[str, Any], before: Client | None) -> Fetched | None:
    """Ask the addresses in client metadata, those that are new; no transaction may be open.

    1. ``jwks_uri`` serves a JWK Set with a key that we can use: what does not work now would be found
       out at the first token, by somebody else.
    2. ``sector_identifier_uri`` serves a list that holds every redirect URI (OpenID Connect Dynamic
       Client Registration 1.0 section 5). Without one, a pairwise client's redirect URIs have one host
       (OpenID Connect Core 1.0 section 8.1).

    :raises ServiceError: ``invalid_client_metadata``
    :raises TooMany: others' addresses are looked at now; nothing was asked
    """
    kept = metadata.checked(document)
    if not {"jwks_uri", "sector_identifier_uri"} & kept.keys():
        _check_sector(kept, list(document.get("redirect_uris") or []))
        return None
    if not _looking.acquire(blocking=False):
        raise TooMany(int(SECONDS))
    try:
        return _asked(kept, document, before)
    finally:
        _looking.release()


def _asked(kept: Mapping[str, Any], document: Mapping[str, Any], before: Client | None) -> Fetched | None:
    redirect_uris = list(document.get("redirect_uris") or [])
    _check_sector(kept, redirect_uris)
    uri = kept.get("jwks_uri")
    if uri is None or (before is not None and before.metadata.get("jwks_uri") == uri):
        return None
    return Fetched(uri, *remote_keys.served(current(Outgoing), uri))


def keep(session: Session, fetched: Fetched | None, now: dt.datetime) -> None:
    """Keep the keys that were looked at, so that the first token needs no look."""
    if fetched is not None:
        remote_keys.keep(session, fetched.uri, fetched.jwks, fetched.lasts, now)


def _check_sector(kept: Mapping[str, Any], redirect_uris: list[str]) -> None:
    sector = kept.get("sector_identifier_uri")
    if sector is None:
        hosts = {urlsplit(uri).hostname for uri in redirect_uris}
        if kept.get("subject_type") == "pairwise" and len(hosts) > 1:
            raise _wrong("redirect_uris of several hosts need a sector_identifier_uri")
        return
    try:
        listed = json.loads(current(Outgoing).get(sector, seconds=SECONDS, most=MOST_BYTES))
    except NotAllowed as error:
        raise _wrong(f"sector_identifier_uri {error}") from error
    except (Unanswered, ValueError, RecursionError) as error:
        raise _wrong("sector_identifier_uri does not serve a list") from error
    if not isinstance(listed, list) or not set(redirect_uris) <= {one for one in listed if type(one) is str}:
        raise _wrong("sector_identifier_uri does not list every redirect URI")


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_client_metadata", sentence)
