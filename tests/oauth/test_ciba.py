"""OpenID Connect Client-Initiated Backchannel Authentication Core 1.0, with the FAPI-CIBA profile."""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.test import TestResponse

from consent_service.courier import Courier
from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.registry import parties
from consent_service.registry.model import AuthMethod, ClientRole
from consent_service.registry.parties import Registration
from consent_service.upkeep.keeper import Keeper
from consent_service.verifier.certificate import thumbprint
from consent_service.verifier.client import PartyClient, Tokens, Waiting
from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.errors import OAuthRefused
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service
from consent_service.web.client_cert import encode
from consent_service.web.current import current
from tests.certificates import issue, jwks_of
from tests.outgoing.conftest import Peer as Server
from tests.outgoing.conftest import answer as reply
from tests.outgoing.conftest import serve
from tests.world import ISSUER, LISTENER_SECRET, OTHER_OWNER, OWNER, REDIRECT, RESOURCE, Peer, World, csrf

CIBA = "urn:openid:params:grant-type:ciba"
ALG = "backchannel_authentication_request_signing_alg"


def bank(world: World, **metadata: Any) -> Peer:
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    registration = Registration(
        role=ClientRole.PARTY,
        name="Nordhavn Bank ASA",
        organisation="0192:310041238",
        jwks={"keys": [public]},
        redirect_uris=(REDIRECT,),
        metadata={"backchannel_token_delivery_mode": "poll"} | metadata,
    )
    with world.app.app_context(), writing() as session:
        client = parties.register(session, registration, world.clock.now())
    return Peer(world, client.client_id, key)


def form(world: World, **changes: Any) -> dict[str, Any]:
    asked = {
        "login_hint": OWNER,
        "authorization_details": json.dumps([world.details()]),
        "binding_message": "W4SCT",
    } | changes
    return {name: value for name, value in asked.items() if value is not None}


def ask(peer: Peer, **changes: Any) -> TestResponse:
    return peer.post("/oauth/backchannel", form(peer.world, **changes))


def started(peer: Peer, **changes: Any) -> str:
    answer = ask(peer, **changes)
    assert answer.status_code == 200, answer.text
    return str(answer.json["auth_req_id"])


def poll(peer: Peer, auth_req_id: str, **options: Any) -> TestResponse:
    asked = {"grant_type": CIBA, "auth_req_id": auth_req_id}
    return peer.post("/oauth/token", asked, **({"dpop": True} | options))


def path_in(world: World, browser: Any) -> str:
    found = re.search(r'href="(/(?:requests|logins)/[^"]+)"', browser.get("/").text)
    assert found
    return found.group(1)


def answered(world: World, person: str = "ingrid", **filled: Any) -> TestResponse:
    browser = world.sign_in(person)
    path = path_in(world, browser)
    return world.answer(browser, path, browser.get(path), **filled)


def test_an_owner_approves_in_the_inbox_and_the_client_polls_its_tokens_once(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world)
    answer = ask(peer, scope="openid")
    assert answer.status_code == 200, answer.text
    assert answer.json["expires_in"] == 1800
    assert answer.json["interval"] == 5
    auth_req_id = answer.json["auth_req_id"]
    assert len(auth_req_id) >= 43
    assert poll(peer, auth_req_id).json["error"] == "authorization_pending"
    browser = world.sign_in()
    path = path_in(world, browser)
    page = browser.get(path)
    assert "W4SCT" in page.text
    assert "not started in this browser" in page.text
    done = world.answer(browser, path, page)
    assert done.status_code == 303, done.text
    tokens = poll(peer, auth_req_id)
    assert tokens.status_code == 200, tokens.text
    assert tokens.json["grant_id"]
    claims = jwt.decode(tokens.json["id_token"], options={"verify_signature": False})
    assert claims["at_hash"]
    assert "urn:openid:params:jwt:claim:auth_req_id" not in claims, "push only"
    assert poll(peer, auth_req_id).json["error"] == "invalid_grant"


def test_a_sign_in_alone_waits_in_the_inbox_too(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world)
    auth_req_id = started(peer, authorization_details=None, scope="openid")
    assert answered(world).status_code == 303
    tokens = poll(peer, auth_req_id)
    assert tokens.status_code == 200, tokens.text
    claims = jwt.decode(tokens.json["id_token"], options={"verify_signature": False})
    again = started(peer, authorization_details=None, scope="openid", login_hint=claims["sub"])
    assert answered(world).status_code == 303
    assert poll(peer, again).status_code == 200
    hint = tokens.json["id_token"]
    assert ask(peer, login_hint=None, id_token_hint=hint, scope="openid").status_code == 200


def test_declined_is_access_denied(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world)
    auth_req_id = started(peer)
    answered(world, answer="decline")
    assert poll(peer, auth_req_id).json["error"] == "access_denied"


def test_a_client_that_polls_too_soon_must_slow_down_by_five_seconds(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world)
    auth_req_id = started(peer)
    assert poll(peer, auth_req_id).json["error"] == "authorization_pending"
    world.clock.advance(seconds=4)
    assert poll(peer, auth_req_id).json["error"] == "slow_down"
    world.clock.advance(seconds=9)
    assert poll(peer, auth_req_id).json["error"] == "slow_down", "ten seconds by now"
    world.clock.advance(seconds=15)
    assert poll(peer, auth_req_id).json["error"] == "authorization_pending"


def test_what_has_expired_gives_nothing_and_takes_no_answer(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world)
    answer = ask(peer, requested_expiry="60")
    assert answer.json["expires_in"] == 60
    browser = world.sign_in()
    path = path_in(world, browser)
    world.clock.advance(seconds=60)
    assert poll(peer, answer.json["auth_req_id"]).json["error"] == "expired_token"
    assert browser.get(path).status_code == 409


def test_the_auth_req_id_of_another_client_is_refused(world: World) -> None:
    auth_req_id = started(bank(world))
    assert poll(bank(world), auth_req_id).json["error"] == "invalid_grant"
    assert poll(world.bank, auth_req_id).json["error"] == "unauthorized_client"


def test_the_server_must_accept_issuer_token_endpoint_and_backchannel_endpoint_as_audience(
    world: World,
) -> None:
    peer = bank(world)
    accepted = (ISSUER, f"{ISSUER}/oauth/token", f"{ISSUER}/oauth/backchannel")
    for audience in (*accepted, f"{ISSUER}/oauth/par", [ISSUER]):
        asked = peer.post("/oauth/backchannel", form(world), assertion=peer.assertion(aud=audience))
        assert (asked.status_code == 200) is (audience in accepted), (audience, asked.text)
        polled = {"grant_type": CIBA, "auth_req_id": "unknown"}
        answer = peer.post("/oauth/token", polled, dpop=True, assertion=peer.assertion(aud=audience))
        code = "invalid_grant" if audience in accepted else "invalid_client"
        assert answer.json["error"] == code, (audience, answer.text)
    for audience in accepted[1:]:
        pushed = peer.post("/oauth/par", {"response_type": "code"}, assertion=peer.assertion(aud=audience))
        assert pushed.status_code == 401, "FAPI 2.0 takes the issuer alone where a browser is used"


def test_tokens_must_be_bound_to_their_sender(world: World) -> None:
    peer = bank(world)
    auth_req_id = started(peer)
    answered(world)
    assert poll(peer, auth_req_id, dpop=False).json["error"] == "invalid_dpop_proof"
    assert poll(peer, auth_req_id).json["token_type"] == "DPoP"


def test_who_does_not_represent_the_owner_neither_sees_nor_answers_it(world: World) -> None:
    started(bank(world), scope="openid", authorization_details=None)
    started(bank(world))
    mine = world.sign_in()
    paths = set(re.findall(r'href="(/(?:requests|logins)/[^"]+)"', mine.get("/").text))
    assert len(paths) == 2
    other = world.sign_in("jonas")
    assert "/requests/" not in other.get("/").text
    assert "/logins/" not in other.get("/").text
    for path in paths:
        assert other.get(path).status_code in {403, 404}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"login_hint": None}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"login_hint": None, "id_token_hint": "x"}, "invalid_request"),
        ({"login_hint": None, "login_hint_token": "x"}, "invalid_request"),
        ({"login_hint": "somebody"}, "unknown_user_id"),
        ({"login_hint": "0192:1"}, "unknown_user_id"),
        ({"login_hint": OTHER_OWNER}, "invalid_authorization_details"),
        ({"binding_message": "x" * 101}, "invalid_binding_message"),
        ({"binding_message": " "}, "invalid_binding_message"),
        ({"user_code": "1234"}, "invalid_request"),
        ({"requested_expiry": "0"}, "invalid_request"),
        ({"requested_expiry": "-1"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
    ],
)
def test_a_request_that_is_wrong_is_refused_by_the_code_of_section_13(
    world: World, changes: dict[str, Any], error: str
) -> None:
    answer = ask(bank(world), **changes)
    assert (answer.status_code, answer.json["error"]) == (400, error), answer.text


def test_a_client_without_a_delivery_mode_is_unauthorized(world: World) -> None:
    assert ask(world.bank).json["error"] == "unauthorized_client"


def test_ping_needs_an_endpoint_and_user_codes_are_not_registered(world: World) -> None:
    for wrong in ({"backchannel_token_delivery_mode": "ping"}, {"backchannel_user_code_parameter": True}):
        with pytest.raises(ServiceError, match=r"backchannel_"):
            bank(world, **wrong)


def signed(peer: Peer, **changes: Any) -> dict[str, Any]:
    now = int(peer.world.clock.now().timestamp())
    claims = {
        "iss": peer.client_id,
        "aud": ISSUER,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": secrets.token_urlsafe(16),
        **form(peer.world),
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return {"request": jwt.encode(claims, peer.key, algorithm="ES256")}


def test_a_signed_request_is_taken_once(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world, **{ALG: "ES256"})
    sent = signed(peer)
    assert peer.post("/oauth/backchannel", sent).status_code == 200
    assert peer.post("/oauth/backchannel", sent).json["error"] == "invalid_request"


@pytest.mark.parametrize("missing", ["iss", "aud", "iat", "nbf", "exp", "jti"])
def test_a_signed_request_must_have_each_claim(world: World, missing: str) -> None:
    peer = bank(world, **{ALG: "ES256"})
    assert peer.post("/oauth/backchannel", signed(peer, **{missing: None})).json["error"] == "invalid_request"


def test_a_signed_request_must_be_for_us_for_now_and_alone(world: World) -> None:
    peer = bank(world, **{ALG: "ES256"})
    now = int(world.clock.now().timestamp())
    wrong = ({"aud": "https://other.example"}, {"iss": "other"}, {"exp": now - 1}, {"exp": now + 3700})
    for changes in (*wrong, {"nbf": now - 3700, "exp": now + 10}):
        assert peer.post("/oauth/backchannel", signed(peer, **changes)).json["error"] == "invalid_request"
    beside = signed(peer) | {"binding_message": "other"}
    assert peer.post("/oauth/backchannel", beside).json["error"] == "invalid_request"
    assert ask(peer).json["error"] == "invalid_request", "this client registered an algorithm"
    other = signed(peer)
    other["request"] = jwt.encode({"iss": "x"}, "k" * 32, algorithm="HS256")
    assert peer.post("/oauth/backchannel", other).json["error"] == "invalid_request"


@pytest.fixture
def server() -> Iterator[Server]:
    made, running = serve()
    yield made
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("how", ["approve", "decline", "expired"])
def test_ping_is_posted_with_the_notification_token_however_it_ends(
    both_worlds: World, server: Server, how: str
) -> None:
    world = both_worlds
    peer = bank(
        world, backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=server.url
    )
    assert ask(peer, client_notification_token="short").json["error"] == "invalid_request"
    assert ask(peer).json["error"] == "invalid_request"
    token = secrets.token_urlsafe(32)
    auth_req_id = started(peer, client_notification_token=token)
    with world.app.app_context():
        assert current(Courier).step() == 0
    if how == "expired":
        world.clock.advance(seconds=1800)
        with world.app.app_context():
            assert current(Keeper).pings() == 1
            assert current(Keeper).pings() == 0
    else:
        answered(world, answer=how)
    with world.app.app_context():
        assert current(Courier).step() == 1
    [seen] = server.seen
    assert json.loads(seen.body) == {"auth_req_id": auth_req_id}
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert headers["authorization"] == f"Bearer {token}"
    ends = {"approve": None, "decline": "access_denied", "expired": "expired_token"}
    assert poll(peer, auth_req_id).json.get("error") == ends[how]


@pytest.mark.parametrize(("status", "again"), [(301, False), (401, False), (403, False), (503, True)])
def test_a_ping_that_was_answered_is_not_sent_again_and_no_redirect_must_be_followed(
    world: World, server: Server, status: int, again: bool
) -> None:
    server.behave = lambda handler: reply(handler, status, Location=f"{server.url}/elsewhere")
    peer = bank(
        world, backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=server.url
    )
    started(peer, client_notification_token=secrets.token_urlsafe(32))
    answered(world, answer="approve")
    with world.app.app_context():
        assert current(Courier).step() == 1
        world.clock.advance(seconds=60)
        assert current(Courier).step() == int(again)
    assert {one.path for one in server.seen} == {"/events"}


def test_the_metadata_says_so(world: World) -> None:
    document = world.app.test_client().get("/.well-known/openid-configuration").json
    assert document["backchannel_authentication_endpoint"] == f"{ISSUER}/oauth/backchannel"
    assert document["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert document["backchannel_user_code_parameter_supported"] is False
    assert CIBA in document["grant_types_supported"]


def test_a_grant_is_changed_without_a_browser_when_the_owner_agrees(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world)
    asked = started(peer)
    answered(world)
    first = poll(peer, asked).json
    wide = json.dumps([world.details(datatypes=["financial_statement", "trial_balance", "vat_return"])])
    named = {"grant_id": first["grant_id"], "grant_management_action": "merge", "authorization_details": wide}
    again = started(peer, **named)
    browser = world.sign_in()
    path = path_in(world, browser)
    page = browser.get(path)
    assert "What would change" in page.text
    done = world.answer(browser, path, page, datatypes=["trial_balance", "vat_return"])
    assert done.status_code == 303
    changed = poll(peer, again).json
    assert changed["grant_id"] == first["grant_id"]
    assert changed["authorization_details"][0]["datatypes"] == ["trial_balance", "vat_return"]


def test_a_change_that_the_grant_has_outrun_has_expired(both_worlds: World) -> None:
    world = both_worlds
    peer = bank(world)
    asked = started(peer)
    answered(world)
    first = poll(peer, asked).json
    named = {"grant_id": first["grant_id"], "grant_management_action": "replace"}
    waiting = started(peer, **named)
    browser = world.sign_in()
    path = path_in(world, browser)
    page = browser.get(path)
    world.revoke(browser, first["grant_id"])
    assert world.answer(browser, path, page).status_code == 409
    assert poll(peer, waiting).json["error"] == "expired_token"


def test_a_resource_is_named_where_the_token_is_fetched(world: World) -> None:
    assert ask(bank(world), resource=RESOURCE).json["error"] == "invalid_target"


def test_who_is_not_signed_in_signs_in_first_and_comes_back_to_the_request(both_worlds: World) -> None:
    world = both_worlds
    auth_req_id = started(bank(world), authorization_details=None, scope="openid")
    path = path_in(world, world.sign_in())
    browser = world.app.test_client()
    token = csrf(browser.get("/sign-in"))
    for answer in (browser.get(path), browser.post(f"{path}/answer", data={"csrf_token": token})):
        assert answer.status_code == 303, answer.text
        assert parse_qs(urlsplit(answer.location).query)["next"] == [path]
        assert urlsplit(answer.location).path == "/sign-in"
    nothing = browser.get("/logins/00000000-0000-0000-0000-000000000000")
    assert nothing.status_code == 303, "whether there is such a request is not for everybody to see"
    assert world.sign_in_again(browser).status_code == 303
    assert "W4SCT" in browser.get(path).text
    assert auth_req_id


def test_not_you_leads_back_to_the_request_and_not_to_a_browser_that_never_began_it(world: World) -> None:
    started(bank(world), authorization_details=None, scope="openid")
    browser = world.sign_in()
    path = path_in(world, browser)
    link = re.search(r'id="somebody-else" href="([^"]+)"', browser.get(path).text)
    assert link
    assert parse_qs(urlsplit(link.group(1)).query)["next"] == [path]


@pytest.mark.parametrize("scope", [None, "openid"])
def test_an_answer_in_the_last_second_can_be_fetched_for_thirty_seconds_more(
    both_worlds: World, scope: str | None
) -> None:
    world = both_worlds
    peer = bank(world)
    asked = [started(peer, scope=scope, requested_expiry="60") for _ in range(2)]
    world.clock.advance(seconds=59)
    for _ in asked:
        assert answered(world).status_code == 303
    world.clock.advance(seconds=30)
    assert poll(peer, asked[0]).status_code == 200
    world.clock.advance(seconds=1)
    assert poll(peer, asked[1]).json["error"] == "expired_token"


def test_what_nobody_answered_has_no_grace(both_worlds: World) -> None:
    peer = bank(both_worlds)
    auth_req_id = started(peer, requested_expiry="60")
    both_worlds.clock.advance(seconds=60)
    assert poll(peer, auth_req_id).json["error"] == "expired_token"


def test_of_polls_at_the_same_moment_exactly_one_gets_tokens(both_worlds: World) -> None:
    peer = bank(both_worlds)
    auth_req_id = started(peer)
    answered(both_worlds)
    answers = at_once(peer, auth_req_id)
    assert sorted(one.status_code for one in answers) == [200, 400, 400, 400]
    assert {one.json["error"] for one in answers if one.status_code != 200} == {"invalid_grant"}


def test_of_polls_at_the_same_moment_one_is_in_time_and_the_others_slow_down(both_worlds: World) -> None:
    peer = bank(both_worlds)
    errors = [one.json["error"] for one in at_once(peer, started(peer))]
    assert sorted(errors) == ["authorization_pending", "slow_down", "slow_down", "slow_down"]


def at_once(peer: Peer, auth_req_id: str) -> list[TestResponse]:
    answers: list[TestResponse] = []
    threads = [threading.Thread(target=lambda: answers.append(poll(peer, auth_req_id))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    return answers


def test_tokens_are_bound_to_the_certificate_of_the_connection_that_fetched_them(
    both_worlds: World,
) -> None:
    world, shown = both_worlds, issue()
    registration = Registration(
        role=ClientRole.PARTY,
        name="Nordhavn Bank ASA",
        organisation="0192:310041238",
        jwks=jwks_of(shown),
        redirect_uris=(REDIRECT,),
        auth_method=AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH,
        metadata={
            "tls_client_certificate_bound_access_tokens": True,
            "backchannel_token_delivery_mode": "poll",
        },
    )
    with world.app.app_context(), writing() as session:
        client_id = parties.register(session, registration, world.clock.now()).client_id
    headers = {"X-Listener-Secret": LISTENER_SECRET, "Client-Cert": encode(shown.der)}
    web = world.app.test_client()

    def post(path: str, **sent: Any) -> TestResponse:
        return web.post(path, data={"client_id": client_id, **sent}, headers=headers)

    asked = post("/oauth/backchannel", **form(world))
    assert asked.status_code == 200, asked.text
    answered(world)
    tokens = post("/oauth/token", grant_type=CIBA, auth_req_id=asked.json["auth_req_id"])
    assert tokens.status_code == 200, tokens.text
    assert tokens.json["token_type"] == "Bearer"
    claims = jwt.decode(tokens.json["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"x5t#S256": thumbprint(shown.der)}


def as_party(peer: Peer) -> PartyClient:
    """What a bank imports, speaking with the service in this process."""
    http = httpx2.Client(transport=httpx2.WSGITransport(app=peer.world.app))
    key = ClientKey(jwt.algorithms.ECAlgorithm.to_jwk(peer.key, as_dict=True))
    party = Authenticated(Service(ISSUER, http), peer.client_id, key)
    return PartyClient(party, DPoPKey(ec.generate_private_key(ec.SECP256R1())), http)


@pytest.mark.parametrize("metadata", [{}, {ALG: "ES256"}])
def test_a_party_asks_and_polls_by_what_it_imports_signed(
    both_worlds: World, metadata: dict[str, Any]
) -> None:
    world = both_worlds
    client, now = as_party(bank(world, **metadata)), world.clock.now()
    waiting = client.ask_backchannel(world.details(), OWNER, "W4SCT", now)
    assert waiting == Waiting(waiting.auth_req_id, 1800, 5)
    assert client.poll(waiting, now) is None
    answered(world)
    tokens = client.poll(waiting, now)
    assert isinstance(tokens, Tokens)
    assert tokens.grant_id
    assert tokens.details["purpose"] == "credit_assessment"
    refused = client.ask_backchannel(world.details(), OWNER, "W4SCT", now)
    answered(world, answer="decline")
    with pytest.raises(OAuthRefused, match="declined"):
        client.poll(refused, now)
