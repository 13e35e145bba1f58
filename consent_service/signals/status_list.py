"""Token status lists (draft-ietf-oauth-status-list): which tokens hold no longer, for who checks offline.

A list is made from what the tables say at the moment of the question: a token's own revocation,
its grant's present state, its client's standing. The holder remembers it for ``ttl`` seconds,
so that it is never further behind than that.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Blueprint, Response, jsonify, make_response, request
from flask import session as browser
from sqlalchemy.orm import Session

from consent_service import keys
from consent_service.config import Settings
from consent_service.db import reading
from consent_service.errors import ServiceError
from consent_service.grants import standing
from consent_service.grants.standing import TokenStatus
from consent_service.registry import status
from consent_service.web.current import current, now

TYPE = "application/statuslist+jwt"
BITS = 2
LEVEL = 6
"""Of compression: the highest takes fifty times as long for a sixth less."""
TTL = 15  # seconds that a holder may be behind
LIFE = 60  # seconds for which a list counts where no newer one can be had
REUSED = 2  # seconds in which a list that did not change is not signed anew

blueprint = Blueprint("status_lists", __name__, url_prefix=status.PATH)


@dataclass
class Made:
    """The lists that this worker signed last, by number: what they say, when, and the token."""

    lists: dict[int, tuple[Mapping[int, TokenStatus], dt.datetime, str]] = field(default_factory=dict)


@blueprint.get("")
def aggregation() -> Response:
    """The addresses of all lists (section 9), for who wants them before meeting a token."""
    issuer, numbers = current(Settings).issuer, status.live(reading(), now())
    return _public(jsonify(status_lists=[status.address(issuer, number) for number in numbers]))


@blueprint.get("/<int:number>")
def status_list(number: int) -> Response:
    """One list, as a signed token (section 8.2)."""
    if "time" in request.args:  # section 8.4: the past of a token is told by the ledger, to who may know
        raise ServiceError("not_implemented", "Lists of the past are not kept.", status=501)
    if not status.is_live(number, now()):
        raise ServiceError("unknown_list", "There is no such list, or its tokens have ended.", status=404)
    if request.headers.get("Accept") and not request.accept_mimetypes.quality(TYPE):
        raise ServiceError("not_acceptable", f"The list comes as {TYPE}.", status=406)
    text = token(reading(), current(Settings), number, now())
    response = make_response(text)
    response.headers["Content-Type"] = TYPE
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.vary.add("Accept")
    _public(response).make_conditional(request)
    return response


def token(session: Session, settings: Settings, number: int, moment: dt.datetime) -> str:
    """The signed list of this number, as things stand."""
    said, made = exceptions(session, number), current(Made)
    known = made.lists.get(number)
    if known and known[0] == said and moment - known[1] < dt.timedelta(seconds=REUSED):
        return known[2]
    issued = int(moment.timestamp())
    claims = {
        "iss": settings.issuer,
        "sub": status.address(settings.issuer, number),
        "iat": issued,
        "exp": issued + LIFE,
        "ttl": TTL,
        "status_list": {
            "bits": BITS,
            "lst": encode(said),
            "aggregation_uri": f"{settings.issuer}{status.PATH}",
        },
    }
    text = keys.signer(session, settings.secret_key).sign(claims, typ="statuslist+jwt")
    made.lists = {one: kept for one, kept in made.lists.items() if status.is_live(one, moment)}
    made.lists[number] = said, moment, text
    return text


def exceptions(session: Session, number: int) -> dict[int, TokenStatus]:
    """The places that are not valid; the first reason that holds for good goes before one that may pass.

    1. Tokens of a client, or organisation, that may not take part now: suspended.
    2. Tokens whose grant rests: suspended; has ended, or has other terms now: invalid.
    3. Tokens that were revoked: invalid.
    """
    said = dict.fromkeys(status.of_suspended(session, number), TokenStatus.SUSPENDED)
    changed = standing.changed_since(session, status.opened_at(number))
    for index, owner, grant_id, issued_at in status.of_grants(session, number, {key[1] for key in changed}):
        if versions := changed.get((owner, grant_id)):
            found = standing.of_token(versions, issued_at)
            if found is TokenStatus.INVALID or (found is TokenStatus.SUSPENDED and index not in said):
                said[index] = found
    said |= dict.fromkeys(status.revoked(session, number), TokenStatus.INVALID)
    return said


def encode(said: Mapping[int, TokenStatus], size: int = status.SIZE) -> str:
    """The ``lst`` member: two bits a place, the lowest bits first, compressed (section 4.1)."""
    packed = bytearray(size * BITS // 8)
    for index, value in said.items():
        packed[index * BITS // 8] |= value << index * BITS % 8
    return base64.urlsafe_b64encode(zlib.compress(bytes(packed), LEVEL)).rstrip(b"=").decode()


def _public(response: Response) -> Response:
    # Anybody may ask, from any page, and nothing depends on who; a cache asks us each time.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Cache-Control"] = "public, no-cache"
    browser.accessed = False
    return response


@blueprint.errorhandler(ServiceError)
def refused(error: ServiceError) -> tuple[Response, int]:
    """A problem document (RFC 9457)."""
    response = jsonify(type="about:blank", title=error.code, status=error.status, detail=error.description)
    response.mimetype = "application/problem+json"
    response.headers["Access-Control-Allow-Origin"] = "*"
    browser.accessed = False
    return response, error.status
