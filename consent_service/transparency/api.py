"""The log as any tlog client reads it (C2SP ``tlog-tiles``), and single entries with their proofs.

The bare log is public. A payload goes along only for the party of the grant and for a
supervisor with a mandate; owners have theirs in the portal.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request, session

from consent_service.config import Settings
from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import records
from consent_service.ledger import prove, signing, store
from consent_service.ledger.checkpoint import unverified
from consent_service.ledger.proof import SUFFIX
from consent_service.ledger.store import PayloadRow
from consent_service.ledger.tiles import Tile
from consent_service.ledger.tree import HASH_BYTES
from consent_service.registry import callers
from consent_service.registry.callers import Unauthenticated
from consent_service.registry.model import ClientRole
from consent_service.registry.nonces import Nonces
from consent_service.web.certificate import presented_thumbprint
from consent_service.web.current import current, now

SCOPE = "ledger"
READERS = frozenset({ClientRole.PARTY, ClientRole.SUPERVISOR})
FOREVER = "public, max-age=31536000, immutable"
TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"

blueprint = Blueprint(
    "transparency", __name__, url_prefix="/ledger", template_folder="templates", static_folder="static"
)


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    """The newest published checkpoint (tlog-checkpoint)."""
    head = store.head(reading())
    if head.published is None:
        raise ServiceError("no_checkpoint", "The log has no checkpoint yet. Ask again.", status=503)
    return _answer(head.published, TEXT, "no-cache")


@blueprint.get("/key")
def key() -> Response:
    """The log's verifier key (signed-note "vkey"), for whoever begins to follow the log."""
    found = signing.verifier_key(reading(), current(Settings).log)
    if found is None:
        raise ServiceError("no_key", "The log has no key yet. Ask again.", status=503)
    return _answer(f"{found}\n", TEXT, "public, max-age=300")


@blueprint.get("/tile/<path:path>")
def tile(path: str) -> Response:
    """A tile of hashes or a bundle of entries: full or partial, and for ever the same (tlog-tiles)."""
    try:
        asked = Tile.parse(path)
    except ValueError as error:
        raise ServiceError("unknown_tile", "This is not the path of a tile.", status=404) from error
    head = store.head(reading())
    if asked.width > asked.width_at(unverified(head.published).size if head.published else 0):
        raise ServiceError("unknown_tile", "The log is not that long.", status=404)
    return _answer(_bundle(asked) if asked.level is None else _hashes(asked), BYTES, FOREVER)


@blueprint.get("/entries/<entry_id>")
def entry(entry_id: str) -> Response:
    """An entry and its index; with the payload for a client that may read it."""
    found = store.entry(reading(), entry_id)
    if found is None:
        raise ServiceError("unknown_entry", "There is no such entry.", status=404)
    body, index = found
    document: dict[str, Any] = {"index": index, "entry": json.loads(body)}
    row = store.payload(reading(), entry_id)
    if row is not None and row.erased_by is not None:
        document["erased_by"] = row.erased_by
    if row is not None and row.body is not None and _may_read(row):
        document["payload"] = json.loads(row.body)
    return _private(jsonify(document))


@blueprint.get("/entries/<entry_id>/proof")
def proof(entry_id: str) -> Response:
    """The entry's proof as a file (tlog-proof); with the payload for a client that may read it."""
    row = store.payload(reading(), entry_id)
    bundle = prove.bundle(reading(), entry_id, with_payload=row is not None and _may_read(row))
    return _private(as_file(str(bundle), entry_id))


@blueprint.get("/")
def about() -> str:
    """What the log is, how to follow it, and the page that checks a proof."""
    settings, head = current(Settings), store.head(reading())
    known = signing.verifier_key(reading(), settings.log)
    page = {
        "origin": settings.log,
        "prefix": f"{settings.issuer}/ledger",
        "key": str(known or ""),
        "size": unverified(head.published).size if head.published else 0,
    }
    return render_template("log.html", log=page, person=None, organisations=[], owner=None)


def as_file(proof_text: str, entry_id: str) -> Response:
    """A proof as a download."""
    response = _answer(proof_text, TEXT, "no-store")
    response.headers["Content-Disposition"] = f'attachment; filename="{entry_id}{SUFFIX}"'
    return response


def _hashes(asked: Tile) -> bytes:
    read = store.tile_reader(reading())
    return read(asked.level or 0, asked.index)[: asked.width * HASH_BYTES]


def _bundle(asked: Tile) -> bytes:
    start = asked.index * 256
    bodies = store.bodies(reading(), start, start + asked.width)
    return b"".join(len(body).to_bytes(2) + body for body in bodies)


def _may_read(row: PayloadRow) -> bool:
    """Whether the caller may read a payload; a caller who shows no token reads the bare log."""
    headers = request.headers.getlist("Authorization")
    if not headers:
        return False
    settings = current(Settings)
    issuer, x5t = settings.issuer, presented_thumbprint(settings)
    proofs = request.headers.getlist("DPoP")
    shown = callers.presented(headers, proofs, request.method, issuer + request.path, x5t)
    known = callers.identify(reading(), shown, now())
    with writing() if known.jkt else nullcontext() as database:
        callers.prove(database, known, shown, now(), current(Nonces).welcome())
    known.check(scope=SCOPE, audience=f"{issuer}/ledger", roles=READERS)
    return records.may_read(reading(), row, known.client, now())


def _answer(body: str | bytes, kind: str, cache: str) -> Response:
    response = make_response(body)
    response.headers["Content-Type"] = kind
    response.headers["Cache-Control"] = cache
    # Anybody may follow the log, from any page; nothing here depends on who asks.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    session.accessed = False
    return response


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Authorization")
    return response


@blueprint.errorhandler(ServiceError)
def refused(error: ServiceError) -> tuple[Response, int]:
    """A problem document (RFC 9457); 503 says when to ask again."""
    response = jsonify(type="about:blank", title=error.code, status=error.status, detail=error.description)
    response.mimetype = "application/problem+json"
    if error.status == 503:
        response.headers["Retry-After"] = "1"
    return response, error.status


@blueprint.errorhandler(Unauthenticated)
def unauthenticated(error: Unauthenticated) -> tuple[str, int, dict[str, str]]:
    """401 that says how to authenticate (RFC 6750 section 3)."""
    return (
        "This access token is not for the ledger.",
        401,
        {"WWW-Authenticate": error.challenge("ledger"), "Content-Type": TEXT},
    )
