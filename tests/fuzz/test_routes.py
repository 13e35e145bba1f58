"""Every route, with values that nobody expects: a clear error, never a 500. Taken from the route table."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.oauth.relying import Relying
from tests.world import Peer, World, csrf

STRANGE = [
    "\x00",
    "a\x00b",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "%",
    "'\"><",
    "x" * 5000,
    "ø\r\nX: y",
    "../..",
    "0" * 36,
]


NAMES = (
    *("next", "code", "state", "client_id", "request_uri", "before", "show", "owner", "answer"),
    *("valid_until", "token", "grant_type", "client_assertion", "scope", "datatypes", "redirect_uri"),
    *("id_token_hint", "post_logout_redirect_uri", "access_token", "asked", "organisations"),
)


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_strange_values_in_every_route_are_never_a_500(both_worlds: World, number: int) -> None:
    world, value = both_worlds, STRANGE[number]
    browser = world.sign_in()
    values: dict[str, Any] = dict.fromkeys(NAMES, value)
    form = values | {"csrf_token": csrf(browser.get("/account"))}
    inside = value.replace("%", "%25").replace("/", "%2F").replace("\x00", "%00")
    for client in (browser, world.app.test_client()):
        for rule in world.app.url_map.iter_rules():
            path = re.sub(r"<[^>]+>", lambda _: inside, rule.rule)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                if path == "/sign-out" and client is browser:
                    continue
                options: dict[str, Any] = {"query_string": values} if method == "GET" else {"data": form}
                answer = client.open(
                    path, method=method, headers={"Accept": "text/html"}, buffered=True, **options
                )
                assert answer.status_code < 500 or answer.status_code == 503, (method, rule.rule)


@pytest.mark.parametrize(
    "value", ["\x00", "\ud800", "x" * 3000, "'; DROP TABLE client; --", 5, None, [], {"a": 1}]
)
@pytest.mark.parametrize("claim", ["iss", "sub", "jti", "aud", "iat", "exp", "nbf"])
def test_strange_claims_in_an_assertion_are_a_401(both_worlds: World, claim: str, value: Any) -> None:
    erp = both_worlds.erp
    claims = {claim: value} | ({"iss": value} if claim == "sub" else {})
    import json

    import jwt

    now = int(both_worlds.clock.now().timestamp())
    whole = {
        "iss": erp.client_id,
        "sub": erp.client_id,
        "aud": "http://localhost",
        "jti": "j",
        "iat": now,
        "exp": now + 60,
    }
    signed = jwt.PyJWS().encode(json.dumps(whole | claims).encode(), erp.key, "ES256")
    answer = erp.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=signed)
    accepted = (claim == "nbf" and value in {None, 5}) if isinstance(value, int | None) else claim == "jti"
    assert answer.status_code in ({200, 401} if accepted else {401}), answer.text


@pytest.mark.parametrize("value", ["\x00", "a" * 2000, 5, [], {"x": {}}, 1.5, True, None])
@pytest.mark.parametrize("member", ["owner", "holder", "from", "to", "grant_id", "purpose", "token_jti"])
def test_strange_members_of_a_question_are_denied_or_refused(
    both_worlds: World, member: str, value: Any
) -> None:
    world = both_worlds
    erp: Peer = world.erp
    place = "properties" if member in {"owner", "holder", "from", "to"} else "context"
    question = world.question({"grant_id": "g"}, erp)
    target = question["resource"]["properties"] if place == "properties" else question["context"]
    target[member] = value
    answer = world.ask(erp, question)
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 200:
        assert answer.json["decision"] is False
        assert answer.json["context"]["entry_id"], "a deny is recorded too"


@pytest.mark.parametrize(
    "name",
    [
        *("scope", "state", "nonce", "prompt", "max_age", "claims", "acr_values", "login_hint"),
        *("id_token_hint", "code_challenge", "response_type", "response_mode", "ui_locales", "request"),
        "authorization_details",
    ],
)
def test_strange_values_in_an_authorization_request_are_answered(both_worlds: World, name: str) -> None:
    world = both_worlds
    relying, browser = Relying.register(world), world.sign_in()
    deep = '{"id_token":' * 2000 + "1" + "}" * 2000
    for value in (
        *STRANGE,
        deep,
        '{"id_token": {"acr": {"values": [null, {}, 5]}}}',
        '{"userinfo": null}',
        "9" * 40,
    ):
        answer = relying.leave(browser, **{name: value})
        assert answer.status_code in {200, 303, 400}, (value[:20], answer.status_code)
