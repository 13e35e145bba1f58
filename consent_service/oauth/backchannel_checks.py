"""What only a request without a browser is checked for (OpenID Connect CIBA Core section 7.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.oauth import id_token
from consent_service.registry import identifiers
from consent_service.registry.acquaintances import AcquaintanceRow
from consent_service.registry.model import Client

HINTS = ("login_hint", "id_token_hint", "login_hint_token")
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{22,1024}=*")
"""22 characters of 6 bits have the 128 bits of section 7.1."""
LONGEST_TOKEN = 1024
LONGEST_MESSAGE = 100
SHORTEST_LIFE, LONGEST_LIFE = 30, 1800  # seconds


@dataclass(frozen=True, slots=True)
class Hinted:
    """Whom a request is for: whoever may act for an owner, or one person, by the client's name for them."""

    owner: str | None = None
    person_id: str | None = None
    subject: str | None = None


NOBODY = Hinted()


def check_client(client: Client, *, signed: bool) -> None:
    """Registered for it, and signed where it registered an algorithm (section 4).

    :raises ServiceError: ``unauthorized_client``, ``invalid_request``
    """
    if "backchannel_token_delivery_mode" not in client.metadata:
        raise ServiceError("unauthorized_client", "this client has no backchannel_token_delivery_mode")
    if "backchannel_authentication_request_signing_alg" in client.metadata and not signed:
        raise ServiceError("invalid_request", "this client's requests must be signed (request is missing)")


def check_parameters(client: Client, parameters: Mapping[str, str]) -> None:
    """Binding message, user code, notification token and expiry (section 7.1).

    :raises ServiceError: ``invalid_binding_message``, ``invalid_request``
    """
    message = parameters.get("binding_message")
    if message is not None and not (
        0 < len(message) <= LONGEST_MESSAGE and message.isprintable() and message.strip()
    ):
        raise ServiceError(
            "invalid_binding_message",
            f"binding_message is plain text of at most {LONGEST_MESSAGE} characters",
        )
    if "user_code" in parameters:
        raise ServiceError("invalid_request", "user_code is not supported")
    token = parameters.get("client_notification_token", "")
    ping = client.metadata.get("backchannel_token_delivery_mode") == "ping"
    if ping and not (B64TOKEN.fullmatch(token) and len(token) <= LONGEST_TOKEN):
        raise ServiceError(
            "invalid_request", "client_notification_token is a bearer token of 22 to 1024 characters"
        )
    life(parameters)


def life(parameters: Mapping[str, str]) -> int:
    """Seconds that the owner has: what is asked for, within bounds.

    :raises ServiceError: ``invalid_request``
    """
    text = parameters.get("requested_expiry", str(LONGEST_LIFE))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ServiceError("invalid_request", "requested_expiry is a positive whole number of seconds")
    return min(LONGEST_LIFE, max(SHORTEST_LIFE, int(text)))


def hinted(session: Session, settings: Settings, client: Client, parameters: Mapping[str, str]) -> Hinted:
    """Whom the one hint names (section 7.1).

    1. Exactly one hint, and not a login_hint_token: nobody issues these.
    2. An ID token of ours for this client; or an owner's identifier, or the client's name for somebody.
    3. A name is one that this client was given: it can't ask about persons that it does not know.

    :raises ServiceError: ``invalid_request``, ``unknown_user_id``
    """
    given = [name for name in HINTS if name in parameters]
    if len(given) != 1:
        raise ServiceError("invalid_request", f"exactly one of {', '.join(HINTS)} is needed")
    if given == ["login_hint_token"]:
        raise ServiceError("invalid_request", "login_hint_token is not supported")
    subject = parameters[given[0]]
    if given == ["id_token_hint"]:
        claims = id_token.read_hint(session, settings, subject)
        if claims is None or claims["aud"] != client.client_id:
            raise ServiceError("invalid_request", "id_token_hint is not an ID token of ours for this client")
        subject = claims["sub"]
    elif ":" in subject:
        try:
            return Hinted(owner=identifiers.parse(subject))
        except ServiceError as error:
            raise _unknown() from error
    known = AcquaintanceRow.client_id == client.client_id, AcquaintanceRow.subject == subject
    person_id = session.scalar(select(AcquaintanceRow.person_id).where(*known))
    if person_id is None:
        raise _unknown()
    return Hinted(person_id=person_id, subject=subject)


def _unknown() -> ServiceError:
    return ServiceError("unknown_user_id", "the hint names nobody that this client can ask")
