"""Searches (AuthZEN Authorization API 1.0 section 8): what a decision would permit.

A search decides each candidate by the same function as a request would be, and records
nothing: it opens nothing. Candidates are who has a grant of the owner, the data sets of the
catalogue, the schema's actions, and the static entities of the policy directory.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import service as grants
from consent_service.grants import store
from consent_service.grants.model import Grant
from consent_service.policy.choice import Rules, choose, owner_of
from consent_service.policy.model import EvaluationRequest
from consent_service.policy.rulebook import Rulebook
from consent_service.policy.schemas import MOST_RESULTS
from consent_service.policy.service import Tables
from consent_service.registry import parts


def search(
    kind: str, asked: Mapping[str, Any], holder_id: str, book: Rulebook, session: Session, now: dt.datetime
) -> dict[str, Any]:
    """Answer a search.

    :param kind: ``subject``, ``resource`` or ``action``
    :param holder_id: the client that asks
    :param asked: the checked body (:func:`consent_service.policy.schemas.load_search`)
    :raises ServiceError: ``invalid_request``: a page token of another search
    """
    seen = book.seen(session)
    known, rules = Tables(session, seen, now, grants.as_settled), seen.rules
    found = [
        result
        for result, request in _candidates(kind, asked, rules, session)
        if choose(request, holder_id, known, rules, now).decision
    ]
    start, limit = _start(kind, asked), min(asked["page"]["limit"], MOST_RESULTS)
    page = found[start : start + limit]
    more = start + limit < len(found) and limit > 0
    return {
        "page": {
            "next_token": _token(kind, asked, start + limit) if more else "",
            "count": len(page),
            "total": len(found),
        },
        "results": page,
    }


def readers(session: Session, owner: str, data_set: str, now: dt.datetime, *, book: Rulebook) -> list[Grant]:
    """Who may read an owner's data set now, as the grants under which a read would be permitted.

    A subject search over the owner's grants, at every holder that serves one of their places,
    each for the whole period that was granted.
    """
    seen = book.seen(session)
    known = Tables(session, seen, now, grants.as_settled)

    def may_be_read(grant: Grant) -> bool:
        asked = ((_whole(grant, data_set, holder), holder) for holder in _holders(session, known, grant))
        return any(choose(request, holder, known, seen.rules, now).decision for request, holder in asked)

    granted = [one for one in store.current_of_owner(session, owner) if data_set in one.terms.datatypes]
    return [grant for grant in granted if may_be_read(grant)]


def _holders(session: Session, known: Tables, grant: Grant) -> list[str]:
    """Who serves the places of a grant; one that nobody registered, whoever registered none."""
    served = known.holders_of(grant.terms.locations)
    free = len(served) < len(set(grant.terms.locations))
    return sorted({*served.values(), *(parts.free_holders(session) if free else ())})


def _whole(grant: Grant, data_set: str, holder_id: str) -> EvaluationRequest:
    period = grant.terms.period
    properties = {"owner": grant.owner, "holder": holder_id}
    properties |= {"from": period.start.isoformat(), "to": period.end.isoformat()}
    context = {"grant_id": grant.grant_id}
    return EvaluationRequest(
        "party", grant.client_id, "read", "dataset", data_set, resource_properties=properties, context=context
    )


def _candidates(
    kind: str, asked: Mapping[str, Any], rules: Rules, session: Session
) -> Iterator[tuple[dict[str, Any], EvaluationRequest]]:
    for part in _parts(kind, asked, rules, session):
        result = {"name": part["name"]} if kind == "action" else {"type": part["type"], "id": part["id"]}
        yield result, EvaluationRequest.from_json({**asked, kind: part})


def _parts(kind: str, asked: Mapping[str, Any], rules: Rules, session: Session) -> Iterator[dict[str, Any]]:
    """Everything that could stand where the search leaves a place, in a stable order."""
    if kind == "action":
        yield from ({"name": name, "properties": {}} for name in sorted(rules.policies.declared.contexts))
        return
    wanted, properties = asked[kind]["type"], asked[kind]["properties"]
    ids = {entity_id for entity_type, entity_id in rules.policies.entities if entity_type == wanted}
    if wanted == "dataset":
        ids |= set(rules.catalogue.data_sets)
    if wanted == "party" and kind == "subject":
        anybody = {"type": wanted, "id": "-", "properties": {}}
        owner = owner_of(EvaluationRequest.from_json({**asked, "subject": anybody}))
        ids |= {one.client_id for one in store.current_of_owner(session, owner)} if owner else set()
    yield from ({"type": wanted, "id": one, "properties": properties} for one in sorted(ids))


def _start(kind: str, asked: Mapping[str, Any]) -> int:
    token = asked["page"]["token"]
    if not token:
        return 0
    try:
        start = int(base64.urlsafe_b64decode(token).partition(b".")[0])
    except (binascii.Error, ValueError):
        start = -1
    if start < 0 or _token(kind, asked, start) != token:
        raise ServiceError("invalid_request", "page.token belongs to another search: begin anew")
    return start


def _token(kind: str, asked: Mapping[str, Any], start: int) -> str:
    """Where the next page begins, bound to everything that was asked."""
    same = {**asked, "page": {"limit": asked["page"]["limit"]}, "kind": kind}
    # Python's own writer: a question may hold numbers of any size.
    bound = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]
    return base64.urlsafe_b64encode(f"{start}.{bound}".encode()).decode()
