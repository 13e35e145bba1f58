"""A client that signs people in, as the tests use it."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from consent_service.db import writing
from consent_service.registry import parties
from consent_service.registry.model import AuthMethod, ClientRole, Profile
from consent_service.registry.parties import Registration
from tests.world import World, csrf

HOME = "https://erp.example.no/signed-in"
LEFT = "https://erp.example.no/signed-out"
HTML = {"Accept": "text/html"}
BASIC, POST = AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST


@dataclass
class Relying:
    """A client of the profile ``oidc``."""

    world: World
    client_id: str
    secret: str
    method: AuthMethod = BASIC
    redirect_uri: str = HOME
    state: str = "the-state"
    asked: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def register(
        cls,
        world: World,
        method: AuthMethod = BASIC,
        redirect_uri: str = HOME,
        name: str = "Skyregn",
        **metadata: Any,
    ) -> Relying:
        secret = parties.new_secret()
        registration = Registration(
            role=ClientRole.LOGIN,
            name=name,
            organisation="0192:310052345",
            jwks={},
            redirect_uris=(redirect_uri,),
            profile=Profile.OIDC,
            auth_method=method,
            secret=secret,
            metadata={"post_logout_redirect_uris": [LEFT], **metadata},
        )
        with world.app.app_context(), writing() as session:
            client = parties.register(session, registration, world.clock.now())
        return cls(world, client.client_id, secret, method, redirect_uri)

    def parameters(self, **changes: Any) -> dict[str, Any]:
        usual = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": self.state,
            "nonce": "n" * 64,
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def leave(self, browser: FlaskClient, *, post: bool = False, **changes: Any) -> TestResponse:
        """The authorization request in a browser, up to the first answer of the service."""
        asked = self.parameters(**changes)
        if post:
            answer = browser.post("/oauth/authorize", data=asked, headers=HTML)
        else:
            answer = browser.get("/oauth/authorize", query_string=asked, headers=HTML)
        return follow(browser, answer)

    def answer(self, browser: FlaskClient, page: TestResponse, /, **form: Any) -> TestResponse:
        """Answer the page on which the person is, as it is but for ``form``."""
        assert page.status_code == 200, (page.status_code, page.location)
        action = re.search(r'action="(/(?:logins|requests)/[^"]+)"', page.text)
        assert action, page.text
        filled = {"csrf_token": csrf(page), "answer": "approve"} | form
        return follow(browser, browser.post(action.group(1), data=filled, headers=HTML))

    def sign_in(self, browser: FlaskClient, form: dict[str, Any] | None = None, **changes: Any) -> str:
        """The code of a sign-in to which the person agrees where they are asked."""
        page = self.leave(browser, **changes)
        if page.status_code == 200:
            page = self.answer(browser, page, **(form or {}))
        back = returned(page, self.redirect_uri)
        assert "code" in back, back
        assert back["state"] == self.state
        assert back["iss"] == "http://localhost"
        return back["code"]

    def redeem(self, code: str, **changes: Any) -> TestResponse:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        return self.token(form | changes)

    def token(self, form: dict[str, Any]) -> TestResponse:
        headers = {}
        if self.method is BASIC:
            pair = f"{self.client_id}:{self.secret}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        else:
            form = form | {"client_id": self.client_id, "client_secret": self.secret}
        return self.world.app.test_client().post("/oauth/token", data=form, headers=headers)

    def tokens(
        self, browser: FlaskClient, form: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """The token response of a whole sign-in."""
        answer = self.redeem(self.sign_in(browser, form, **changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    def claims(self, token: dict[str, Any]) -> dict[str, Any]:
        """The claims of its ID token, checked as a client does."""
        return verified(self.world, token["id_token"], self.client_id)

    def userinfo(self, token: dict[str, Any], **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        return self.world.app.test_client().get("/oauth/userinfo", headers=headers, **options)


def follow(browser: FlaskClient, answer: TestResponse) -> TestResponse:
    """Follow redirects within the service; the first page, or the first address that is elsewhere."""
    for _ in range(10):
        if answer.status_code not in {302, 303} or urlsplit(answer.location).netloc not in {"", "localhost"}:
            return answer
        assert answer.status_code == 303, "redirects are by 303"
        answer = browser.get(answer.location, headers=HTML)
    raise AssertionError(answer.location)


def returned(answer: TestResponse, redirect_uri: str = HOME) -> dict[str, str]:
    """What the browser brings back to the client."""
    assert answer.status_code == 303, answer.text
    address, _, query = answer.location.partition("?")
    assert address == redirect_uri.partition("?")[0], answer.location
    found = parse_qs(query, keep_blank_values=True)
    assert all(len(values) == 1 for values in found.values()), found
    return {name: values[0] for name, values in found.items()}


def verified(world: World, token: str, audience: str | None) -> dict[str, Any]:
    """The claims of a JWT of ours, checked against the published keys."""
    keys = world.app.test_client().get("/oauth/jwks").json["keys"]
    header = jwt.get_unverified_header(token)
    key = next(one for one in keys if one["kid"] == header["kid"])
    assert header["alg"] == key["alg"]
    return jwt.decode(
        token,
        jwt.PyJWK(json.loads(json.dumps(key))),
        algorithms=[key["alg"]],
        audience=audience,
        issuer="http://localhost",
        options={"verify_iat": False, "verify_exp": False},  # the world's clock is another than this one's
    )
