"""One ledger entry of the owner's: what it says, its proof to keep, and its erasure."""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from consent_service.db import reading, writing
from consent_service.errors import ServiceError
from consent_service.grants import records
from consent_service.ledger import prove, store
from consent_service.ledger.proof import SUFFIX
from consent_service.ledger.prove import NotYet
from consent_service.ledger.store import PayloadRow
from consent_service.portal import access, shown
from consent_service.web.current import now
from consent_service.web.texts import gettext

PATIENCE = 2.0  # seconds: an entry has its place in the tree within one
PAUSE = 0.1


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/activity/<entry_id>")(record_page)
    blueprint.get("/activity/<entry_id>/proof")(proof)
    blueprint.post("/activity/<entry_id>/erase")(erase)


@access.signed_in
def record_page(entry_id: str) -> str:
    """What the ledger holds of this entry, word for word."""
    row = _own(entry_id)
    access.choose(row.owner)
    found = store.entry(reading(), entry_id)
    page: dict[str, Any] = {
        "entry_id": entry_id,
        "kind": row.kind,
        "title": shown.kind_text(row.kind),
        "time": row.time,
        "grant_id": row.grant_id,
        "index": found[1] if found else None,
        "entry": json.dumps(json.loads(found[0]), indent=2) if found else "",
        "event": shown.event(row) if row.body and row.kind in shown.DECISIONS else None,
        "payload": json.dumps(json.loads(row.body), indent=2, ensure_ascii=False) if row.body else "",
        "erased_by": row.erased_by,
        "erasable": row.body is not None and row.kind.partition(".")[0] in records.ERASABLE,
    }
    return render_template("record.html", record=page)


@access.signed_in
def proof(entry_id: str) -> Response:
    """The proof as a file; a fresh entry is waited for."""
    _own(entry_id)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            bundle = prove.bundle(reading(), entry_id, with_payload=True)
            break
        except NotYet:
            if time.monotonic() > deadline:
                raise
            reading().rollback()  # the next look is at a fresh snapshot
            time.sleep(PAUSE)
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{entry_id}{SUFFIX}"',
    }
    return Response(str(bundle), headers=headers)


@access.signed_in
def erase(entry_id: str) -> Response:
    """Erase what the entry says; that it was there stays."""
    row = _own(entry_id)
    person = access.person()
    if request.form.get("sure") != "yes":
        raise ServiceError("invalid_request", gettext("Confirm that it shall be erased for ever."))
    with writing() as database:
        records.erase_for_owner(
            database,
            row.owner,
            entry_id,
            actor=person.person_id if person else "",
            reason="owner",
            now=now(),
        )
    flash(gettext("Erased. That something was recorded here stays, what it said is gone."), "success")
    return access.go(url_for("portal.record_page", entry_id=entry_id))


def _own(entry_id: str) -> PayloadRow:
    row = store.payload(reading(), entry_id)
    if row is None or row.owner not in {right.owner for right in access.rights()}:
        raise ServiceError("unknown_entry", gettext("There is no such entry."), status=404)
    return row
