"""Every read and every refusal: as a list with a picture, and as files."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for

from consent_service.clock import rfc3339
from consent_service.db import reading
from consent_service.grants import store as grants
from consent_service.ledger import counts
from consent_service.ledger import store as ledger
from consent_service.ledger.model import Kind
from consent_service.ledger.store import PayloadRow
from consent_service.portal import access, pictures, shown
from consent_service.web.current import now
from consent_service.web.texts import gettext

PAGE = 25
WEEKS = 12
MANY_REFUSALS = 5
"""So many refusals of one grant within a day are unusual; from then on each is marked."""
LONG = dt.timedelta(days=90)
"""After so long without a read, a read is unusual."""
COLUMNS = (
    *("time", "result", "party", "through", "data_set", "from", "to", "purpose", "grant_id", "reasons"),
    "entry_id",
)


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/activity")(activity)
    blueprint.get("/activity.csv")(as_csv)
    blueprint.get("/activity.json")(as_json)


@access.signed_in
def activity() -> str:
    """The list, newest first, and the picture of the last twelve weeks."""
    right = access.acting()
    kinds = {"read": shown.DECISIONS[:1], "refused": shown.DECISIONS[1:]}
    which = request.args.get("show", "")
    named = request.args.get("before", type=UUID)
    before = ledger.payload(reading(), str(named)) if named else None
    if right and before is not None and before.owner != right.owner:
        before = None
    wanted = kinds.get(which, shown.DECISIONS)
    rows = ledger.payloads_of(reading(), right.owner, wanted, before=before, limit=PAGE + 1) if right else []
    show = which if which in kinds else None
    more = len(rows) > PAGE
    return render_template(
        "activity.html",
        events=[shown.event(row) | {"unusual": unusual(row)} for row in rows[:PAGE]],
        older=url_for("portal.activity", before=rows[PAGE - 1].entry_id, show=show) if more else None,
        newer=url_for("portal.activity", show=show) if before is not None else None,
        picture=_picture(right.owner) if right and before is None else None,
        show=show or "",
    )


def unusual(row: PayloadRow) -> str:
    """Why this line is worth a second look, by simple rules that the page states; "" when it isn't."""
    if row.grant_id is None:
        return ""
    if row.kind == Kind.DECISION_DENY:
        day = row.time - dt.timedelta(days=1)
        refusals = counts.before(reading(), row, Kind.DECISION_DENY, day)
        return gettext("Refused often within a day") if refusals >= MANY_REFUSALS - 1 else ""
    if not counts.before(reading(), row, Kind.DECISION_PERMIT, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)):
        return gettext("First read under this grant")
    if not counts.before(reading(), row, Kind.DECISION_PERMIT, row.time - LONG):
        return gettext("First read in 90 days")
    return ""


@access.signed_in
def as_csv() -> Response:
    """The same as a table for a spreadsheet (RFC 4180), oldest first."""
    return _file(_csv_lines(), "text/csv", "csv")


@access.signed_in
def as_json() -> Response:
    """The same as JSON, oldest first."""
    return _file(_json_lines(), "application/json", "json")


def _picture(owner: str) -> pictures.Picture:
    until = now()
    names: dict[str | None, str] = {}

    def name(grant_id: str | None) -> str:
        if grant_id not in names:
            grant = grants.current(reading(), owner, grant_id) if grant_id else None
            names[grant_id] = shown.party(grant.party)["name"] if grant else gettext("Somebody")
        return names[grant_id]

    series = counts.weekly(reading(), owner, shown.DECISIONS, WEEKS, until)
    named = [(name(one.grant_id), one) for one in series]
    return pictures.draw(named, gettext("Refused"), Kind.DECISION_PERMIT.value, WEEKS, until)


def _lines() -> Iterator[dict[str, Any]]:
    right = access.acting()
    if right is None:
        return
    start, end = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), now()
    for row in counts.between(reading(), right.owner, shown.DECISIONS, start, end):
        payload = json.loads(row.body) if row.body else shown.ERASED
        asked = payload["asked"]
        yield {
            "time": rfc3339(row.time),
            "result": "read" if row.kind == Kind.DECISION_PERMIT else "refused",
            "party": asked.get("party", ""),
            "through": asked.get("actor", ""),
            "data_set": asked.get("data_set", ""),
            "from": asked.get("from", ""),
            "to": asked.get("to", ""),
            "purpose": asked.get("purpose", ""),
            "grant_id": row.grant_id or "",
            "reasons": [one["policy"] for one in payload["reasons"]],
            "entry_id": row.entry_id,
        }


def _csv_lines() -> Iterator[str]:
    yield from _csv([COLUMNS])
    for line in _lines():
        yield from _csv([[_cell(line[name]) for name in COLUMNS]])


def _csv(rows: Any) -> Iterator[str]:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    yield text.getvalue()


def _cell(value: object) -> str:
    """As text that no spreadsheet takes for a formula."""
    text = " ".join(value) if isinstance(value, list) else str(value or "")
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _json_lines() -> Iterator[str]:
    before = "["
    for line in _lines():
        yield before + json.dumps(line, ensure_ascii=False)
        before = ",\n"
    yield "[]" if before == "[" else "]\n"


def _file(lines: Iterator[str], mimetype: str, suffix: str) -> Response:
    response = Response(stream_with_context(lines), mimetype=mimetype)
    name = f"activity-{now().date().isoformat()}.{suffix}"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
