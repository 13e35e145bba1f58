"""The types of ``authorization_details`` and their schemas, for a party's developer.

The shape is that of draft-zehavi-oauth-rar-metadata: an object of types by name.
"""

from __future__ import annotations

from flask import Response, jsonify

from consent_service.config import Settings
from consent_service.errors import ServiceError
from consent_service.grants.catalogue import Catalogue
from consent_service.web.current import current

PATH = "/api/v1/authorization-details-types"


def all_types(catalogue: Catalogue) -> Response:
    """Every type that the published policy set registers."""
    issuer = current(Settings).issuer
    return _public(
        jsonify(
            {
                name: {
                    "description": one.schema.get("description", ""),
                    "schema": one.schema,
                    "schema_uri": f"{issuer}{PATH}/{name}",
                }
                for name, one in sorted(catalogue.types.items())
            }
        )
    )


def one_type(catalogue: Catalogue, name: str) -> Response:
    """One type's JSON Schema.

    :raises ServiceError: ``unknown_type``, 404
    """
    found = catalogue.types.get(name)
    if found is None:
        raise ServiceError("unknown_type", "There is no such type.", status=404)
    response = _public(jsonify(found.schema))
    response.mimetype = "application/schema+json"
    return response


def _public(response: Response) -> Response:
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
