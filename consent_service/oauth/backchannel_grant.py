"""Fetching what was answered without a browser (OpenID Connect CIBA Core sections 10.1 and 11)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, grants

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants.model import DECLINED_FOR, Status
from consent_service.grants.store import find_request
from consent_service.oauth import given, sender
from consent_service.oauth.client import CIBA, METHODS
from consent_service.oauth.server import session
from consent_service.registry import backchannel, logins
from consent_service.registry.backchannel import BackchannelRow
from consent_service.registry.logins import LoginStatus
from consent_service.web.current import current, now

GRACE = dt.timedelta(seconds=30)
"""How long after ``expires_in`` an answer that was given in time can be fetched: six polls."""


class BackchannelGrant(grants.BaseGrant, grants.TokenEndpointMixin):  # type: ignore[misc]
    """``grant_type=urn:openid:params:grant-type:ciba``."""

    GRANT_TYPE = CIBA
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.request.client.check_grant_type(CIBA):
            raise UnauthorizedClientError("this client has no backchannel_token_delivery_mode")
        if not self.request.form.get("auth_req_id"):
            raise InvalidRequestError("auth_req_id is missing")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue tokens for an ``auth_req_id``.

        1. It is this client's, and was not used before.
        2. The request proves a key or a certificate: the tokens are bound to it.
        3. Its time has not run out, and it was not declined. An answer that was given in time can be
           fetched for :data:`GRACE` after that: a client that polls every so often can't come sooner.
        4. While it waits, the client may ask only every so often.
        5. What was given still holds, and is fetched once, by one conditional UPDATE.

        :raises ServiceError: ``authorization_pending``, ``slow_down``, ``expired_token``,
            ``access_denied``, ``invalid_grant``, ``invalid_dpop_proof``
        """
        settings, moment, client = current(Settings), now(), self.request.client.client
        row = backchannel.by_auth_req_id(session(), self.request.form["auth_req_id"])
        if row is None or row.client_id != client.client_id or row.used_at is not None:
            raise ServiceError("invalid_grant", "auth_req_id is not one of this client's that waits")
        found = sender.required(session(), client, f"{settings.issuer}/oauth/token", moment)
        _check_answer(row, moment)
        subject = given.subject_of(session(), settings, client, row.request_id, found, moment)
        if not backchannel.use(session(), row, moment):
            raise ServiceError("invalid_grant", "auth_req_id was used before")
        return 200, given.response(session(), settings, subject, moment), self.TOKEN_RESPONSE_HEADER


def _check_answer(row: BackchannelRow, moment: dt.datetime) -> None:
    asked, login = find_request(session(), row.request_id), logins.find(session(), row.request_id)
    data = asked.status if asked else Status.ACTIVE
    sign_in = LoginStatus(login.status) if login else LoginStatus.GIVEN
    waits = data in {Status.REQUESTED, Status.OPEN} or sign_in is LoginStatus.OPEN
    ends = row.expires_at if waits else row.expires_at + GRACE
    if moment >= ends or data is Status.LAPSED:  # or the grant to be changed is another now
        raise ServiceError("expired_token", "auth_req_id has expired: ask again")
    if Status.DECLINED is data or LoginStatus.DECLINED is sign_in:
        raise ServiceError("access_denied", DECLINED_FOR[asked.declined_for if asked else None])
    if waits:
        if backchannel.may_poll(session(), row, moment):
            raise ServiceError("authorization_pending", "nobody has answered yet")
        raise ServiceError("slow_down", "asked too soon: wait five seconds longer between two polls")
