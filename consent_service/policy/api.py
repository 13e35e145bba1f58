"""The decision API: AuthZEN Authorization API 1.0 over HTTPS, for holders with a token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from consent_service import keys
from consent_service.config import Settings
from consent_service.db import reading
from consent_service.errors import ServiceError
from consent_service.policy import search, service
from consent_service.policy.choice import Rules
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.schemas import SEMANTICS, load_evaluation, load_search, split_evaluations
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
    return jsonify(_decision(service.evaluate(load_evaluation(_body()), caller, current(Rules), now)))


@blueprint.post("/access/v1/evaluations")
def evaluations() -> Response:
    """Decide several requests (section 7): one answer each, in order, as far as the semantic goes.

    What is wrong with the whole is 400; what is wrong with one of them is a deny that says so.
    """
    caller = _holder()
    body = _body()
    questions, semantic = split_evaluations(body)
    if not questions:  # section 7.1: without an array it is a single evaluation
        return jsonify(_decision(service.evaluate(load_evaluation(body), caller, current(Rules), now)))
    stop_at, answers = SEMANTICS[semantic], [_try(one) for one in questions]
    results: list[dict[str, Any]] = []
    at = 0
    while at < len(answers):
        refusal = answers[at]
        if isinstance(refusal, dict):
            results.append(refusal)
            at += 1
            if stop_at is False:  # a failure is a denial
                break
            continue
        until = next((n for n in range(at, len(answers)) if isinstance(answers[n], dict)), len(answers))
        run = [one for one in answers[at:until] if not isinstance(one, dict)]
        made = service.evaluate_all(run, caller, current(Rules), now, stop_at)
        results += map(_decision, made)
        if made and stop_at is not None and made[-1].decision.permit is stop_at:
            break
        at = until
    return jsonify(evaluations=results)


@blueprint.post("/access/v1/search/<any(subject, resource, action):kind>")
def find(kind: str) -> Response:
    """Who may do it, to what, or what may be done (section 8); a page at a time."""
    caller = _holder()
    return jsonify(search.search(kind, load_search(kind, _body()), caller, current(Rules), reading(), now()))


@blueprint.get("/.well-known/authzen-configuration")
def metadata() -> Response:
    """Policy decision point metadata (section 9.1 of the standard), plain and signed."""
    settings = current(Settings)
    base = f"{settings.issuer}/access/v1"
    document = {
        "policy_decision_point": settings.issuer,
        "access_evaluation_endpoint": f"{base}/evaluation",
        "access_evaluations_endpoint": f"{base}/evaluations",
        "search_subject_endpoint": f"{base}/search/subject",
        "search_resource_endpoint": f"{base}/search/resource",
        "search_action_endpoint": f"{base}/search/action",
    }
    claims = {**document, "iss": settings.issuer, "iat": int(now().timestamp())}
    signed = keys.signer(reading(), settings.secret_key).sign(claims, typ="JWT")
    response = jsonify(**document, signed_metadata=signed)
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _decision(answer: service.Answer) -> dict[str, Any]:
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
    return {"decision": decision.permit, "context": context}


def _try(question: object) -> EvaluationRequest | dict[str, Any]:
    """A question, or the deny that says what is wrong with it (section 7.2.1)."""
    try:
        return load_evaluation(question)
    except ServiceError as error:
        return {
            "decision": False,
            "context": {"error": {"status": error.status, "message": error.description}},
        }


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
