"""The transmitter over HTTPS: metadata, stream management (SSF section 8.1), polling (RFC 8936)."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, jsonify, request

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.registry import floods
from consent_service.registry.callers import Unauthenticated
from consent_service.registry.limits import TooMany
from consent_service.signals import metadata, poll, schemas, service, store, subjects
from consent_service.signals.model import SUPPORTED, Method, Stream
from consent_service.signals.poll import Poll
from consent_service.signals.receivers import receiver
from consent_service.web.current import current, now

blueprint = Blueprint("signals", __name__)
blueprint.before_request(floods.from_here)


@blueprint.get("/.well-known/ssf-configuration")
def configuration() -> Response:
    """Where everything is (section 7.2)."""
    response = jsonify(metadata.document(current(Settings).issuer))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.post("/ssf/stream")
def create() -> tuple[Response, int]:
    """Make a stream (section 8.1.1.1): 201, or 409 where the receiver has one."""
    caller, settings = receiver(manages=True), current(Settings)
    wanted = schemas.load_wanted(_body(), sandbox=settings.sandbox)
    with writing() as session:
        stream = service.create(session, settings, caller.client_id, wanted, now())
    return jsonify(_document(stream, with_secret=True)), 201


@blueprint.get("/ssf/stream")
def read() -> Response:
    """Read a stream, or all of the receiver's (section 8.1.1.2): one, or none, in a list."""
    caller, settings = receiver(manages=False), current(Settings)
    stream_id = request.args.get("stream_id")
    if stream_id is None:
        found = store.of_client(reading(), caller.client_id, settings.secret_key)
        return jsonify([_document(found, with_secret=caller.manages)] if found else [])
    stream = service.own(reading(), settings, caller.client_id, stream_id)
    return jsonify(_document(stream, with_secret=caller.manages))


@blueprint.patch("/ssf/stream")
def update() -> Response:
    """Change what is stated (section 8.1.1.3)."""
    return _change(whole=False)


@blueprint.put("/ssf/stream")
def replace() -> Response:
    """Put the stated in the place of all that was (section 8.1.1.4)."""
    return _change(whole=True)


@blueprint.delete("/ssf/stream")
def delete() -> tuple[str, int]:
    """Delete a stream (section 8.1.1.5)."""
    caller, settings = receiver(manages=True), current(Settings)
    with writing() as session:
        stream = service.held(session, settings, caller.client_id, request.args.get("stream_id"))
        service.remove(session, stream)
    return "", 204


@blueprint.get("/ssf/status")
def status() -> Response:
    """A stream's status (section 8.1.2.1)."""
    caller, settings = receiver(manages=False), current(Settings)
    return jsonify(_status(service.own(reading(), settings, caller.client_id, request.args.get("stream_id"))))


@blueprint.post("/ssf/status")
def set_status() -> Response:
    """Enable, pause or disable a stream (section 8.1.2.2)."""
    caller, settings = receiver(manages=True), current(Settings)
    asked = schemas.load(schemas.StatusSchema(), _body())
    with writing() as session:
        stream = service.held(session, settings, caller.client_id, asked["stream_id"])
        after = service.set_status(session, settings, stream, asked["status"], asked.get("reason"), now())
    return jsonify(_status(after))


@blueprint.post("/ssf/subjects/add")
def add_subject() -> tuple[str, int]:
    """Want to hear of a subject (section 8.1.3.2)."""
    caller, settings = receiver(manages=True), current(Settings)
    asked = schemas.load(schemas.SubjectSchema(), _body())
    subject = subjects.checked(asked["subject"])
    with writing() as session:
        stream = service.held(session, settings, caller.client_id, asked["stream_id"])
        service.add_subject(session, stream, subject)
    return "", 200


@blueprint.post("/ssf/subjects/remove")
def remove_subject() -> tuple[str, int]:
    """Want to hear nothing of a subject any more (section 8.1.3.3)."""
    caller, settings = receiver(manages=True), current(Settings)
    asked = schemas.load(schemas.SubjectSchema(), _body())
    subject = subjects.checked(asked["subject"])
    with writing() as session:
        stream = service.held(session, settings, caller.client_id, asked["stream_id"])
        service.remove_subject(session, stream, subject)
    return "", 204


@blueprint.post("/ssf/verify")
def verify() -> tuple[str, int]:
    """Have a verification event sent (section 8.1.4.2)."""
    caller, settings = receiver(manages=True), current(Settings)
    asked = schemas.load(schemas.VerificationSchema(), _body())
    with writing() as session:
        stream = service.held(session, settings, caller.client_id, asked["stream_id"])
        service.verify(session, settings, stream, asked.get("state"), now())
    return "", 204


@blueprint.post("/ssf/poll/<stream_id>")
def polled(stream_id: str) -> Response:
    """Acknowledge and fetch (RFC 8936 section 2.4)."""
    caller, settings = receiver(manages=False), current(Settings)
    asked = schemas.load(schemas.PollSchema(), _body())
    stream = service.own(reading(), settings, caller.client_id, stream_id)
    if stream.wanted.delivery.method is not Method.POLL:
        raise ServiceError("unknown_stream", "this stream's events are pushed", status=404)
    what = Poll(asked.get("max_events"), asked["at_once"], tuple(asked["ack"]), asked["errors"])
    # As they come, oldest first, though a receiver may not rely on the order of a JSON object.
    return Response(orjson.dumps(poll.answer(settings, stream, what)), mimetype="application/json")


def _change(*, whole: bool) -> Response:
    caller, settings = receiver(manages=True), current(Settings)
    document = _body()
    stream_id = schemas.stated_id(document)
    with writing() as session:
        stream = service.held(session, settings, caller.client_id, stream_id)
        schemas.check_supplied(document, _document(stream, with_secret=True))
        wanted = schemas.load_wanted(
            document,
            sandbox=settings.sandbox,
            before=None if whole else stream.wanted,
            ours=metadata.poll_endpoint(settings.issuer, stream.stream_id),
        )
        after = service.change(session, settings, stream, wanted, now())
    return jsonify(_document(after, with_secret=True))


def _document(stream: Stream, *, with_secret: bool) -> dict[str, Any]:
    """A stream's configuration (section 8.1.1); absent properties are left out."""
    issuer, wanted = current(Settings).issuer, stream.wanted
    ours = metadata.poll_endpoint(issuer, stream.stream_id)
    document = {
        "stream_id": stream.stream_id,
        "iss": issuer,
        "aud": stream.client_id,
        "events_supported": [one.value for one in SUPPORTED],
        "events_requested": None if wanted.events_requested is None else list(wanted.events_requested),
        "events_delivered": stream.delivered,
        "delivery": schemas.delivery_document(stream, ours, with_secret=with_secret),
        "min_verification_interval": service.MIN_VERIFICATION_INTERVAL,
        "description": wanted.description,
    }
    return {name: value for name, value in document.items() if value is not None}


def _status(stream: Stream) -> dict[str, Any]:
    document = {"stream_id": stream.stream_id, "status": stream.status.value}
    return document | ({"reason": stream.reason} if stream.reason is not None else {})


def _body() -> dict[str, Any]:
    return schemas.decode(request.get_data(cache=False))


@blueprint.errorhandler(ServiceError)
def refused(error: ServiceError) -> tuple[Response, int]:
    """A problem document (RFC 9457)."""
    response = jsonify(type="about:blank", title=error.code, status=error.status, detail=error.description)
    response.mimetype = "application/problem+json"
    if error.status == 403:
        response.headers["WWW-Authenticate"] = f'Bearer realm="ssf", error="{error.code}"'
    if error.status == 429:
        wait = error.retry_after if isinstance(error, TooMany) else service.MIN_VERIFICATION_INTERVAL
        response.headers["Retry-After"] = str(wait)
    return response, error.status


@blueprint.errorhandler(Unauthenticated)
def unauthenticated(error: Unauthenticated) -> tuple[Response, int]:
    """401 that says how to authenticate (RFC 6750 section 3)."""
    response = jsonify(
        type="about:blank", title="unauthenticated", status=401, detail="Come with an access token for SSF."
    )
    response.mimetype = "application/problem+json"
    response.headers["WWW-Authenticate"] = error.challenge("ssf")
    return response, 401
