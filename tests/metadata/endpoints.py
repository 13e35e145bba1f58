"""What the metadata says of addresses and clients' ways to authenticate: probes by member."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import TestResponse

from consent_service.config import Settings
from consent_service.db import writing
from consent_service.registry import parties
from consent_service.registry.model import AuthMethod, ClientRole
from consent_service.registry.parties import Registration
from consent_service.web.client_cert import encode
from consent_service.web.current import current
from tests.certificates import Issued, issue, jwks_of
from tests.metadata.clients import ALL, BANK, Row, claims_of, client, error_of, header_of, only
from tests.oauth.grants import query
from tests.oauth.relying import Relying, follow
from tests.oauth.test_rfc7591_registration import asked, invited, register
from tests.oauth.test_rfc8705_mtls import DN
from tests.world import ISSUER, LISTENER_SECRET, OWNER, REDIRECT, World

CREDENTIALS = {"grant_type": "client_credentials"}
CERTIFICATE = issue()


def path(url: str) -> str:
    assert url.startswith(f"{ISSUER}/")
    return url.removeprefix(ISSUER)


def issuer(world: World, value: Any) -> None:
    token = world.grant()
    assert claims_of(token["access_token"])["iss"] == value
    assert error_of(world.bank.post("/oauth/token", CREDENTIALS)) == ""
    other = world.bank.assertion(aud=f"{value}/oauth")
    assert error_of(world.bank.post("/oauth/token", CREDENTIALS, assertion=other)) == "invalid_client"


def authorization_endpoint(world: World, value: Any) -> None:
    pushed = world.bank.push()
    named = {"client_id": world.bank.client_id, "request_uri": pushed.json["request_uri"]}
    begun = world.sign_in().get(path(value), query_string=named)
    assert begun.status_code == 303
    assert urlsplit(begun.location).path.startswith("/requests/")


def token_endpoint(world: World, value: Any) -> None:
    assert world.erp.post(path(value), CREDENTIALS).json["access_token"]


def pushed_authorization_request_endpoint(world: World, value: Any) -> None:
    assert error_of(world.bank.post(path(value), {})) == "invalid_request"
    assert path(value) == "/oauth/par"
    assert world.bank.push().status_code == 201


def introspection_endpoint(world: World, value: Any) -> None:
    token = world.bearer(world.erp)
    assert world.erp.post(path(value), {"token": token}).json["active"] is True


def revocation_endpoint(world: World, value: Any) -> None:
    token = world.bearer(world.erp)
    assert world.erp.post(path(value), {"token": token}).status_code == 200
    assert world.erp.post("/oauth/introspect", {"token": token}).json == {"active": False}


def backchannel_authentication_endpoint(world: World, value: Any) -> None:
    peer = client(world, backchannel_token_delivery_mode="poll")
    assert peer.post(path(value), {"login_hint": OWNER, "scope": "openid"}).json["auth_req_id"]


def registration_endpoint(world: World, value: Any) -> None:
    assert path(value) == "/oauth/register"
    told = register(world, invited(world), asked()).json
    assert told["registration_client_uri"] == f"{value}/{told['client_id']}"


def jwks_uri(world: World, value: Any) -> None:
    keys = world.app.test_client().get(path(value)).json["keys"]
    assert header_of(world.bearer(world.erp))["kid"] in {one["kid"] for one in keys}


def status_list_aggregation_endpoint(world: World, value: Any) -> None:
    named = claims_of(world.grant()["access_token"])["status"]["status_list"]["uri"]
    lists = world.app.test_client().get(path(value)).json["status_lists"]
    assert named in lists
    assert world.app.test_client().get(path(named)).mimetype == "application/statuslist+jwt"


def userinfo_endpoint(world: World, value: Any) -> None:
    relying = Relying.register(world)
    token = relying.tokens(world.sign_in())
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    told = world.app.test_client().get(path(value), headers=headers)
    assert told.json["sub"] == relying.claims(token)["sub"]


def end_session_endpoint(world: World, value: Any) -> None:
    relying, browser = Relying.register(world), world.sign_in()
    hint = {"id_token_hint": relying.tokens(browser)["id_token"]}
    assert follow(browser, browser.get(path(value), query_string=hint)).status_code == 200


def grant_management_endpoint(world: World, value: Any) -> None:
    assert path(value) == "/oauth/grants"
    grant_id = world.grant()["grant_id"]
    assert query(world, grant_id).json["grant_id"] == grant_id


def authorization_details_types_metadata_endpoint(world: World, value: Any) -> None:
    [found] = world.app.test_client().get(path(value)).json.values()
    one = world.app.test_client().get(path(found["schema_uri"]))
    assert one.json == found["schema"]


def mtls_endpoint_aliases(world: World, value: Any) -> None:
    alias = urlsplit(value["token_endpoint"])
    for name, url in value.items():
        assert urlsplit(url).netloc == alias.netloc
        there = world.app.test_client().post(
            urlsplit(url).path, base_url=f"{alias.scheme}://{alias.netloc}", data={"x": "y"}
        )
        assert there.status_code in {400, 401}, name
    web = world.app.test_client()
    answer = with_certificate(world, web, AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH, alias.path, CERTIFICATE)
    assert error_of(answer) == ""


def with_certificate(world: World, web: Any, method: AuthMethod, at: str, shown: Issued) -> TestResponse:
    """A client that authenticates by a certificate."""
    name = {"tls_client_auth_subject_dn": DN} if method is AuthMethod.TLS_CLIENT_AUTH else {}
    registration = Registration(
        role=ClientRole.PARTY,
        name="A client with a certificate",
        organisation=BANK,
        jwks={} if name else jwks_of(shown),
        redirect_uris=(REDIRECT,),
        auth_method=method,
        metadata={"tls_client_certificate_bound_access_tokens": True, **name},
    )
    with world.app.app_context(), writing() as session:
        found = parties.register(session, registration, world.clock.now())
    form = {"client_id": found.client_id, "token": "x", **CREDENTIALS, "scope": "ledger"}
    headers = {"X-Listener-Secret": LISTENER_SECRET, "Client-Cert": encode(shown.der)}
    return web.post(at, data=form, headers=headers)


def auth_methods(at: str) -> Row:
    """Each method authenticates at this endpoint."""
    others = (*AuthMethod, "none", "client_secret_jwt", "attest_jwt_client_auth", "Bearer", "DPoP")

    def probe(world: World, value: Any) -> None:
        only(value, others, lambda method: _authenticates(world, method, at))

    return probe


def _authenticates(world: World, method: str, at: str) -> bool:
    if method == "private_key_jwt":
        return error_of(world.bank.post(at, {**CREDENTIALS, "scope": "ledger", "token": "x"})) == ""
    if method in {"client_secret_basic", "client_secret_post"}:
        relying = Relying.register(world, AuthMethod(method))
        form, headers = {**CREDENTIALS, "scope": "ssf.read", "token": "x"}, {}
        if method == "client_secret_basic":
            pair = f"{relying.client_id}:{relying.secret}".encode()
            headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        else:
            form |= {"client_id": relying.client_id, "client_secret": relying.secret}
        return error_of(world.app.test_client().post(at, data=form, headers=headers)) == ""
    if method in {"tls_client_auth", "self_signed_tls_client_auth"}:
        shown = issue(by=world.app.extensions["authority"]) if method == "tls_client_auth" else CERTIFICATE
        return error_of(with_certificate(world, world.app.test_client(), AuthMethod(method), at, shown)) == ""
    if method in {"Bearer", "DPoP"}:  # an access token in the place of a client's own means (RFC 7662)
        return _by_token(world, method, at)
    if method == "none":
        form = {**CREDENTIALS, "token": "x", "client_id": world.bank.client_id}
        return error_of(world.app.test_client().post(at, data=form)) != "invalid_client"
    assert method not in {one.value for one in AuthMethod}
    document = asked(token_endpoint_auth_method=method)
    return register(world, invited(world), document).status_code == 201


def _by_token(world: World, scheme: str, at: str) -> bool:
    form = {**CREDENTIALS, "scope": "introspection"}
    token = world.bank.post("/oauth/token", form, dpop=scheme == "DPoP").json["access_token"]
    headers = {"Authorization": f"{scheme} {token}"}
    if scheme == "DPoP":
        headers["DPoP"] = world.bank.dpop.proof("POST", ISSUER + at, world.clock.now(), token)
    asked_with = {**CREDENTIALS, "token": "x"}
    return error_of(world.app.test_client().post(at, data=asked_with, headers=headers)) == ""


def auth_algorithms(at: str) -> Row:
    """Assertions of each algorithm authenticate at this endpoint."""

    def works(world: World, algorithm: str) -> bool:
        peer = client(world, algorithm=algorithm)
        form = {**CREDENTIALS, "scope": "ledger", "token": "x"}
        return error_of(peer.post(at, form)) == ""

    return lambda world, value: only(value, ALL, lambda one: works(world, one))


def tls_client_certificate_bound_access_tokens(world: World, value: Any) -> None:
    assert value is True
    answer = with_certificate(
        world,
        world.app.test_client(),
        AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH,
        "/oauth/token",
        CERTIFICATE,
    )
    assert "x5t#S256" in claims_of(answer.json["access_token"])["cnf"]
    with world.app.app_context():
        without = replace(current(Settings), listener_secret="", mtls_ca=None)
    from consent_service.db import reading
    from consent_service.grants.agreement import agreements
    from consent_service.oauth import metadata

    with world.app.app_context():
        told = metadata.document(without, agreements().catalogue(reading()))
    assert told["tls_client_certificate_bound_access_tokens"] is False


def require_pushed_authorization_requests(world: World, value: Any) -> None:
    assert value is False
    assert Relying.register(world).leave(world.sign_in()).status_code == 200
    asking = {"client_id": world.bank.client_id, "response_type": "code", "redirect_uri": REDIRECT}
    refused = world.app.test_client().get("/oauth/authorize", query_string=asking)
    assert refused.status_code == 400, "but of this client they are"


ROWS: dict[str, Row] = {
    "issuer": issuer,
    "authorization_endpoint": authorization_endpoint,
    "token_endpoint": token_endpoint,
    "pushed_authorization_request_endpoint": pushed_authorization_request_endpoint,
    "introspection_endpoint": introspection_endpoint,
    "revocation_endpoint": revocation_endpoint,
    "backchannel_authentication_endpoint": backchannel_authentication_endpoint,
    "registration_endpoint": registration_endpoint,
    "jwks_uri": jwks_uri,
    "status_list_aggregation_endpoint": status_list_aggregation_endpoint,
    "userinfo_endpoint": userinfo_endpoint,
    "end_session_endpoint": end_session_endpoint,
    "grant_management_endpoint": grant_management_endpoint,
    "authorization_details_types_metadata_endpoint": authorization_details_types_metadata_endpoint,
    "mtls_endpoint_aliases": mtls_endpoint_aliases,
    "token_endpoint_auth_methods_supported": auth_methods("/oauth/token"),
    "introspection_endpoint_auth_methods_supported": auth_methods("/oauth/introspect"),
    "revocation_endpoint_auth_methods_supported": auth_methods("/oauth/revoke"),
    "token_endpoint_auth_signing_alg_values_supported": auth_algorithms("/oauth/token"),
    "introspection_endpoint_auth_signing_alg_values_supported": auth_algorithms("/oauth/introspect"),
    "revocation_endpoint_auth_signing_alg_values_supported": auth_algorithms("/oauth/revoke"),
    "tls_client_certificate_bound_access_tokens": tls_client_certificate_bound_access_tokens,
    "require_pushed_authorization_requests": require_pushed_authorization_requests,
}
