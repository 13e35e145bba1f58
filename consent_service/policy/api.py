"""The decision API: AuthZEN Authorization API 1.0 over HTTPS, for holders with a token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from consent_service.config import Settings
from consent_service.db import reading
from consent_service.errors import ServiceError
from consent_service.grants.catalogue import Catalogue
from consent_service.policy import service
from consent_service.policy.engine import PolicySet
from consent_service.policy.schemas import load_evaluation
from consent_service.registry import parties, tokens
from consent_service.registry.model import Client, ClientRole
from consent_service.web.current import current, now

SCOPE = "decisions"
blueprint = Blueprint("decisions", __name__)


class Unauthenticated(Exception):
    """No token, or none that we take (RFC 6750 section 3)."""

    def __init__(self, error: str = "") -> None:
        super().__init__(error)
        self.error = error


@blueprint.post("/access/v1/evaluation")
def evaluation() -> Response:
    """Decide one request (section 6 of the standard): 200 with the decision, permit or deny."""
    caller = _holder()
    question = load_evaluation(_body())
    rules = service.Rules(current(PolicySet), current(Catalogue))
    answer = service.evaluate(question, caller, rules, now)
    decision = answer.decision
    context: dict[str, Any] = {
        "id": answer.entry_id,
        "reasons": [{"policy": reason.policy, "text": reason.text} for reason in decision.reasons],
        "obligations": [
            {"id": one.id, "type": one.type, "properties": dict(one.properties)}
            for one in decision.obligations
        ],
        "policy_digest": decision.policy_digest,
    }
    if answer.grant_id:
        context["grant_id"] = answer.grant_id
    if answer.entry_id:
        context["entry_id"] = answer.entry_id
    else:
        context["error"] = {"status": 503, "message": decision.reasons[0].text}
    return jsonify(decision=decision.permit, context=context)


@blueprint.get("/.well-known/authzen-configuration")
def metadata() -> Response:
    """Policy decision point metadata (section 9.1 of the standard)."""
    issuer = current(Settings).issuer
    response = jsonify(
        policy_decision_point=issuer, access_evaluation_endpoint=f"{issuer}/access/v1/evaluation"
    )
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.errorhandler(ServiceError)
def refused(error: ServiceError) -> tuple[str, int, dict[str, str]]:
    """A malformed request: 400 with a sentence."""
    return error.description, error.status, {"Content-Type": "text/plain; charset=utf-8"}


@blueprint.errorhandler(Unauthenticated)
def unauthenticated(error: Unauthenticated) -> tuple[str, int, dict[str, str]]:
    """401 that says how to authenticate (RFC 6750 section 3)."""
    challenge = 'Bearer realm="decisions"' + (f', error="{error.error}"' if error.error else "")
    return "Ask with an access token for decisions.", 401, {"WWW-Authenticate": challenge}


def _holder() -> Client:
    """The holder that asks.

    1. One bearer token in the header (RFC 6750 section 2.1).
    2. Issued by us, alive, for the decision API, with its scope, and not bound to a key
       that the request does not prove.
    3. The client is an active holder's.

    :raises Unauthenticated: 401
    :raises ServiceError: ``insufficient_scope``, 403
    """
    headers = request.headers.getlist("Authorization")
    scheme, _, value = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not value:
        raise Unauthenticated
    token = tokens.find(reading(), value.strip())
    if token is None or token.kind != "access_token" or not token.live(now()) or token.jkt:
        raise Unauthenticated("invalid_token")
    client = parties.find(reading(), token.client_id)
    if client is None or not client.active:
        raise Unauthenticated("invalid_token")
    audience = f"{current(Settings).issuer}/access/v1"
    if (
        SCOPE not in token.scope.split()
        or audience not in token.audience
        or client.role is not ClientRole.HOLDER
    ):
        raise ServiceError("insufficient_scope", "This token is not for asking decisions.", status=403)
    return client


def _body() -> object:
    try:
        return request.get_json()
    except HTTPException as error:
        if error.code == 413:
            raise
        raise ServiceError("invalid_request", "the body must be JSON, sent as application/json") from error
    except (UnicodeError, RecursionError) as error:
        raise ServiceError("invalid_request", "the body must be JSON in UTF-8") from error
