"""The owner's copy of a grant: the receipt as a page to print and as a file for programs."""

from __future__ import annotations

import json

from flask import Blueprint, Response, render_template

from consent_service.config import Settings
from consent_service.db import reading
from consent_service.grants import receipts
from consent_service.portal import access, shown
from consent_service.web.current import current, now


def add_routes(blueprint: Blueprint) -> None:
    """Put this file's routes on the portal's blueprint."""
    blueprint.get("/grants/<grant_id>/receipt")(receipt_page)
    blueprint.get("/grants/<grant_id>/receipt.jsonld")(receipt_file)


@access.signed_in
def receipt_page(grant_id: str) -> str:
    """The receipt in plain words, made to be printed."""
    grant = access.own_grant(grant_id)
    access.choose(grant.owner)
    page = {
        **shown.grant(grant),
        **shown.terms(grant.terms),
        "party": shown.party(grant.party),
        "history": shown.history(grant),
    }
    return render_template("receipt.html", grant=page, made_at=now(), issuer=current(Settings).issuer)


@access.signed_in
def receipt_file(grant_id: str) -> Response:
    """The receipt as JSON-LD."""
    grant = access.own_grant(grant_id)
    document = receipts.of(reading(), grant, current(Settings).issuer)
    response = Response(json.dumps(document, indent=2, ensure_ascii=False), mimetype=receipts.MIMETYPE)
    response.headers.set("Content-Disposition", "attachment", filename=f"receipt-{grant_id}.jsonld")
    return response
