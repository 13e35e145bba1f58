"""The decision API: AuthZEN Authorization API 1.0 over HTTPS, for holders with a token."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

import orjson
from flask import Blueprint, Response, g, jsonify, request

from consent_service import keys
from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.policy import answers, openapi, search, service
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.rulebook import Rulebook
from consent_service.policy.schemas import (
    SEMANTICS,
    decode,
    load_evaluation,
    load_search,
    split_evaluations,
)
from consent_service.policy.service import Answer, Holder, Stale
from consent_service.registry import callers, tokens
from consent_service.registry.callers import Unauthenticated
from consent_service.registry.model import ClientRole
from consent_service.registry.nonces import Nonces
from consent_service.web.certificate import called_at, mtls_aliases, presented_thumbprint
from consent_service.web.current import clock, current, now

SCOPE = "decisions"
HOLDERS = frozenset({ClientRole.HOLDER})
MOST_TRIES = 5
"""How often a question begins anew because the registry changed meanwhile."""
T = TypeVar("T")
blueprint = Blueprint("decisions", __name__)


@blueprint.post("/access/v1/evaluation")
def evaluation() -> Response:
    """Decide one request (section 6 of the standard): 200 with the decision, permit or deny."""
    _holder()  # who is not known is told so before anything about the question
    return _one(load_evaluation(_body()))


@blueprint.post("/access/v1/evaluations")
def evaluations() -> Response:
    """Decide several requests (section 7): one answer each, in order, as far as the semantic goes.

    What is wrong with the whole is 400; what is wrong with one of them is a deny that says so.
    """
    _holder()
    body = _body()
    questions, semantic = split_evaluations(body)
    if not questions:  # section 7.1: without an array it is a single evaluation
        return _one(load_evaluation(body))
    stop_at, loaded = SEMANTICS[semantic], [_try(one) for one in questions]
    results: list[dict[str, Any]] = []
    say = _say()
    at = 0
    while at < len(loaded):
        refusal = loaded[at]
        if isinstance(refusal, dict):
            results.append(refusal)
            at += 1
            if stop_at is False:  # a failure is a denial
                break
            continue
        until = next((n for n in range(at, len(loaded)) if isinstance(loaded[n], dict)), len(loaded))
        run = [one for one in loaded[at:until] if not isinstance(one, dict)]
        made = _asked(partial(service.evaluate_all, run), stop_at)
        results += map(say, made)
        if made and stop_at is not None and made[-1].decision.permit is stop_at:
            break
        at = until
    if all(isinstance(one, dict) for one in loaded):  # nothing was decided, so nothing was held either
        _held()
    return _json({"evaluations": results})


@blueprint.post("/access/v1/search/<any(subject, resource, action):kind>")
def find(kind: str) -> Response:
    """Who may do it, to what, or what may be done (section 8); a page at a time."""
    _holder()
    asked = load_search(kind, _body())
    holder = _held()
    return jsonify(search.search(kind, asked, holder.client.client_id, current(Rulebook), reading(), now()))


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
        "supported_obligations": list(answers.OBLIGATIONS),
        **mtls_aliases(settings, {"access_evaluation_endpoint": f"{base}/evaluation"}),
    }
    claims = {**document, "iss": settings.issuer, "iat": int(now().timestamp())}
    signed = keys.signer(reading(), settings.secret_key).sign(claims, typ="JWT")
    response = jsonify(**document, signed_metadata=signed)
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.get("/api/v1/openapi.json")
def described() -> Response:
    """This API as an OpenAPI 3.1 document."""
    response = _json(openapi.document(current(Settings).issuer))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _one(question: EvaluationRequest) -> Response:
    return _json(_say()(_asked(partial(service.evaluate, question))))


def _asked(evaluate: Callable[..., T], *options: Any) -> T:
    """Ask for the holder; when the registry changed since it was looked at, look again."""
    for _ in range(MOST_TRIES):
        try:
            return evaluate(_holder(), current(Rulebook), clock().now, *options)
        except Stale:
            continue
    raise _restless()


def _held() -> Holder:
    """The holder, known in the present epoch: for what is answered without taking a decision's locks."""
    for _ in range(MOST_TRIES):
        holder = _holder()
        if current(Rulebook).seen(reading()).epoch == holder.epoch:
            return holder
    raise _restless()


def _restless() -> ServiceError:
    return ServiceError("temporarily_unavailable", "too much changes at once: ask again", status=503)


def _holder() -> Holder:
    """The holder that asks: its token is looked up once, and remembered by its hash.

    Nothing is asked of the database for a token that is known. Whatever could end it before its
    time begins a new epoch, and who decides holds the epoch that is given here against the present
    one.
    """
    settings, book, moment = current(Settings), current(Rulebook), now()
    shown = callers.presented(
        request.headers.getlist("Authorization"),
        request.headers.getlist("DPoP"),
        request.method,
        called_at(settings, settings.issuer + request.path),
        presented_thumbprint(settings),
    )
    name = tokens.digest(shown.token)
    seen = book.latest
    known = seen.callers.get(name)
    if known is None or seen.epoch < 0:
        seen = book.seen(reading())
        known = callers.identify(reading(), shown, moment)
        seen.remember(name, known)
    if moment >= known.until:
        raise Unauthenticated("invalid_token", shown.scheme)
    if "holder_proven" not in g:  # once a request: a proof is used up by being looked at
        with writing() if known.jkt else nullcontext() as session:
            callers.prove(session, known, shown, moment, current(Nonces).welcome())
        known.check(scope=SCOPE, audience=f"{settings.issuer}/access/v1", roles=HOLDERS)
        g.holder_proven = known
    if (g.holder_proven.jkt, g.holder_proven.x5t) != (known.jkt, known.x5t):
        raise Unauthenticated("invalid_token", shown.scheme)
    return Holder(known.client, seen.epoch)


def _say() -> Callable[[Answer], dict[str, Any]]:
    texts = current(Rulebook).latest.rules.policies.texts
    return answers.saying(texts, request.headers.get("Accept-Language", ""), now())


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


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), mimetype="application/json")


def _body() -> object:
    if not request.is_json:
        raise ServiceError("invalid_request", "the body must be JSON, sent as application/json")
    return decode(request.get_data(cache=False))
