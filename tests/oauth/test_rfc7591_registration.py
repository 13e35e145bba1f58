"""RFC 7591, clients that register themselves, with an initial access token or a software statement."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.test import TestResponse

from consent_service.db import reading, writing
from consent_service.errors import ConfigurationError, ServiceError
from consent_service.oauth import references
from consent_service.registry import invitations, parties
from consent_service.registry.invitations import Invitation
from consent_service.registry.model import ClientRole, Profile
from consent_service.registry.statements import Issuer, Issuers
from consent_service.web.current import provide
from tests.oauth.conftest import Host
from tests.world import ISSUER, REDIRECT, Peer, World

BANK, ERP = "0192:310041238", "0192:310052345"
NEW = "0192:310028142"
DIRECTORY = "https://directory.example"


def public(key: ec.EllipticCurvePrivateKey, kid: str = "one") -> dict[str, Any]:
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}


def invited(world: World, uses: int = 1, **changes: Any) -> str:
    """An initial access token."""
    until = world.clock.now() + dt.timedelta(days=1)
    invitation = Invitation(**({"role": ClientRole.PARTY, "organisation": BANK} | changes))
    with world.app.app_context(), writing() as session:
        return invitations.invite(session, invitation, uses, until, world.clock.now())[1]


def register(world: World, token: str | None, document: Any, **options: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return world.app.test_client().post("/oauth/register", json=document, headers=headers, **options)


def asked(key: Any = None, **changes: Any) -> dict[str, Any]:
    """What a bank's developer sends."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    document = {
        "client_name": "Loan desk",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "jwks": {"keys": [public(key)]},
    } | changes
    return {name: value for name, value in document.items() if value is not None}


@dataclass
class Directory:
    """Somebody whose statements count."""

    world: World
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def trusted(self, *roles: ClientRole, jwks_uri: str = "") -> Directory:
        jwks = None if jwks_uri else {"keys": [public(self.key)]}
        provide(self.world.app, Issuers({DIRECTORY: Issuer(DIRECTORY, frozenset(roles), jwks, jwks_uri)}))
        return self

    def states(self, algorithm: str = "ES256", key: Any = None, **changes: Any) -> str:
        now = int(self.world.clock.now().timestamp())
        claims = {
            "iss": DIRECTORY,
            "iat": now,
            "exp": now + 3600,
            "org": NEW,
            "org_name": "Fjellheim Sparebank",
            "role": "party",
            "software_id": "loan-desk",
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.key, algorithm, headers={"kid": "one"})


@pytest.fixture
def directory(world: World) -> Directory:
    return Directory(world).trusted(ClientRole.PARTY, ClientRole.LOGIN)


def refused(answer: TestResponse, error: str, says: str = "", status: int = 400) -> None:
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text
    assert says in answer.json["error_description"], answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def clients(world: World) -> int:
    with world.app.app_context():
        return reading().query(parties.ClientRow).count()


def test_a_client_is_registered_and_told_all_that_it_is_registered_with(both_worlds: World) -> None:
    world, key = both_worlds, ec.generate_private_key(ec.SECP256R1())
    more = {
        "contacts": ["dev@bank.example"],
        "client_uri": "https://bank.example.no/",
        "software_id": "loan-desk",
        "dpop_bound_access_tokens": True,
        "authorization_signed_response_alg": "PS256",
    }
    answer = register(world, invited(world), asked(key, **more))
    assert answer.status_code == 201, answer.text
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("application/json", "no-store")
    told = answer.json
    for name, value in asked(key, **more).items():
        assert told[name] == value, name
    assert told["client_id_issued_at"] == int(world.clock.now().timestamp())
    assert told["registration_client_uri"] == f"{ISSUER}/oauth/register/{told['client_id']}"
    assert len(told["registration_access_token"]) >= 43
    assert "client_secret" not in told
    assert (told["role"], told["organisation"], told["profile"]) == ("party", BANK, "fapi2")


def test_what_was_registered_works(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    told = register(world, invited(world), asked(key)).json
    peer = Peer(world, told["client_id"], key)
    assert peer.push(client_assertion=peer.assertion(headers={"kid": "one"})).status_code == 201


def test_the_ledger_says_on_whose_word(world: World) -> None:
    told = register(world, invited(world), asked()).json
    with world.app.app_context():
        bodies = [
            bytes(row[0])
            for row in reading().connection().exec_driver_sql("SELECT body FROM ledger_payload").all()
        ]
    (mine,) = [one for one in map(json.loads, bodies) if one.get("client_id") == told["client_id"]]
    assert mine["by"].startswith("invitation ")
    assert mine["organisation"] == BANK


def test_what_is_not_said_has_its_default_and_is_told(world: World) -> None:
    bare = {"redirect_uris": [REDIRECT], "jwks": asked()["jwks"]}
    told = register(world, invited(world), bare).json
    assert told["client_name"] == "Nordhavn Bank ASA"
    assert told["token_endpoint_auth_method"] == "private_key_jwt"
    assert told["response_types"] == ["code"]
    assert "authorization_code" in told["grant_types"]
    assert told["dpop_bound_access_tokens"] is False


def test_members_that_are_not_known_are_ignored(world: World) -> None:
    told = register(world, invited(world), asked(favourite_colour="blue", client_id="mine")).json
    assert "favourite_colour" not in told
    assert told["client_id"] != "mine"


def test_a_client_with_a_secret_is_told_it_once(world: World) -> None:
    token = invited(world, role=ClientRole.LOGIN, profile=Profile.OIDC)
    document = asked(token_endpoint_auth_method=None, jwks=None)
    told = register(world, token, document).json
    assert told["token_endpoint_auth_method"] == "client_secret_basic"
    assert len(told["client_secret"]) >= 43
    assert told["client_secret_expires_at"] == 0
    again = world.app.test_client().get(
        told["registration_client_uri"],
        headers={"Authorization": f"Bearer {told['registration_access_token']}"},
    )
    assert "client_secret" not in again.json
    assert again.json["client_secret_expires_at"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer \x7f"},
    ],
)
def test_without_an_initial_access_token_nobody_registers(world: World, headers: dict[str, str]) -> None:
    before = clients(world)
    answer = world.app.test_client().post("/oauth/register", json=asked(), headers=headers)
    refused(answer, "invalid_token", status=401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert clients(world) == before


def test_an_initial_access_token_is_for_so_many_clients(world: World) -> None:
    token = invited(world, uses=2)
    assert [register(world, token, asked()).status_code for _ in range(3)] == [201, 201, 401]


def test_uses_are_counted_when_many_come_at_once(both_worlds: World) -> None:
    world, answers = both_worlds, []
    token = invited(world, uses=2)

    def call() -> None:
        answers.append(register(world, token, asked()).status_code)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(answers) == [201, 201, 401, 401, 401, 401]


def test_a_refused_registration_uses_nothing_up(world: World) -> None:
    token = invited(world)
    refused(register(world, token, asked(redirect_uris=["http://x.example/"])), "invalid_redirect_uri")
    assert register(world, token, asked()).status_code == 201


def test_an_initial_access_token_ends(world: World) -> None:
    token = invited(world)
    world.clock.advance(days=1)
    refused(register(world, token, asked()), "invalid_token", status=401)


def test_an_initial_access_token_can_be_withdrawn(world: World) -> None:
    token = invited(world)
    with world.app.app_context(), writing() as session:
        found = invitations.find(session, token, world.clock.now())
        assert found
        assert invitations.withdraw(session, found.invitation_id)
        assert not invitations.withdraw(session, "none")
    refused(register(world, token, asked()), "invalid_token", status=401)


def test_a_suspended_organisation_registers_nothing(world: World) -> None:
    token = invited(world)
    with world.app.app_context(), writing() as session:
        parties.set_standing(
            session, BANK, parties.Standing.SUSPENDED, reason="checked", now=world.clock.now()
        )
    refused(register(world, token, asked()), "access_denied", status=403)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "supervisor", "organisation": ERP, "org": ERP, "profile": "oidc"},
        {"resources": ["https://erp.example.no/other"]},
    ],
)
def test_role_organisation_profile_and_addresses_are_the_invitations(
    world: World, change: dict[str, Any]
) -> None:
    told = register(world, invited(world), asked(**change)).json
    assert (told["role"], told["organisation"], told["profile"]) == ("party", BANK, "fapi2")
    assert "resources" not in told


def test_a_holders_addresses_come_from_its_invitation(world: World) -> None:
    place = "https://erp.example.no/v2"
    token = invited(world, role=ClientRole.HOLDER, organisation=ERP, resources=(place,))
    document = asked(redirect_uris=None, grant_types=None, response_types=None)
    told = register(world, token, document).json
    assert told["resources"] == [place]
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    assert (set(told["grant_types"]), told["response_types"]) == ({"client_credentials", exchange}, [])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"redirect_uris": None}, "invalid_redirect_uri", "at least one"),
        ({"redirect_uris": []}, "invalid_redirect_uri", "at least one"),
        ({"redirect_uris": REDIRECT}, "invalid_redirect_uri", "list"),
        ({"redirect_uris": [7]}, "invalid_redirect_uri", "list"),
        ({"redirect_uris": [REDIRECT] * 21}, "invalid_redirect_uri", "at most 20"),
        ({"redirect_uris": ["http://bank.example.no/"]}, "invalid_redirect_uri", "https"),
        ({"redirect_uris": [f"{REDIRECT}#x"]}, "invalid_redirect_uri", "fragment"),
        ({"redirect_uris": ["http://["]}, "invalid_redirect_uri", "URL"),
        ({"redirect_uris": ["app:/back"]}, "invalid_redirect_uri", "https"),
        ({"jwks": None}, "invalid_client_metadata", "jwks"),
        ({"jwks": []}, "invalid_client_metadata", "jwks"),
        ({"jwks": {"keys": []}}, "invalid_client_metadata", "jwks"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "invalid_client_metadata", "JWK"),
        ({"jwks": {}}, "invalid_client_metadata", "jwks"),
        ({"jwks": {"keys": ["x"]}}, "invalid_client_metadata", "JWK"),
        ({"jwks_uri": "https://x.example/"}, "invalid_client_metadata", "exclude"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "invalid_client_metadata", "profile"),
        ({"token_endpoint_auth_method": "none"}, "invalid_client_metadata", "auth_method"),
        ({"token_endpoint_auth_method": 1}, "invalid_client_metadata", "auth_method"),
        ({"token_endpoint_auth_method": []}, "invalid_client_metadata", "auth_method"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata", "grant_types"),
        ({"grant_types": ["password", "authorization_code"]}, "invalid_client_metadata", "grant_types"),
        ({"grant_types": []}, "invalid_client_metadata", "grant_types"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata", "grant_types"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata", "response_types"),
        ({"response_types": ["token"]}, "invalid_client_metadata", "response_types"),
        ({"response_types": ["code", "code id_token"]}, "invalid_client_metadata", "response_types"),
        ({"response_types": []}, "invalid_client_metadata", "response_types"),
        ({"application_type": "native"}, "invalid_client_metadata", "application_type"),
        ({"client_name": 7}, "invalid_client_metadata", "client_name"),
        ({"client_name": "a\x00b"}, "invalid_client_metadata", "name"),
        ({"client_name": "n" * 201}, "invalid_client_metadata", "name"),
        ({"client_name": ""}, "invalid_client_metadata", "name"),
        ({"dpop_bound_access_tokens": []}, "invalid_client_metadata", "dpop_bound"),
        ({"dpop_bound_access_tokens": 1}, "invalid_client_metadata", "dpop_bound"),
        ({"dpop_bound_access_tokens": "yes"}, "invalid_client_metadata", "dpop_bound"),
        ({"request_object_signing_alg": "none"}, "invalid_client_metadata", "request_object_signing_alg"),
        ({"request_object_signing_alg": "RS256"}, "invalid_client_metadata", "request_object_signing_alg"),
        ({"require_signed_request_object": 1}, "invalid_client_metadata", "require_signed"),
        ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata", "logo_uri"),
        ({"contacts": "one"}, "invalid_client_metadata", "contacts"),
    ],
)
def test_metadata_are_checked_one_by_one(world: World, change: dict[str, Any], error: str, says: str) -> None:
    token, before = invited(world), clients(world)
    refused(register(world, token, asked(**change)), error, says)
    assert clients(world) == before


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"client_name": "a", "client_name": "b"}', "application/json"),
        (b"client_name=a", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_not_one_json_object_is_refused(world: World, body: bytes, kind: str) -> None:
    headers = {"Authorization": f"Bearer {invited(world)}"}
    answer = world.app.test_client().post("/oauth/register", data=body, content_type=kind, headers=headers)
    assert answer.json["error"] == "invalid_client_metadata"
    assert answer.status_code in {400, 413}


def test_a_client_uses_no_grant_type_that_it_did_not_register(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    told = register(world, invited(world), asked(key)).json
    peer = Peer(world, told["client_id"], key)
    answer = peer.post(
        "/oauth/token",
        {"grant_type": "client_credentials"},
        assertion=peer.assertion(headers={"kid": "one"}),
    )
    assert (answer.status_code, answer.json["error"]) == (400, "unauthorized_client")


def test_failed_tries_are_limited(world: World) -> None:
    answers = [register(world, "wrong", asked()).status_code for _ in range(21)]
    assert answers == [401] * 20 + [429]
    world.clock.advance(minutes=1)
    assert register(world, invited(world), asked()).status_code == 201


def test_a_software_statement_lets_a_new_organisation_in(world: World, directory: Directory) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    statement = directory.states(jwks={"keys": [public(key)]}, redirect_uris=[REDIRECT], client_name="Stated")
    answer = register(world, None, {"software_statement": statement, "client_name": "Mine"})
    assert answer.status_code == 201, answer.text
    told = answer.json
    assert told["software_statement"] == statement
    assert (told["client_name"], told["redirect_uris"]) == ("Stated", [REDIRECT])
    assert (told["organisation"], told["role"], told["software_id"]) == (NEW, "party", "loan-desk")
    peer = Peer(world, told["client_id"], key)
    assert peer.push(client_assertion=peer.assertion(headers={"kid": "one"})).status_code in {201, 400}
    with world.app.app_context():
        organisation = parties.organisation(reading(), NEW)
    assert organisation
    assert (organisation.name, organisation.verified_by) == ("Fjellheim Sparebank", DIRECTORY)


def test_values_in_the_statement_must_take_precedence(world: World, directory: Directory) -> None:
    mine = ec.generate_private_key(ec.SECP256R1())
    stated = {"jwks": {"keys": [public(mine)]}, "redirect_uris": [REDIRECT]}
    document = asked(
        software_statement=directory.states(**stated),
        redirect_uris=["https://thief.example/"],
        role="supervisor",
        org=BANK,
    )
    told = register(world, None, document).json
    assert told["redirect_uris"] == [REDIRECT]
    assert told["jwks"]["keys"][0]["x"] == public(mine)["x"]
    assert (told["role"], told["organisation"]) == ("party", NEW)


def test_a_statement_alone_must_name_the_keys(world: World, directory: Directory) -> None:
    document = asked(software_statement=directory.states(redirect_uris=[REDIRECT]))
    refused(register(world, None, document), "unapproved_software_statement", "keys")
    told = register(world, invited(world, organisation=NEW), document)
    refused(told, "unapproved_software_statement", "org_name")
    with world.app.app_context(), writing() as session:
        parties.introduce(session, NEW, "Fjellheim Sparebank", "the operator")
    assert register(world, invited(world, organisation=NEW), document).status_code == 201


def test_who_has_a_copy_of_a_statement_gets_no_other_way_in(world: World, directory: Directory) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    statement = directory.states(
        role="login", profile="oidc", jwks={"keys": [public(key)]}, redirect_uris=[REDIRECT]
    )
    for method in ("client_secret_basic", "client_secret_post"):
        document = {"software_statement": statement, "token_endpoint_auth_method": method}
        refused(register(world, None, document), "unapproved_software_statement", "keys")
    other = {"software_statement": statement, "token_endpoint_auth_method": "private_key_jwt"}
    other["jwks_uri"] = "https://thief.example/"
    told = register(world, None, other).json
    assert "jwks_uri" not in told


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"iss": "https://unknown.example"}, "unapproved_software_statement", "issuer"),
        ({"iss": None}, "unapproved_software_statement", "issuer"),
        ({"role": "supervisor"}, "unapproved_software_statement", "vouch"),
        ({"role": "holder"}, "unapproved_software_statement", "vouch"),
        ({"role": "emperor"}, "invalid_software_statement", "role"),
        ({"role": None}, "invalid_software_statement", "role"),
        ({"role": 7}, "invalid_software_statement", "role"),
        ({"profile": "none"}, "invalid_software_statement", "profile"),
        ({"org": None}, "invalid_software_statement", "org"),
        ({"org": "nonsense"}, "invalid_software_statement", "org"),
        ({"exp": None}, "invalid_software_statement", "exp"),
        ({"exp": 1}, "invalid_software_statement", "now"),
        ({"exp": "later"}, "invalid_software_statement", "exp"),
        ({"iat": 2**35, "exp": 2**36}, "invalid_software_statement", "now"),
        ({"nbf": 2**35, "exp": 2**36}, "invalid_software_statement", "now"),
        ({"aud": "https://other.example"}, "invalid_software_statement", "somebody else"),
    ],
)
def test_a_statement_that_does_not_hold_is_refused(
    world: World, directory: Directory, change: Mapping[str, Any], error: str, says: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    claims = {"jwks": {"keys": [public(key)]}, "redirect_uris": [REDIRECT], **change}
    document = {"software_statement": directory.states(**claims)}
    refused(register(world, None, document), error, says)


def test_a_statement_for_this_service_holds(world: World, directory: Directory) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    claims = {"jwks": {"keys": [public(key)]}, "redirect_uris": [REDIRECT], "aud": [ISSUER]}
    assert register(world, None, {"software_statement": directory.states(**claims)}).status_code == 201


def test_a_statement_that_nobody_trusted_signed_is_refused(world: World, directory: Directory) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    forged = directory.states(key=other)
    symmetric = directory.states("HS256", "a secret that is long enough for HS256")
    for text in (forged, symmetric, "x", "a.b.c", directory.states()[:-8] + "AAAAAAAA", 7, "a" * 20_001):
        refused(register(world, None, {"software_statement": text}), "invalid_software_statement")


def test_a_statement_beside_a_token_speaks_of_the_same(world: World, directory: Directory) -> None:
    document = asked(software_statement=directory.states(org=ERP))
    refused(register(world, invited(world), document), "unapproved_software_statement", "another")
    document = asked(software_statement=directory.states(org=BANK, role="login"))
    refused(register(world, invited(world), document), "unapproved_software_statement", "another")
    document = asked(software_statement=directory.states(org=BANK))
    assert register(world, invited(world), document).status_code == 201


def test_a_wrong_token_is_refused_whatever_the_statement(world: World, directory: Directory) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    statement = directory.states(jwks={"keys": [public(key)]}, redirect_uris=[REDIRECT])
    refused(register(world, "wrong", {"software_statement": statement}), "invalid_token", status=401)


def test_an_organisation_that_is_not_known_must_be_named(world: World, directory: Directory) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    claims = {"jwks": {"keys": [public(key)]}, "redirect_uris": [REDIRECT], "client_name": "X"}
    statement = directory.states(**claims, org_name=None)
    refused(
        register(world, None, {"software_statement": statement}), "unapproved_software_statement", "org_name"
    )


def test_an_issuers_keys_may_be_fetched(world: World, host: Host) -> None:
    directory = Directory(world)
    uri = host.serve("/keys", {"keys": [public(directory.key)]})
    directory.trusted(ClientRole.PARTY, jwks_uri=uri)
    key = ec.generate_private_key(ec.SECP256R1())
    statement = directory.states(jwks={"keys": [public(key)]}, redirect_uris=[REDIRECT])
    for _ in range(2):
        assert register(world, None, {"software_statement": statement}).status_code == 201
    assert host.asked == ["/keys"]


def test_without_trusted_issuers_no_statement_counts(world: World) -> None:
    statement = Directory(world).states()
    refused(register(world, None, {"software_statement": statement}), "unapproved_software_statement")


def test_the_operators_file_of_issuers_is_checked(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    good = {"roles": ["party"], "jwks": {"keys": [public(key)]}}
    path = tmp_path / "issuers.json"
    path.write_text(
        json.dumps({DIRECTORY: good, "https://b.example": {**good, "roles": ["holder", "login"]}})
    )
    assert Issuers.load(path).named[DIRECTORY].roles == {ClientRole.PARTY}
    assert Issuers.load(None).named == {}
    for wrong in (
        [],
        {"http://plain.example": good},
        {DIRECTORY: {**good, "roles": ["emperor"]}},
        {DIRECTORY: {**good, "roles": []}},
        {DIRECTORY: {"roles": ["party"]}},
        {DIRECTORY: {**good, "jwks_uri": "https://x.example/"}},
        {DIRECTORY: {"roles": ["party"], "jwks": {"keys": []}}},
        {DIRECTORY: {"roles": ["party"], "jwks_uri": "http://x.example/"}},
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ConfigurationError, match="CONSENT_SOFTWARE_ISSUERS"):
            Issuers.load(path)
    with pytest.raises(ConfigurationError):
        Issuers.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "uses"),
    [
        ({}, 0),
        ({"profile": Profile.OIDC}, 1),
        ({"resources": ("https://erp.example.no/v2",)}, 1),
        ({"role": ClientRole.HOLDER, "resources": ("ftp://erp.example.no",)}, 1),
    ],
)
def test_an_invitation_that_lets_nothing_in_is_not_made(
    world: World, change: dict[str, Any], uses: int
) -> None:
    with pytest.raises(ServiceError, match="invalid_invitation"):
        invited(world, uses, **change)


def test_the_metadata_say_where(world: World) -> None:
    said = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert said["registration_endpoint"] == f"{ISSUER}/oauth/register"


def test_a_sectors_address_must_list_every_redirect_uri(world: World, host: Host) -> None:
    """OpenID Connect Dynamic Client Registration 1.0 section 5."""
    token = invited(world, 9, role=ClientRole.LOGIN, profile=Profile.OIDC)
    other = "https://other.example.no/callback"
    uri = host.serve("/sector", [REDIRECT, other])
    login = asked(
        token_endpoint_auth_method=None, jwks=None, subject_type="pairwise", redirect_uris=[REDIRECT, other]
    )
    refused(register(world, token, login), "invalid_client_metadata", "sector_identifier_uri")
    assert register(world, token, {**login, "sector_identifier_uri": uri}).status_code == 201
    for wrong in ([REDIRECT], {"a": 1}, b"no JSON", [[REDIRECT], 7]):
        host.serve("/sector", wrong)
        answer = register(world, token, {**login, "sector_identifier_uri": uri})
        refused(answer, "invalid_client_metadata", "sector_identifier_uri")
    missing = {**login, "sector_identifier_uri": f"{host.origin}/none"}
    refused(register(world, token, missing), "invalid_client_metadata", "sector_identifier_uri")
    private = {**login, "sector_identifier_uri": "https://169.254.169.254/latest"}
    refused(register(world, token, private), "invalid_client_metadata", "sector_identifier_uri")


def test_nothing_is_fetched_for_who_is_not_let_in(world: World, host: Host) -> None:
    uri = host.serve("/keys", {"keys": []})
    refused(register(world, "wrong", asked(jwks=None, jwks_uri=uri)), "invalid_token", status=401)
    assert host.asked == []


CIBA = "urn:openid:params:grant-type:ciba"
POLLS = {"backchannel_token_delivery_mode": "poll"}


def test_a_client_can_register_for_ciba_at_once(both_worlds: World) -> None:
    world, key = both_worlds, ec.generate_private_key(ec.SECP256R1())
    signs = {"backchannel_authentication_request_signing_alg": "ES256"}
    alone = asked(key, grant_types=[CIBA], response_types=[], redirect_uris=None, **POLLS, **signs)
    answer = register(world, invited(world), alone)
    assert answer.status_code == 201, answer.text
    told = answer.json
    assert (told["grant_types"], told["response_types"], told["redirect_uris"]) == ([CIBA], [], [])
    assert {name: told[name] for name in POLLS | signs} == POLLS | signs
    peer = Peer(world, told["client_id"], key)
    mine = {"assertion": peer.assertion(headers={"kid": "one"})}
    waits = peer.post("/oauth/token", {"grant_type": CIBA, "auth_req_id": "none"}, dpop=True, **mine)
    assert waits.json["error"] == "invalid_grant", "not unauthorized_client"
    mine = {"assertion": peer.assertion(headers={"kid": "one"})}
    unsigned = peer.post("/oauth/backchannel", {"login_hint": "0192:310028142"}, **mine)
    assert "must be signed" in unsigned.json["error_description"]


def test_with_a_delivery_mode_ciba_is_among_what_counts_where_nothing_is_named(world: World) -> None:
    told = register(world, invited(world), asked(grant_types=None, response_types=None, **POLLS)).json
    assert CIBA in told["grant_types"]
    told = register(world, invited(world), asked(grant_types=None, response_types=None)).json
    assert CIBA not in told["grant_types"]


@pytest.mark.parametrize(
    "changes",
    [
        {"grant_types": ["authorization_code", CIBA]},
        POLLS,
        {"grant_types": ["authorization_code", CIBA], "backchannel_token_delivery_mode": "push"},
        {"grant_types": ["authorization_code", CIBA], "backchannel_token_delivery_mode": "ping"},
    ],
)
def test_ciba_goes_with_a_delivery_mode_and_what_it_needs(world: World, changes: dict[str, Any]) -> None:
    answer = register(world, invited(world), asked(**changes))
    refused(answer, "invalid_client_metadata", "backchannel_")


def test_a_holder_can_t_register_for_ciba(world: World) -> None:
    token = invited(world, role=ClientRole.HOLDER, organisation="0192:310052345")
    document = asked(redirect_uris=None, grant_types=[CIBA], response_types=[], **POLLS)
    refused(register(world, token, document), "invalid_client_metadata", "grant_types")


@pytest.mark.parametrize(
    "uri",
    [
        "https://bank.example.no; frame-ancestors */callback",
        "https://bank.example.no;frame-ancestors/callback",
        "https://bank.example.no,default-src/callback",
        "https://bank.example.no'unsafe-inline'/callback",
        "https://*/callback",
        "https://*.example.no/callback",
        "https://@bank.example.no/callback",
        "https://:@bank.example.no/callback",
        "https://[::1]bank/callback",
        "https://bank..example.no;/callback",
        "https://bank.example.no/call back",
        "https://bank.example.no/callback?a=b c",
    ],
)
def test_a_redirect_uri_names_one_host_and_nothing_that_means_more_in_a_header(
    world: World, uri: str
) -> None:
    """Its origin goes into the Content-Security-Policy of the page that asks the owner."""
    answer = register(world, invited(world), asked(redirect_uris=[uri]))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_redirect_uri"), answer.text


def test_a_certificate_is_named_in_base64url(world: World) -> None:
    for stated in ("\ud800" * 43, "é" * 43, "=" * 43, "a" * 42):
        jwk = public(ec.generate_private_key(ec.SECP256R1())) | {"x5t#S256": stated}
        answer = register(world, invited(world), asked(jwks={"keys": [jwk]}))
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")


def test_slow_addresses_of_others_hold_up_no_more_than_a_few_at_once(world: World, host: Host) -> None:
    """A worker has sixteen threads; a client with a slow server and time must not have them all."""
    sector = host.serve("/sector", [REDIRECT])
    host.answers.clear()
    answers: list[int] = []

    def one() -> None:
        document = asked(subject_type="pairwise", sector_identifier_uri=sector)
        answers.append(register(world, invited(world), document).status_code)

    threads = [threading.Thread(target=one) for _ in range(references.AT_ONCE)]
    for thread in threads:
        thread.start()
    while len(host.asked) < references.AT_ONCE:
        time.sleep(0.01)
    token = invited(world)
    late = register(world, token, asked(subject_type="pairwise", sector_identifier_uri=sector))
    assert (late.status_code, late.headers["Retry-After"]) == (429, "5")
    assert register(world, invited(world), asked()).status_code == 201
    host.answers.set()
    for thread in threads:
        thread.join()
    assert answers == [201] * references.AT_ONCE
    again = register(world, token, asked(subject_type="pairwise", sector_identifier_uri=sector))
    assert again.status_code == 201
