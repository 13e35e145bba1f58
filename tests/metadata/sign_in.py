"""What the metadata says of sign-ins: probes by member."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from flask.testing import FlaskClient
from sqlalchemy import select

from consent_service.db import reading
from consent_service.outbox import DeliveryRow
from consent_service.registry.model import Profile
from tests.metadata.clients import ALL, Row, claims_of, header_of, may_register, only
from tests.oauth.relying import HTML, Relying, returned
from tests.portal.test_webauthn_passkeys import Authenticator, added, posted
from tests.world import OWNER, World, csrf

EVERYTHING = "openid profile organisations offline_access"


def subject_types(world: World, value: Any) -> None:
    only(
        value,
        ("pairwise", "public", "ephemeral", "global"),
        lambda one: may_register(world, Profile.OIDC, subject_type=one),
    )
    browser = world.sign_in()
    learned: dict[str, set[str]] = {}
    for kind in value:
        for host in ("one", "two"):
            relying = Relying.register(world, redirect_uri=f"https://{host}.example/cb", subject_type=kind)
            learned.setdefault(kind, set()).add(relying.claims(relying.tokens(browser))["sub"])
    assert {kind: len(subjects) for kind, subjects in learned.items()} == {"pairwise": 2, "public": 1}


def id_token_algorithms(world: World, value: Any) -> None:
    name = "id_token_signed_response_alg"
    only(value, (*ALL, "none"), lambda one: may_register(world, Profile.OIDC, **{name: one}))
    for algorithm in value:
        relying = Relying.register(world, **{name: algorithm})
        token = relying.tokens(world.sign_in())
        assert header_of(token["id_token"])["alg"] == algorithm
        assert relying.claims(token)


def userinfo_algorithms(world: World, value: Any) -> None:
    name = "userinfo_signed_response_alg"
    only(value, (*ALL, "none"), lambda one: may_register(world, Profile.OIDC, **{name: one}))
    for algorithm in value:
        relying = Relying.register(world, **{name: algorithm})
        told = relying.userinfo(relying.tokens(world.sign_in()))
        assert told.mimetype == "application/jwt"
        assert header_of(told.text)["alg"] == algorithm


def by_passkey(world: World) -> FlaskClient:
    """A browser whose person signed in with a passkey."""
    passkey, browser = Authenticator(), world.app.test_client()
    assert added(world.sign_in(), passkey).status_code == 204
    challenge = posted(browser, "/sign-in/passkey/options").json["challenge"]
    assert posted(browser, "/sign-in/passkey", passkey.sign_in(challenge)).status_code == 200
    return browser


def acr_values(world: World, value: Any) -> None:
    relying, other = Relying.register(world), by_passkey(world)
    given = {relying.claims(relying.tokens(browser))["acr"] for browser in (world.sign_in(), other)}
    assert given == set(value)
    essential = {"id_token": {"acr": {"essential": True, "values": ["urn:nobody"]}}}
    asked = relying.leave(other, claims=json.dumps(essential), prompt="none")
    assert returned(asked)["error"] == "unmet_authentication_requirements"


def prompts(world: World, value: Any) -> None:
    relying, browser = Relying.register(world), world.sign_in()
    relying.tokens(browser)

    def works(prompt: str) -> bool:
        answer = relying.leave(browser, prompt=prompt)
        if answer.status_code == 303:
            back = returned(answer)
            return back.get("error") != "invalid_request"
        return {"login": "sign-in-eid", "consent": "approve", "select_account": "approve"}[
            prompt
        ] in answer.text

    only(value, ("none", "login", "consent", "select_account", "create", "enrol"), works)
    assert "code" in returned(relying.leave(browser, prompt="none"))


def displays(world: World, value: Any) -> None:
    assert value == ["page"]
    relying = Relying.register(world)
    pages = [relying.leave(world.sign_in(), display=one) for one in ("page", "popup", "touch", "wap")]
    assert {page.status_code for page in pages} == {200}, "what is not known is shown as a page"
    assert {_shape(page.text) for page in pages} == {_shape(pages[0].text)}


def _shape(text: str) -> tuple[str, ...]:
    return tuple(
        line.strip() for line in text.splitlines() if line.strip().startswith(("<h1", "<body", "<html"))
    )


def claim_types(world: World, value: Any) -> None:
    assert value == ["normal"]
    relying = Relying.register(world)
    told = relying.userinfo(relying.tokens(world.sign_in(), scope=EVERYTHING)).json
    assert not {"_claim_names", "_claim_sources"} & set(told)


def claims(world: World, value: Any) -> None:
    relying = Relying.register(world)
    asked = json.dumps({"id_token": dict.fromkeys(value), "userinfo": dict.fromkeys(value)})
    token = relying.tokens(by_passkey(world), {"organisations": [OWNER]}, scope=EVERYTHING, claims=asked)
    given = set(relying.claims(token)) | set(relying.userinfo(token).json)
    assert given == set(value), given ^ set(value)


def claims_parameter(world: World, value: Any) -> None:
    assert value is True
    relying = Relying.register(world)
    without = relying.userinfo(relying.tokens(world.sign_in())).json
    asked = json.dumps({"userinfo": {"name": None}})
    token = relying.tokens(world.sign_in(), claims=asked)
    assert set(relying.userinfo(token).json) - set(without) == {"name"}


def no_request_object(world: World, value: Any) -> None:
    assert value is False
    back = returned(Relying.register(world).leave(world.sign_in(), request="a.b.c"))
    assert back["error"] == "request_not_supported"


def no_request_uri(world: World, value: Any) -> None:
    assert value is False
    back = returned(Relying.register(world).leave(world.sign_in(), request_uri="https://x.example/r"))
    assert back["error"] == "request_uri_not_supported"


def locales(world: World, value: Any) -> None:
    relying = Relying.register(world)
    for asked in (*value, "nb", "fi-FI en"):
        page = relying.leave(world.sign_in(), ui_locales=asked)
        assert any(f'<html lang="{one}"' in page.text for one in value), asked


def logout(world: World, value: Any) -> None:
    assert value is True
    relying = Relying.register(world, backchannel_logout_uri=f"https://erp.example.no/{id(object())}")
    browser = world.sign_in()
    signed_in = relying.claims(relying.tokens(browser))
    done = browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/account", headers=HTML))})
    assert done.status_code == 303
    with world.app.app_context():
        rows = list(reading().scalars(select(DeliveryRow)))
        sent = [claims_of(parse_qs(row.body.decode())["logout_token"][0]) for row in rows]
    [mine] = [one for one in sent if one["aud"] == relying.client_id]
    assert (mine["sub"], mine["sid"]) == (signed_in["sub"], signed_in["sid"])


ROWS: dict[str, Row] = {
    "subject_types_supported": subject_types,
    "id_token_signing_alg_values_supported": id_token_algorithms,
    "userinfo_signing_alg_values_supported": userinfo_algorithms,
    "acr_values_supported": acr_values,
    "prompt_values_supported": prompts,
    "display_values_supported": displays,
    "claim_types_supported": claim_types,
    "claims_supported": claims,
    "claims_parameter_supported": claims_parameter,
    "request_parameter_supported": no_request_object,
    "request_uri_parameter_supported": no_request_uri,
    "ui_locales_supported": locales,
    "backchannel_logout_supported": logout,
    "backchannel_logout_session_supported": logout,
}
