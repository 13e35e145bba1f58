"""Starting, settings and the command line: what is missing is said in one line, and nothing starts without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine

from consent_service.cli import main
from consent_service.config import from_environ
from consent_service.errors import ConfigurationError
from tests.certificates import issue
from tests.world import World

SECRET = "s" * 40
PRODUCTION = {"CONSENT_ISSUER": "https://consent.example.no", "CONSENT_SECRET_KEY": SECRET}


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environ)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {**PRODUCTION, "CONSENT_HOME": str(tmp_path)}


def test_production_refuses_to_start_until_everything_is_set_and_says_what_to_do(tmp_path: Path) -> None:
    environ = {"CONSENT_HOME": str(tmp_path)}
    for setting, value, said in (
        ("CONSENT_ISSUER", "https://consent.example.no", "CONSENT_ISSUER is not set"),
        ("CONSENT_SECRET_KEY", SECRET, "CONSENT_SECRET_KEY is not set"),
    ):
        done = run(environ, "serve")
        assert (done.exit_code, said in done.output) == (2, True), done.output
        environ[setting] = value
    done = run(environ, "serve")
    assert (done.exit_code, "consent-service db upgrade" in done.output) == (2, True)
    assert run(environ, "db", "upgrade").exit_code == 0
    done = run(environ, "serve")
    assert (done.exit_code, "consent-service keys rotate" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"CONSENT_ISSUER": "http://consent.example.no"}, "CONSENT_ISSUER must be https"),
        ({"CONSENT_ISSUER": "consent.example.no"}, "CONSENT_ISSUER"),
        ({"CONSENT_ISSUER": "https://a.example/path"}, "no path"),
        ({"CONSENT_ISSUER": "https://a.example:port"}, "CONSENT_ISSUER"),
        ({"CONSENT_SECRET_KEY": "short"}, "CONSENT_SECRET_KEY"),
        ({"CONSENT_SANDBOX": "perhaps"}, "CONSENT_SANDBOX"),
        ({"CONSENT_TRUSTED_PROXIES": "-1"}, "CONSENT_TRUSTED_PROXIES"),
        ({"CONSENT_POLICY_DIR": "/nowhere"}, "CONSENT_POLICY_DIR"),
        ({"CONSENT_EID_ISSUER": "ftp://eid.example"}, "CONSENT_EID_ISSUER"),
        ({"CONSENT_LEDGER_ORIGIN": "a log"}, "CONSENT_LEDGER_ORIGIN"),
        ({"CONSENT_LEDGER_ORIGIN": "a+b"}, "CONSENT_LEDGER_ORIGIN"),
        ({"CONSENT_LISTENER_SECRET": "short"}, "CONSENT_LISTENER_SECRET"),
        ({"CONSENT_LISTENER_SECRET": "é" * 40}, "CONSENT_LISTENER_SECRET"),
        ({"CONSENT_MTLS_URL": "http://mtls.example.no"}, "CONSENT_MTLS_URL"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        from_environ(PRODUCTION | change)


def test_the_sandbox_keeps_a_secret_of_its_own(tmp_path: Path) -> None:
    environ = {
        "CONSENT_ISSUER": "http://localhost:8000",
        "CONSENT_SANDBOX": "1",
        "CONSENT_HOME": str(tmp_path),
    }
    first = from_environ(environ).secret_key
    assert first == from_environ(environ).secret_key
    assert (tmp_path / "sandbox-secret-key").stat().st_mode & 0o077 == 0


def registered(environ: dict[str, str], tmp_path: Path, *more: str) -> tuple[Result, dict[str, Any]]:
    key = tmp_path / f"{len(list(tmp_path.iterdir()))}.jwk"
    done = run(
        environ,
        "client",
        "register",
        "--name",
        "Bank",
        "--org",
        "0192:923609016",
        "--new-key",
        str(key),
        "--json",
        *more,
    )
    return done, json.loads(done.output) if done.exit_code == 0 else {}


def test_a_client_is_registered_and_its_key_written_for_its_owner_alone(
    home: dict[str, str], tmp_path: Path
) -> None:
    run(home, "db", "upgrade")
    arguments = ("--role", "party", "--redirect-uri", "https://bank.example/cb")
    done, answer = registered(home, tmp_path, *arguments)
    assert done.exit_code == 0, done.output
    assert answer["client_id"]
    [key] = tmp_path.glob("*.jwk")
    assert key.stat().st_mode & 0o077 == 0
    assert {"d", "x", "y", "kid"} <= set(json.loads(key.read_text()))
    again = run(
        home,
        "client",
        "register",
        "--role",
        "holder",
        "--name",
        "x",
        "--org",
        "0192:923609016",
        "--new-key",
        str(key),
    )
    assert (again.exit_code, "not overwritten" in again.output) == (2, True)
    assert run(home, "ledger", "verify").exit_code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--role", "party"), "redirect URI"),
        (("--role", "party", "--redirect-uri", "http://bank.example/cb"), "https"),
        (("--role", "party", "--redirect-uri", "https://bank.example/cb#x"), "fragment"),
        (("--role", "party", "--redirect-uri", "javascript:alert(1)"), "https"),
        (("--role", "holder", "--org", "0192:923609017"), "organisasjonsnummer"),
        (("--role", "holder", "--resource", "ftp://x"), "https"),
        (
            ("--role", "party", "--redirect-uri", "https://b.example/cb", "--resource", "https://x.example"),
            "holder",
        ),
    ],
)
def test_a_client_that_does_not_fit_is_refused(
    home: dict[str, str], tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    run(home, "db", "upgrade")
    done, _ = registered(home, tmp_path, *more)
    assert (done.exit_code, said in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    "jwks", ["{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}', "nonsense", "[]"]
)
def test_keys_that_can_t_be_a_client_s_are_refused(home: dict[str, str], tmp_path: Path, jwks: str) -> None:
    run(home, "db", "upgrade")
    file = tmp_path / "jwks.json"
    file.write_text(jwks)
    done = run(
        home,
        "client",
        "register",
        "--role",
        "holder",
        "--name",
        "x",
        "--org",
        "0192:923609016",
        "--jwks",
        str(file),
    )
    assert done.exit_code == 2, done.output


def test_two_holders_can_t_claim_one_address(home: dict[str, str], tmp_path: Path) -> None:
    run(home, "db", "upgrade")
    arguments = ("--role", "holder", "--resource", "https://erp.example/api")
    assert registered(home, tmp_path, *arguments)[0].exit_code == 0
    assert registered(home, tmp_path, *arguments)[0].exit_code == 2


def test_keys_rotate_and_the_old_one_stays_published(home: dict[str, str]) -> None:
    run(home, "db", "upgrade")
    arguments = ("keys", "rotate", "--alg", "ES256", "--now")
    first, second = (run(home, *arguments).output.split()[-1] for _ in range(2))
    assert first != second
    from consent_service.app import create_app

    app = create_app(from_environ(home))
    published = app.test_client().get("/oauth/jwks").json
    kids = [key["kid"] for key in published["keys"] if key["alg"] == "ES256"]
    assert kids == [second, first]
    with app.app_context():
        from consent_service.db import db

        db.engine.dispose()


@pytest.mark.parametrize(("value", "days"), [("", 90), ("P1D", 1), ("P365D", 365), ("never", None)])
def test_how_long_a_signing_key_signs_is_a_setting(
    home: dict[str, str], value: str, days: int | None
) -> None:
    found = from_environ(home | {"CONSENT_KEY_ROTATION": value}).key_rotation
    assert (found.days if found else None) == days


@pytest.mark.parametrize("value", ["P0D", "90", "P1M", "PT1H", "P-1D", "P1D ", "P٣D"])
def test_a_rotation_that_is_no_number_of_days_stops_the_start(home: dict[str, str], value: str) -> None:
    with pytest.raises(ConfigurationError, match="CONSENT_KEY_ROTATION"):
        from_environ(home | {"CONSENT_KEY_ROTATION": value})


def test_another_secret_key_does_not_open_the_database(home: dict[str, str]) -> None:
    run(home, "db", "upgrade")
    run(home, "keys", "rotate")
    done = run(home | {"CONSENT_SECRET_KEY": "another" * 8}, "serve")
    assert (done.exit_code, "CONSENT_SECRET_KEY" in done.output) == (2, True)


def test_purging_deletes_what_has_ended_and_nothing_else(world: World, tmp_path: Path) -> None:
    token = world.grant()
    url = world.app.config["SQLALCHEMY_DATABASE_URI"]
    assert run({**PRODUCTION, "CONSENT_DATABASE_URL": url}, "db", "purge").exit_code == 0
    assert world.decide(token)["decision"] is True
    assert world.bank.post("/oauth/introspect", {"token": token["access_token"]}).json["active"] is True
    assert run({**PRODUCTION, "CONSENT_DATABASE_URL": url}, "ledger", "verify").exit_code == 0


def test_doctor_says_what_is_missing(home: dict[str, str]) -> None:
    done = run(home, "doctor")
    assert done.exit_code == 1
    assert "MISSING  database" in done.output
    assert "ok       policies" in done.output


def test_doctor_says_whether_anybody_looks_after_keys_and_tables(home: dict[str, str]) -> None:
    run(home, "db", "upgrade")
    run(home, "keys", "rotate")
    assert "ok       upkeep: begins with the first start" in run(home, "doctor").output
    engine = create_engine(from_environ(home).database_url)
    with engine.begin() as connection:
        done = "INSERT INTO upkeep_job VALUES ('purge', '2026-06-01 12:00:00', '2026-06-01 12:00:00')"
        connection.exec_driver_sql(done)
    assert "ok       upkeep: tables last purged 2026-06-01T12:00" in run(home, "doctor").output
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE signing_key SET activated_at = '2020-01-01 12:00:00'")
    engine.dispose()
    output = run(home, "doctor").output
    assert "MISSING  upkeep: no worker looks after the signing keys for ES256, PS256, RS256" in output


def test_wsgi_gives_the_application(home: dict[str, str]) -> None:
    run(home, "db", "upgrade")
    code = "import wsgi; print(wsgi.application.test_client().get('/healthz').status_code)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | home,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "200", done.stderr


def test_a_client_is_registered_by_its_certificate(home: dict[str, str], tmp_path: Path) -> None:
    run(home, "db", "upgrade")
    shown = issue()
    certificate, key = shown.write(tmp_path, "client")
    register = (
        "client",
        "register",
        "--role",
        "holder",
        "--name",
        "ERP",
        "--org",
        "0192:923609016",
        "--json",
    )
    subject = "CN=credit.bank.example.no,2.5.4.97=PSDNO-FSA-310041238,O=Nordhavn Bank ASA,C=NO"
    bound = "tls_client_certificate_bound_access_tokens"
    for more, expected in (
        (("--auth", "self_signed_tls_client_auth", "--certificate", str(certificate)), {bound: True}),
        (
            ("--auth", "tls_client_auth", "--certificate", str(certificate)),
            {bound: True, "tls_client_auth_subject_dn": subject},
        ),
        (("--auth", "tls_client_auth", "--tls-san-dns", "erp.example.no", "--dpop"), {bound: None}),
        (("--new-key", str(tmp_path / "k.jwk"), "--certificate-bound"), {bound: True}),
    ):
        done = run(home, *register, *more)
        assert done.exit_code == 0, done.output
        answer = json.loads(done.output)
        assert {name: answer.get(name) for name in expected} == expected
    for more, said in (
        (("--auth", "tls_client_auth"), "exactly one of"),
        (("--auth", "tls_client_auth", "--certificate", str(key)), "not a certificate in PEM"),
        (("--auth", "self_signed_tls_client_auth"), "--jwks FILE"),
        (("--auth", "tls_client_auth", "--tls-subject-dn", "a bank"), "tls_client_auth_subject_dn"),
    ):
        done = run(home, *register, *more)
        assert (done.exit_code, said in done.output) == (2, True), done.output
    assert run(home, "ledger", "replay").exit_code == 0


def test_authorities_that_can_t_be_read_are_said_by_the_doctor(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    done = run(home | {"CONSENT_MTLS_CA": str(tmp_path / "ca.pem")}, "doctor")
    assert "MISSING  client certificates: CONSENT_MTLS_CA can't be used" in done.output


def test_clients_with_certificates_need_a_name_of_their_own(home: dict[str, str], tmp_path: Path) -> None:
    run(home, "db", "upgrade")
    run(home, "keys", "rotate")
    certificate, key = issue().write(tmp_path, "server")
    same = home | {"CONSENT_MTLS_URL": "https://consent.example.no:8444"}
    done = run(same, "serve", "--tls-cert", str(certificate), "--tls-key", str(key))
    assert (done.exit_code, "another host name" in done.output) == (2, True), done.output


INVITE = ("client", "invite", "--role", "party", "--org", "0192:310041238", "--until", "2099-01-31")


def test_an_organisation_is_invited_and_its_token_is_shown_once(home: dict[str, str]) -> None:
    run(home, "db", "upgrade")
    unknown = run(home, *INVITE)
    assert (unknown.exit_code, "say its --name" in unknown.output) == (2, True)
    done = run(home, *INVITE, "--name", "Nordhavn Bank ASA", "--uses", "3", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert len(told["initial_access_token"]) >= 43
    assert told["registration_endpoint"] == "https://consent.example.no/oauth/register"
    assert told["initial_access_token"] not in Path(home["CONSENT_HOME"], "consent.db").read_bytes().decode(
        "latin-1"
    )
    again = run(home, *INVITE)
    assert (again.exit_code, "shown this once" in again.output) == (0, True)
    assert run(home, "client", "uninvite", told["invitation_id"]).exit_code == 0
    assert run(home, "client", "uninvite", "none").exit_code == 2


@pytest.mark.parametrize("change", [("--until", "2020-01-31"), ("--profile", "oidc"), ("--org", "nonsense")])
def test_an_invitation_that_lets_nothing_in_is_refused(home: dict[str, str], change: tuple[str, ...]) -> None:
    run(home, "db", "upgrade")
    assert run(home, *INVITE, "--name", "Nordhavn Bank ASA", *change).exit_code == 2


def test_a_client_is_ended_once(home: dict[str, str], tmp_path: Path) -> None:
    run(home, "db", "upgrade")
    _, answer = registered(home, tmp_path, "--role", "holder")
    done = run(home, "client", "end", answer["client_id"])
    assert (done.exit_code, "has ended" in done.output) == (0, True)
    assert run(home, "client", "end", answer["client_id"]).exit_code == 2


def test_a_file_of_software_issuers_that_can_not_be_read_stops_the_start(
    home: dict[str, str], tmp_path: Path
) -> None:
    run(home, "db", "upgrade")
    wrong = {"CONSENT_SOFTWARE_ISSUERS": str(tmp_path / "none.json")}
    from consent_service.app import create_app

    with pytest.raises(ConfigurationError, match="CONSENT_SOFTWARE_ISSUERS"):
        create_app(from_environ(home | wrong))
