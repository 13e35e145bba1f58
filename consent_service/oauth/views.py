"""The authorisation server's routes; each does one thing that another file explains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.wrappers import Response as BaseResponse

from consent_service import keys
from consent_service.config import Settings
from consent_service.db import reading
from consent_service.grants.agreement import agreements
from consent_service.grants.catalogue import Catalogue
from consent_service.oauth import (
    authorize,
    backchannel,
    details_types,
    grants_api,
    logout,
    metadata,
    par,
    registration,
    userinfo,
)
from consent_service.oauth import introspect as introspection
from consent_service.oauth.backchannel_grant import BackchannelGrant
from consent_service.oauth.client_credentials_grant import MachineGrant
from consent_service.oauth.code_grant import CodeGrant, S256CodeChallenge
from consent_service.oauth.introspect import Introspection
from consent_service.oauth.refresh_grant import RefreshGrant
from consent_service.oauth.revoke import Revocation
from consent_service.oauth.server import UNCOUNTED, Server, error_response, form_call
from consent_service.oauth.token_exchange_grant import ExchangeGrant
from consent_service.registry import floods
from consent_service.registry.limits import TooMany
from consent_service.web.current import current, now

blueprint = Blueprint("oauth", __name__)
PAGES = frozenset({"oauth.authorize", "oauth.authorize_continue", "oauth.authorize_return", "oauth.logout"})

server = Server()
server.register_grant(CodeGrant, [S256CodeChallenge(required=True)])
server.register_grant(RefreshGrant)
server.register_grant(MachineGrant)
server.register_grant(ExchangeGrant)
server.register_grant(BackchannelGrant)
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)


@blueprint.before_request
def not_flooded() -> Response | None:
    """429 for an address that sends too much: as a page where a browser asks, else as an OAuth error."""
    if request.endpoint == UNCOUNTED:
        return None
    try:
        floods.from_here()
    except TooMany as error:
        if request.endpoint in PAGES:
            raise
        return error_response(error)
    return None


@blueprint.post("/oauth/par")
def push() -> Response:
    return form_call(lambda: par.push(server))


@blueprint.route("/oauth/authorize", methods=["GET", "POST"], endpoint="authorize")
def authorize_begin() -> BaseResponse:
    return authorize.begin()


@blueprint.get("/oauth/authorize/<request_id>/continue")
def authorize_continue(request_id: str) -> BaseResponse:
    return authorize.go_on(request_id)


@blueprint.get("/oauth/authorize/<request_id>/return")
def authorize_return(request_id: str) -> BaseResponse:
    return authorize.finish(request_id)


@blueprint.post("/oauth/backchannel")
def ask_without_a_browser() -> Response:
    return form_call(lambda: backchannel.ask(server))


@blueprint.post("/oauth/token")
def token() -> Response:
    return form_call(server.create_token_response)


@blueprint.post("/oauth/introspect")
def introspect() -> Response:
    return form_call(
        lambda: introspection.answered(lambda: server.create_endpoint_response(Introspection.ENDPOINT_NAME))
    )


@blueprint.post("/oauth/revoke")
def revoke() -> Response:
    return form_call(lambda: server.create_endpoint_response(Revocation.ENDPOINT_NAME))


@blueprint.route("/oauth/userinfo", methods=["GET", "POST"], endpoint="userinfo")
def who() -> Response:
    return userinfo.answer()


@blueprint.route("/oauth/logout", methods=["GET", "POST"], endpoint="logout")
def sign_out() -> BaseResponse:
    return logout.begin()


grants_api.add_routes(blueprint)


@blueprint.get("/api/v1/authorization-details-types")
def authorization_details_types() -> Response:
    return details_types.all_types(agreements().catalogue(reading()))


@blueprint.get("/api/v1/authorization-details-types/<name>")
def authorization_details_type(name: str) -> Response:
    return details_types.one_type(agreements().catalogue(reading()), name)


@blueprint.post("/oauth/register")
def register() -> Response:
    return registration.json_call(registration.register)


@blueprint.get("/oauth/register/<client_id>")
def registered(client_id: str) -> Response:
    return registration.json_call(lambda: registration.read(client_id))


@blueprint.put("/oauth/register/<client_id>")
def reregister(client_id: str) -> Response:
    return registration.json_call(lambda: registration.update(client_id))


@blueprint.delete("/oauth/register/<client_id>")
def unregister(client_id: str) -> Response:
    return registration.json_call(lambda: registration.delete(client_id))


@blueprint.get("/oauth/jwks")
def jwks() -> Response:
    response = jsonify(keys.published(reading(), now()))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.get("/.well-known/oauth-authorization-server")
def server_metadata() -> Response:
    return _metadata(metadata.document)


@blueprint.get("/.well-known/openid-configuration")
def discovery() -> Response:
    return _metadata(metadata.discovery)


def _metadata(of: Callable[[Settings, Catalogue], dict[str, Any]]) -> Response:
    response = jsonify(of(current(Settings), agreements().catalogue(reading())))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
