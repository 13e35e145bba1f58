"""RFC 8705: clients that authenticate by a certificate, and tokens that are bound to one."""

from __future__ import annotations

import base64
import datetime as dt
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from werkzeug.test import TestResponse

from consent_service.config import Settings
from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.registry import parties
from consent_service.registry.model import AuthMethod, ClientRole
from consent_service.registry.parties import Registration
from consent_service.verifier.certificate import thumbprint
from consent_service.web.certificate_names import Authorities
from consent_service.web.client_cert import encode
from consent_service.web.current import current, provide
from tests.certificates import Issued, authority, issue, jwks_of
from tests.world import ASSERTION_TYPE, ISSUER, LISTENER_SECRET, REDIRECT, RESOURCE, World, challenge

DN = "CN=credit.bank.example.no,2.5.4.97=PSDNO-FSA-310041238,O=Nordhavn Bank ASA,C=NO"
BANK, ERP = "0192:310041238", "0192:310052345"
BOUND = {"tls_client_certificate_bound_access_tokens": True}
SELF_SIGNED, BY_AUTHORITY = AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH, AuthMethod.TLS_CLIENT_AUTH


@dataclass
class Caller:
    """A client, and what its connection shows."""

    world: World
    client_id: str
    shown: Issued | None

    def headers(self) -> dict[str, str]:
        said = {"X-Listener-Secret": LISTENER_SECRET}
        return said | ({"Client-Cert": encode(self.shown.der)} if self.shown else {})

    def post(self, path: str, form: dict[str, Any], **headers: str) -> TestResponse:
        data = {"client_id": self.client_id, **form}
        return self.world.app.test_client().post(path, data=data, headers=self.headers() | headers)

    def token(self, **form: str) -> TestResponse:
        return self.post("/oauth/token", {"grant_type": "client_credentials", **form})

    def showing(self, other: Issued | None) -> Caller:
        return replace(self, shown=other)

    def ask(self, token: str, scheme: str = "Bearer", holder: str = "") -> TestResponse:
        question = self.world.question(
            {"grant_id": "none"}, replace(self.world.erp, client_id=self.client_id)
        )
        headers = self.headers() | {"Authorization": f"{scheme} {token}"}
        return self.world.app.test_client().post("/access/v1/evaluation", json=question, headers=headers)


def registered(world: World, role: ClientRole, method: AuthMethod, shown: Issued, **more: Any) -> Caller:
    jwks = {AuthMethod.PRIVATE_KEY_JWT: jwks_of(shown), SELF_SIGNED: jwks_of(shown)}.get(method, {})
    registration = Registration(
        role=role,
        name="A client with a certificate",
        organisation=ERP if role is ClientRole.HOLDER else BANK,
        jwks=more.pop("jwks", jwks),
        redirect_uris=() if role is ClientRole.HOLDER else (REDIRECT,),
        auth_method=method,
        dpop_bound=more.pop("dpop_bound", False),
        metadata=BOUND | more,
    )
    with world.app.app_context(), writing() as session:
        client = parties.register(session, registration, world.clock.now())
    return Caller(world, client.client_id, shown)


@pytest.fixture
def root(world: World, tmp_path: Path) -> Issued:
    """The operator's choice of authority."""
    made = authority()
    bundle = tmp_path / "authorities.pem"
    bundle.write_bytes(made.pem)
    with world.app.app_context():
        settings = replace(current(Settings), mtls_ca=bundle)
    provide(world.app, settings, Authorities(bundle))
    return made


@pytest.fixture
def holder(world: World) -> Caller:
    return registered(world, ClientRole.HOLDER, SELF_SIGNED, issue())


@pytest.fixture
def named(world: World, root: Issued) -> Caller:
    return registered(world, ClientRole.HOLDER, BY_AUTHORITY, issue(by=root), tls_client_auth_subject_dn=DN)


def is_refused(answer: TestResponse) -> bool:
    assert answer.json
    told = (answer.status_code, answer.json["error"], answer.json.get("error_description"))
    return told == (401, "invalid_client", "Client authentication failed.")


# Section 2.1: the PKI method


def test_a_client_is_known_by_the_name_in_a_certificate_of_an_authority(named: Caller) -> None:
    answer = named.token()
    assert answer.status_code == 200, answer.text
    assert answer.json["token_type"] == "Bearer"


def test_another_certificate_with_the_same_name_will_do(named: Caller, root: Issued) -> None:
    assert named.showing(issue(by=root)).token().status_code == 200


def test_without_a_trusted_authority_the_name_proves_nothing(named: Caller) -> None:
    assert is_refused(named.showing(issue()).token())
    assert is_refused(named.showing(issue(by=authority())).token())


def test_another_name_by_the_same_authority_is_another_client(named: Caller, root: Issued) -> None:
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "debit.bank.example.no")])
    assert is_refused(named.showing(issue(other, by=root)).token())


def test_a_certificate_past_its_time_is_refused(named: Caller) -> None:
    named.world.clock.advance(days=31)
    assert is_refused(named.token())


def test_a_weak_key_is_refused_whoever_vouches(named: Caller, root: Issued) -> None:
    weak = issue(by=root, key=rsa.generate_private_key(65537, 1024))
    assert is_refused(named.showing(weak).token())


def test_a_client_is_known_by_a_dns_name(world: World, root: Issued) -> None:
    name = "credit.bank.example.no"
    shown = issue(by=root, names=[x509.DNSName(name)])
    caller = registered(world, ClientRole.HOLDER, BY_AUTHORITY, shown, tls_client_auth_san_dns=name)
    assert caller.token().status_code == 200
    assert is_refused(caller.showing(issue(by=root)).token())


def test_without_authorities_the_method_is_off(world: World) -> None:
    caller = registered(world, ClientRole.HOLDER, BY_AUTHORITY, issue(), tls_client_auth_subject_dn=DN)
    assert is_refused(caller.token())


# Section 2.2: the self-signed method


def test_a_client_is_known_by_the_certificate_that_it_registered(holder: Caller) -> None:
    assert holder.token().status_code == 200


def test_a_certificate_that_was_not_registered_is_refused(holder: Caller) -> None:
    assert holder.shown
    assert is_refused(holder.showing(issue()).token())
    assert is_refused(holder.showing(issue(key=holder.shown.key)).token())
    assert is_refused(holder.showing(None).token())


def test_a_registered_certificate_past_its_time_is_refused(holder: Caller) -> None:
    holder.world.clock.advance(days=31)
    assert is_refused(holder.token())


def test_a_client_of_one_method_can_t_use_another(world: World, root: Issued) -> None:
    mine = issue(by=root)
    by_key = registered(world, ClientRole.HOLDER, AuthMethod.PRIVATE_KEY_JWT, mine)
    assert is_refused(by_key.token())
    caller = registered(world, ClientRole.HOLDER, SELF_SIGNED, mine)
    assert caller.token().status_code == 200
    assertion = replace(world.erp, client_id=caller.client_id, key=mine.key).assertion()
    signed = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    assert is_refused(caller.token(**signed))


# Section 2: client_id, and whose word counts


def test_the_client_id_parameter_is_required(holder: Caller) -> None:
    answer = holder.world.app.test_client().post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=holder.headers()
    )
    assert is_refused(answer)


@pytest.mark.parametrize("client_id", ["nobody", "", "a b"])
def test_whether_a_client_exists_is_not_told(holder: Caller, client_id: str) -> None:
    assert is_refused(replace(holder, client_id=client_id).token())


def test_a_certificate_proves_no_other_client(holder: Caller) -> None:
    other = registered(holder.world, ClientRole.HOLDER, SELF_SIGNED, issue())
    assert is_refused(other.showing(holder.shown).token())


def test_a_header_from_outside_proves_nothing(holder: Caller) -> None:
    form = {"grant_type": "client_credentials", "client_id": holder.client_id}
    for changed in ({"X-Listener-Secret": ""}, {"X-Listener-Secret": "s" * 40}):
        answer = holder.world.app.test_client().post(
            "/oauth/token", data=form, headers=holder.headers() | changed
        )
        assert is_refused(answer)


def test_a_certificate_that_can_t_be_read_is_a_clear_error(holder: Caller) -> None:
    answer = holder.post("/oauth/token", {"grant_type": "client_credentials"}, **{"Client-Cert": ":AAAA:"})
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_a_suspended_organisation_s_certificate_is_refused(holder: Caller) -> None:
    from consent_service.registry.model import Standing

    with holder.world.app.app_context(), writing() as session:
        now = holder.world.clock.now()
        parties.set_standing(session, ERP, Standing.SUSPENDED, reason="x", now=now)
    assert is_refused(holder.token())


# Section 3: certificate-bound access tokens


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_a_token_says_the_thumbprint_of_its_certificate(holder: Caller) -> None:
    assert holder.shown
    token = holder.token().json["access_token"]
    assert claims_of(token)["cnf"] == {"x5t#S256": thumbprint(holder.shown.der)}


def test_introspection_says_the_thumbprint(holder: Caller) -> None:
    assert holder.shown
    token = holder.token().json["access_token"]
    told = holder.post("/oauth/introspect", {"token": token}).json
    assert told["active"]
    assert told["cnf"] == {"x5t#S256": thumbprint(holder.shown.der)}
    assert told["token_type"] == "Bearer"
    assert is_refused(holder.showing(issue()).post("/oauth/introspect", {"token": token}))


def test_a_bound_token_counts_on_the_connection_of_its_certificate_alone(holder: Caller) -> None:
    token = holder.token().json["access_token"]
    for _ in range(2):  # looked up once, remembered after that
        assert holder.ask(token).status_code == 200
        for other in (issue(), None):
            stolen = holder.showing(other).ask(token)
            assert stolen.status_code == 401
            assert 'error="invalid_token"' in stolen.headers["WWW-Authenticate"]


def test_a_thief_can_t_say_that_it_showed_the_certificate(holder: Caller) -> None:
    assert holder.shown
    token = holder.token().json["access_token"]
    question = holder.world.question({"grant_id": "none"}, holder.world.erp)
    headers = {"Authorization": f"Bearer {token}", "Client-Cert": encode(holder.shown.der)}
    answer = holder.world.app.test_client().post("/access/v1/evaluation", json=question, headers=headers)
    assert answer.status_code == 401


def test_a_token_bound_to_a_certificate_is_not_of_type_dpop(holder: Caller) -> None:
    assert holder.ask(holder.token().json["access_token"], "DPoP").status_code == 401


def test_the_ledger_gives_payloads_on_the_connection_of_the_certificate_alone(world: World) -> None:
    caller = registered(world, ClientRole.PARTY, SELF_SIGNED, issue())
    token = caller.token().json["access_token"]
    grant = world.grant()
    browser = world.app.test_client()
    entry = world.decide(grant)["context"]["entry_id"]
    for one, status in ((caller, 200), (caller.showing(issue()), 401), (caller.showing(None), 401)):
        headers = one.headers() | {"Authorization": f"Bearer {token}"}
        assert browser.get(f"/ledger/entries/{entry}", headers=headers).status_code == status


def test_a_client_registered_for_bound_tokens_gets_no_other(world: World) -> None:
    mine = issue()
    caller = registered(world, ClientRole.HOLDER, AuthMethod.PRIVATE_KEY_JWT, mine)
    signer = replace(world.erp, client_id=caller.client_id, key=mine.key)
    form = {"grant_type": "client_credentials"}
    bare = signer.post("/oauth/token", form)
    assert (bare.status_code, bare.json["error"]) == (400, "invalid_request")
    with_key_alone = signer.post("/oauth/token", form, dpop=True)
    assert (with_key_alone.status_code, with_key_alone.json["error"]) == (400, "invalid_request")
    bound = signer.post("/oauth/token", form, headers=caller.headers())
    assert claims_of(bound.json["access_token"])["cnf"] == {"x5t#S256": thumbprint(mine.der)}


def test_a_certificate_beside_another_credential_binds_nothing_for_who_did_not_ask(world: World) -> None:
    headers = {"X-Listener-Secret": LISTENER_SECRET, "Client-Cert": encode(issue().der)}
    answer = world.erp.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers)
    assert "cnf" not in claims_of(answer.json["access_token"])


def test_a_token_bound_to_key_and_certificate_needs_both(world: World) -> None:
    caller = registered(world, ClientRole.HOLDER, SELF_SIGNED, issue(), dpop_bound=True)
    assert caller.shown
    bare = caller.token()
    assert (bare.status_code, bare.json["error"]) == (400, "invalid_dpop_proof")
    key = world.erp.dpop
    made = caller.post(
        "/oauth/token", {"grant_type": "client_credentials"}, DPoP=world.erp.proof("/oauth/token")
    ).json
    assert made["token_type"] == "DPoP"
    bound = {"jkt": key.jkt, "x5t#S256": thumbprint(caller.shown.der)}
    assert claims_of(made["access_token"])["cnf"] == bound
    told = caller.post("/oauth/introspect", {"token": made["access_token"]}).json
    assert told["cnf"] == bound

    def ask(one: Caller, *, proof: bool) -> int:
        headers = one.headers() | {"Authorization": f"DPoP {made['access_token']}"}
        if proof:
            url, now = f"{ISSUER}/access/v1/evaluation", world.clock.now()
            headers["DPoP"] = key.proof("POST", url, now, made["access_token"])
        question = world.question({"grant_id": "none"}, replace(world.erp, client_id=caller.client_id))
        answer = world.app.test_client().post("/access/v1/evaluation", json=question, headers=headers)
        return answer.status_code

    assert ask(caller, proof=True) == 200
    assert ask(caller, proof=False) == 401
    assert ask(caller.showing(issue()), proof=True) == 401


# The whole story of a party: PAR, code, refresh (sections 3 and 7.1)


def story(world: World, caller: Caller, **signed: str) -> TestResponse:
    form = {
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "state": "s",
        "code_challenge": challenge("v" * 64),
        "code_challenge_method": "S256",
        "authorization_details": json.dumps([world.details()]),
    }
    pushed = caller.post("/oauth/par", form | signed)
    assert pushed.status_code == 201, pushed.text
    browser = world.sign_in()
    query = {"client_id": caller.client_id, "request_uri": pushed.json["request_uri"]}
    path = browser.get("/oauth/authorize", query_string=query).location
    answered = world.answer(browser, path, browser.get(path))
    code = browser.get(answered.location).location.partition("code=")[2].partition("&")[0]
    return caller.post("/oauth/token", redeem_form(code))


def redeem_form(code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": "v" * 64,
    }


@pytest.fixture
def bank(world: World) -> Caller:
    return registered(world, ClientRole.PARTY, SELF_SIGNED, issue())


def test_a_party_gets_a_grant_s_token_bound_to_its_certificate(world: World, bank: Caller) -> None:
    assert bank.shown
    answer = story(world, bank)
    assert answer.status_code == 200, answer.text
    assert answer.json["token_type"] == "Bearer"
    claims = claims_of(answer.json["access_token"])
    assert claims["cnf"] == {"x5t#S256": thumbprint(bank.shown.der)}
    assert claims["aud"] == RESOURCE
    told = world.erp.post("/oauth/introspect", {"token": answer.json["access_token"]}).json
    assert told["cnf"] == claims["cnf"]


def test_a_refresh_token_is_nobody_s_without_the_client_s_certificate(world: World, bank: Caller) -> None:
    refresh = {"grant_type": "refresh_token", "refresh_token": story(world, bank).json["refresh_token"]}
    assert bank.post("/oauth/token", refresh).status_code == 200
    assert is_refused(bank.showing(issue()).post("/oauth/token", refresh))
    assert is_refused(bank.showing(None).post("/oauth/token", refresh))
    thief = registered(world, ClientRole.PARTY, SELF_SIGNED, issue())
    taken = thief.post("/oauth/token", refresh)
    assert (taken.status_code, taken.json["error"]) == (400, "invalid_grant")


def test_a_standing_grant_outlives_a_renewed_certificate(world: World, root: Issued) -> None:
    caller = registered(world, ClientRole.PARTY, BY_AUTHORITY, issue(by=root), tls_client_auth_subject_dn=DN)
    refresh = {"grant_type": "refresh_token", "refresh_token": story(world, caller).json["refresh_token"]}
    renewed = issue(by=root)
    answer = caller.showing(renewed).post("/oauth/token", refresh)
    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json["access_token"])["cnf"] == {"x5t#S256": thumbprint(renewed.der)}


def test_who_authenticates_by_key_refreshes_with_the_same_certificate(world: World) -> None:
    mine = issue()
    caller = registered(world, ClientRole.PARTY, AuthMethod.PRIVATE_KEY_JWT, mine)
    signer = replace(world.bank, client_id=caller.client_id, key=mine.key)

    def signed() -> dict[str, str]:
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signer.assertion()}

    @dataclass
    class Signing(Caller):
        def post(self, path: str, form: dict[str, Any], **headers: str) -> TestResponse:
            return super().post(path, form | signed(), **headers)

    calling = Signing(world, caller.client_id, mine)
    tokens = story(world, calling)
    assert tokens.status_code == 200, tokens.text
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens.json["refresh_token"]}
    assert calling.post("/oauth/token", refresh).status_code == 200
    other = Signing(world, caller.client_id, issue()).post("/oauth/token", refresh)
    assert (other.status_code, other.json["error"]) == (400, "invalid_grant")


# Registration and metadata (sections 2.1.1, 2.1.2, 3.3, 3.4, 5)


@pytest.mark.parametrize(
    ("method", "more", "said"),
    [
        (BY_AUTHORITY, {}, "exactly one"),
        (BY_AUTHORITY, {"tls_client_auth_subject_dn": DN, "tls_client_auth_san_dns": "a.no"}, "exactly one"),
        (BY_AUTHORITY, {"tls_client_auth_subject_dn": "a bank"}, "tls_client_auth_subject_dn"),
        (BY_AUTHORITY, {"tls_client_auth_san_dns": "*.example.no"}, "tls_client_auth_san_dns"),
        (SELF_SIGNED, {"tls_client_auth_subject_dn": DN}, "exactly one"),
        (SELF_SIGNED, {"jwks": {}}, "jwks"),
        (SELF_SIGNED, {"jwks": {"keys": [{"kty": "EC"}]}}, "jwks"),
    ],
)
def test_a_client_that_does_not_fit_its_method_is_refused(
    world: World, method: AuthMethod, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ServiceError, match=said) as refused:
        registered(world, ClientRole.HOLDER, method, issue(), **more)
    assert refused.value.code == "invalid_client_metadata"


@pytest.mark.parametrize(
    "changed",
    [
        {"x5c": ["?"]},
        {"x5c": []},
        {"x5c": "AAAA"},
        {"x5c": ["AAAA"]},
        {"x5c": jwks_of(issue())["keys"][0]["x5c"]},
        {"x5t#S256": "short"},
        {"x5t#S256": "A" * 43},
        {"x5c": None},
    ],
)
def test_a_key_s_certificate_must_be_the_key_s(world: World, changed: dict[str, Any]) -> None:
    key = {name: value for name, value in (jwks_of(issue())["keys"][0] | changed).items() if value}
    with pytest.raises(ServiceError) as refused:
        registered(world, ClientRole.HOLDER, SELF_SIGNED, issue(), jwks={"keys": [key]})
    assert refused.value.code == "invalid_client_metadata"


def test_the_metadata_claims_what_is_set_up(world: World, root: Issued) -> None:
    def document(**changes: Any) -> dict[str, Any]:
        with world.app.app_context():
            provide(world.app, replace(current(Settings), **changes))
        return dict(world.app.test_client().get("/.well-known/oauth-authorization-server").json)

    whole = document()
    methods = whole["token_endpoint_auth_methods_supported"]
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(methods)
    assert whole["tls_client_certificate_bound_access_tokens"] is True
    assert "mtls_endpoint_aliases" not in whole
    assert "tls_client_auth" not in document(mtls_ca=None)["token_endpoint_auth_methods_supported"]
    bare = document(listener_secret="")
    assert not {"tls_client_auth", "self_signed_tls_client_auth"} & set(
        bare["token_endpoint_auth_methods_supported"]
    )
    assert bare["tls_client_certificate_bound_access_tokens"] is False


def test_aliases_are_where_certificates_are_asked_for_and_a_proof_may_name_them(
    world: World, holder: Caller
) -> None:
    with world.app.app_context():
        provide(world.app, replace(current(Settings), mtls_url="https://mtls.example.no"))
    document = world.app.test_client().get("/.well-known/oauth-authorization-server").json
    assert document["token_endpoint"] == f"{ISSUER}/oauth/token"
    aliases = document["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == "https://mtls.example.no/oauth/token"
    assert set(aliases) == {
        "token_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "pushed_authorization_request_endpoint",
        "backchannel_authentication_endpoint",
    }
    authzen = world.app.test_client().get("/.well-known/authzen-configuration").json
    assert authzen["mtls_endpoint_aliases"] == {
        "access_evaluation_endpoint": "https://mtls.example.no/access/v1/evaluation"
    }
    form = {"grant_type": "client_credentials"}
    now, key = world.clock.now(), world.erp.dpop
    for called_at, named, status in (
        ("https://mtls.example.no", "https://mtls.example.no", 200),
        ("https://mtls.example.no", ISSUER, 400),
        ("https://evil.example", "https://evil.example", 400),
        (ISSUER, ISSUER, 200),
    ):
        proof = key.proof("POST", f"{named}/oauth/token", now)
        answer = world.erp.post("/oauth/token", form, dpop=proof, base_url=called_at)
        assert answer.status_code == status, (called_at, answer.text)


def test_expiry_is_by_the_service_s_clock(holder: Caller) -> None:
    holder.world.clock.moment = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    assert is_refused(holder.token())


def test_an_elliptic_key_below_224_bits_is_refused(world: World) -> None:
    weak = issue(key=ec.generate_private_key(ec.SECP192R1()))
    caller = registered(world, ClientRole.HOLDER, SELF_SIGNED, issue())
    with world.app.app_context(), writing() as session:
        from consent_service.registry.store import ClientRow

        row = session.get(ClientRow, caller.client_id)
        assert row
        row.jwks = {"keys": [{"x5t#S256": thumbprint(weak.der)}]}
    assert is_refused(caller.showing(weak).token())


def misshapen(shown: Issued) -> dict[str, Issued]:
    """Certificates with which TLS may well be spoken, and that can't be read, or not wholly."""
    changes = {
        "of a version to come": (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"),
        "with an extension twice": (b"\x06\x03\x55\x1d\x13", b"\x06\x03\x55\x1d\x11"),
        "with a name of an unknown kind": (b"\x82\x09a.example", b"\xa3\x09a.example"),
        "with a key on an unknown curve": (b"\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x2a\x86\x48\xce\x3d\x03\x01\x06"),
        "with a key of an unknown kind": (b"\x2a\x86\x48\xce\x3d\x02\x01", b"\x2a\x86\x48\xce\x3d\x02\x09"),
    }  # fmt: skip
    found = {}
    for name, (before, after) in changes.items():
        assert before in shown.der, name
        found[name] = Misshapen(shown.certificate, shown.key, shown.der.replace(before, after, 1))
    return dict(found)


@dataclass(frozen=True)
class Misshapen(Issued):
    """A certificate whose DER was changed after it was made."""

    changed: bytes = b""

    @property
    def der(self) -> bytes:
        return self.changed


def test_a_certificate_that_cannot_be_read_is_refused_whatever_client_is_named(
    world: World, root: Issued
) -> None:
    shown = issue(names=[x509.DNSName("a.example")], by=root)
    callers = [
        registered(world, ClientRole.HOLDER, SELF_SIGNED, issue()),
        registered(world, ClientRole.HOLDER, BY_AUTHORITY, shown, tls_client_auth_subject_dn=DN),
        registered(world, ClientRole.HOLDER, BY_AUTHORITY, shown, tls_client_auth_san_dns="a.example"),
        Caller(world, "nobody", shown),
    ]
    for name, other in misshapen(shown).items():
        answers = {(one.status_code, one.text) for one in (each.showing(other).token() for each in callers)}
        assert len(answers) == 1, (name, answers)
        assert answers.pop()[0] in {400, 401}, name


def test_a_key_with_a_certificate_that_cannot_be_read_is_not_registered(world: World) -> None:
    shown = issue(names=[x509.DNSName("a.example")])
    for name, other in misshapen(shown).items():
        if name.startswith(("with an extension", "with a name")):
            continue  # the key of such a certificate can be read
        jwk = jwks_of(shown)["keys"][0] | {"x5c": [base64.b64encode(other.der).decode()]}
        jwk.pop("x5t#S256", None)
        with pytest.raises(ServiceError, match="x5c"):
            registered(world, ClientRole.HOLDER, SELF_SIGNED, shown, jwks={"keys": [jwk]})
