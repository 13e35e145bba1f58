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
from consent_service.policy.choice import Rules
from consent_service.policy.engine import PolicySet
from consent_service.policy.schemas import load_evaluation
from consent_service.registry import callers
from consent_service.registry.callers import Unauthenticated
from consent_service.registry.model import Client, ClientRole
from consent_service.web.current import current, now

SCOPE = "decisions"
blueprint = Blueprint("decisions", __name__)


@blueprint.post("/access/v1/evaluation")
def evaluation() -> Response:
    """Decide one request (section 6 of the standard): 200 with the decision, permit or deny."""
    caller = _holder()
    question = load_evaluation(_body())
    rules = Rules(current(PolicySet), current(Catalogue))
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
    return "Ask with an access token for decisions.", 401, {"WWW-Authenticate": error.challenge("decisions")}


def _holder() -> Client:
    """The holder that asks (:func:`consent_service.registry.callers.authenticate`)."""
    return callers.authenticate(
        reading(),
        request.headers.getlist("Authorization"),
        now(),
        scope=SCOPE,
        audience=f"{current(Settings).issuer}/access/v1",
        roles=frozenset({ClientRole.HOLDER}),
    )


def _body() -> object:
    try:
        return request.get_json()
    except HTTPException as error:
        if error.code == 413:
            raise
        raise ServiceError("invalid_request", "the body must be JSON, sent as application/json") from error
    except (UnicodeError, RecursionError) as error:
        raise ServiceError("invalid_request", "the body must be JSON in UTF-8") from error
