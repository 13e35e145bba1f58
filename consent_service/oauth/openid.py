"""What an authorization request says beyond OAuth (OpenID Connect Core sections 3.1.2.1 and 5.5).

``display`` and ``claims_locales`` are accepted and change nothing. ``ui_locales`` is kept beside the
authorization (:mod:`~consent_service.oauth.taken`): its pages speak the first of them that we have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.oauth import id_token
from consent_service.registry.acquaintances import AcquaintanceRow
from consent_service.registry.login_rules import OPENERS, OPENID, SCOPES, Asked
from consent_service.registry.model import Client, Profile

PROMPTS = ("none", "login", "consent", "select_account")
CLAIMS = ("sub", "name", "organisations", "auth_time", "acr", "amr")
"""What we can say of a person."""
LONGEST = 4000


def scopes_of(client: Client, scope: str, *, browser: bool = True) -> tuple[str, ...]:
    """The scopes that are known, once each; others are ignored for ``oidc`` clients (Core section 3.1.2.1).

    A FAPI 2.0 client may leave ``openid`` out: that is OAuth alone, and no ID token comes of it. CIBA has
    no such thing (CIBA Core section 7.1).

    :raises ServiceError: ``invalid_scope``
    """
    asked = tuple(dict.fromkeys(scope.split()))
    known = tuple(one for one in asked if one in SCOPES)
    if client.profile is not Profile.OIDC and known != asked:
        raise ServiceError("invalid_scope", f"the scopes that can be asked for are {', '.join(SCOPES)}")
    alone = browser and client.profile is not Profile.OIDC
    if known and not (OPENERS if alone else {OPENID}) & set(known):
        raise ServiceError("invalid_scope", "scope must have openid")
    return known


def read(
    session: Session,
    settings: Settings,
    client: Client,
    scopes: tuple[str, ...],
    parameters: Mapping[str, str],
) -> Asked:
    """What is asked for with ``openid``, with the client's registered defaults.

    :raises ServiceError: ``invalid_request``, with the parameter that is wrong
    """
    prompt = tuple(dict.fromkeys(parameters.get("prompt", "").split()))
    if not set(prompt) <= set(PROMPTS) or ("none" in prompt and len(prompt) > 1):
        raise _wrong("prompt is none alone, or login, consent and select_account")
    claims = _claims(parameters.get("claims"))
    userinfo, in_token = claims["userinfo"], claims["id_token"]
    acr = in_token.get("acr") or {}
    values = _values(acr)
    subject = next(iter(_values(in_token.get("sub") or userinfo.get("sub") or {})), None)
    if "id_token_hint" in parameters:
        hinted = id_token.read_hint(session, settings, parameters["id_token_hint"])
        if hinted is None or hinted["aud"] != client.client_id:
            raise _wrong("id_token_hint is not an ID token of ours for this client")
        if subject is not None and subject != hinted["sub"]:
            raise _wrong("id_token_hint and the sub asked for name two persons")
        subject = hinted["sub"]
    essential = values if acr.get("essential") is True else ()
    asked_acr = parameters.get("acr_values", "").split() or client.metadata.get("default_acr_values", ())
    nonce = parameters.get("nonce")
    if len(nonce or "") > LONGEST:
        raise _wrong(f"nonce is longer than {LONGEST} characters")
    return Asked(
        scopes=scopes,
        userinfo=tuple(one for one in userinfo if one in CLAIMS),
        id_token=tuple(one for one in in_token if one in CLAIMS),
        prompt=prompt,
        max_age=_max_age(parameters.get("max_age"), client),
        acr_values=tuple(asked_acr) or values,
        acr_essential=values if essential else (),
        subject=subject,
        hint=_known(session, client, parameters.get("login_hint")),
        nonce=nonce,
    )


def _claims(text: str | None) -> dict[str, dict[str, Any]]:
    """The members of the claims parameter; what we don't know is ignored (Core section 5.5)."""
    try:
        document = json.loads(text) if text is not None else {}
    except (ValueError, RecursionError):
        raise _wrong("claims is not JSON") from None
    if not isinstance(document, dict):
        raise _wrong("claims is not an object")
    places: dict[str, dict[str, Any]] = {}
    for name in ("userinfo", "id_token"):
        place = document.get(name, {})
        if not isinstance(place, dict) or not all(
            one is None or isinstance(one, dict) for one in place.values()
        ):
            raise _wrong(f"{name} in claims is an object, and each claim in it null or an object")
        places[name] = place
    return places


def _values(of: Mapping[str, Any]) -> tuple[str, ...]:
    """The value or values that a claim must have."""
    listed = of["values"] if isinstance(of.get("values"), list) else [of["value"]] if "value" in of else []
    return tuple(str(one) for one in listed)


def _max_age(text: str | None, client: Client) -> int | None:
    if text is None:
        stated = client.metadata.get("default_max_age")
        return int(stated) if stated is not None else None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise _wrong("max_age is a whole number of seconds")
    return int(text)


def _known(session: Session, client: Client, hint: str | None) -> str | None:
    """A login hint that is the client's name for somebody; any other tells us nothing."""
    known = AcquaintanceRow.client_id == client.client_id, AcquaintanceRow.subject == hint
    return session.scalar(select(AcquaintanceRow.subject).where(*known)) if hint else None


def _wrong(sentence: str) -> ServiceError:
    return ServiceError("invalid_request", sentence)
