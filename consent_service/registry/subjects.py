"""Under which name a client knows a person (OpenID Connect Core section 8).

Pairwise by default: clients of different sectors can't find out that they speak of the same person.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from consent_service.registry.model import Client

USE = b"consent-service subject"


def subject_of(client: Client, person_id: str, secret_key: str) -> str:
    """The ``sub`` of a person at a client (section 8.1): an HMAC over the sector and the person.

    A public subject is the same everywhere, and still not the id that we use ourselves.
    """
    key = hmac.digest(secret_key.encode(), USE, hashlib.sha256)
    sector = "" if client.metadata.get("subject_type") == "public" else sector_of(client)
    made = hmac.digest(key, f"{sector}\n{person_id}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def sector_of(client: Client) -> str:
    """The host that groups clients of one owner: of ``sector_identifier_uri``, else of the redirect URIs.

    A client with several hosts and no sector identifier shares its sector with nobody.
    """
    stated = client.metadata.get("sector_identifier_uri")
    uris = [stated] if stated else client.redirect_uris
    hosts = {urlsplit(uri).hostname or "" for uri in uris}
    return hosts.pop() if len(hosts) == 1 else f"client {client.client_id}"
