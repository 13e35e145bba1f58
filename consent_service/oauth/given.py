"""What an authorization gave, turned into a token response: access, refresh and ID token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants.store import find_request
from consent_service.oauth import id_token, narrowing, tokens
from consent_service.oauth.live import active_grant
from consent_service.oauth.sender import Sender
from consent_service.registry import logins
from consent_service.registry.login_rules import OPENID
from consent_service.registry.logins import LoginRow, LoginStatus
from consent_service.registry.model import Client


def subject_of(
    session: Session,
    settings: Settings,
    client: Client,
    authorization_id: str | None,
    sender: Sender,
    now: dt.datetime,
    within: tuple[str, ...] = (),
    granted: tuple[str | None, str] | None = None,
) -> tokens.Subject:
    """Whom and what tokens of this authorization are for, if it still holds.

    1. The grant, where data was asked for, is active.
    2. The login, where it was asked who the person is, was given and not taken back. Beside a grant it
       may have ended: the grant goes on without it.
    3. The token carries the grant, or what of it the present request asks for.

    :param within: the locations to which the authorization request kept itself; none is all
    :param granted: owner and id of the grant, for a refresh: it outlives the request that it answered
    :raises ServiceError: ``invalid_grant``, ``invalid_authorization_details``, ``invalid_target``
    """
    login = logins.find(session, authorization_id or "")
    if login is not None and (login.status != LoginStatus.GIVEN or now >= login.expires_at):
        login = None
    asked = None if granted else find_request(session, authorization_id or "")
    owner, grant_id = granted or ((asked.owner, asked.grant_id) if asked else (None, None))
    if granted or asked:
        grant = active_grant(session, owner, grant_id, now)
        terms = narrowing.of_request(session, grant, now, within=within)
        found = tokens.of_grant(client, grant, sender, authorization_id, login, settings.issuer, terms)
        return replace(found, resources=within)
    if login is None:
        raise ServiceError("invalid_grant", "what was agreed to has ended")
    narrowing.of_sign_in(settings.issuer + tokens.USERINFO_PATH)
    return tokens.of_login(client, login, sender, settings)


def response(
    session: Session,
    settings: Settings,
    subject: tokens.Subject,
    now: dt.datetime,
    *,
    refreshed: bool = False,
    renews: bool = True,
    only: Collection[str] = (),
) -> dict[str, Any]:
    """The token response (RFC 6749 section 5.1, OpenID Connect Core sections 3.1.3.3 and 12.2).

    :param only: the scopes that are asked for this time; none is all. A new refresh token has all of
        them still (RFC 6749 section 6).
    """
    left = " ".join(one for one in subject.scope.split() if one in only or not only)
    answer = tokens.access_token(session, settings, replace(subject, scope=left), now)
    if renews and (refresh := tokens.refresh_token(session, subject, now)):
        answer["refresh_token"] = refresh
    login: LoginRow | None = subject.login
    if login is not None and OPENID in login.scopes:
        answer["id_token"] = id_token.make(
            session, settings, subject.client, login, answer["access_token"], now, refreshed=refreshed
        )
    return answer
