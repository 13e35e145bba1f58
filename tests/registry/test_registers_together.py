"""All registers together: which is asked, what is remembered, and what happens when one is down."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

import pytest
from flask import Response, jsonify
from sqlalchemy import Engine, text

from consent_service.config import RegisterAccess, from_environ
from consent_service.errors import ConfigurationError
from consent_service.registry.model import REPRESENTATION_LIFE, NationalIdentity, OrganisationRole
from consent_service.registry.registers import asking
from consent_service.registry.registers.asking import Asker, Token
from consent_service.registry.registers.base import NoRegister, RegisterUnavailable
from consent_service.registry.registers.memory import FIRST_PAUSE, LONGEST_PAUSE, Memory
from consent_service.registry.registers.norway import Norway
from consent_service.registry.registers.together import LATELY, Registers
from tests.nations import Nation
from tests.registry.conftest import Odd

OWNER, HAUGE, ELSAS, SIGRIDURS = "0192:310028142", "0192:310034568", "0007:5599980108", "0196:7112999550"
NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
INGRID = NationalIdentity(
    "", "", "Ingrid Hauge", "TEST-NO-0001", birth_date=dt.date(1979, 4, 12), country="NO"
)
MARTE = NationalIdentity(
    "", "", "Marte Solberg", "TEST-NO-0003", birth_date=dt.date(1988, 8, 21), country="NO"
)
ELSA = NationalIdentity(
    "", "", "Elsa Lindqvist", "TEST-SE-0001", birth_date=dt.date(1983, 6, 30), country="SE"
)
SIGRIDUR = NationalIdentity("", "", "Sigríður Jónsdóttir", "TEST-IS-0001", country="IS")


def minutes(number: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=number)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers that are slow are found to be so at once."""
    for name, seconds in (("CONNECT", 0.3), ("READ", 0.3), ("TOTAL", 0.8)):
        monkeypatch.setattr(asking, name, seconds)
    monkeypatch.setattr(asking, "PAUSES", (0.01, 0.02))


def test_each_organisation_s_register_is_its_country_s(nation: Nation) -> None:
    both = nation.registers("NO", "SE")
    assert both.look(OWNER, NOW).source == "Enhetsregisteret"
    assert both.look(ELSAS, NOW).source == "Bolagsverket"
    assert both.covers(OWNER)
    assert not both.covers(SIGRIDURS)
    with pytest.raises(RegisterUnavailable):
        both.look(SIGRIDURS, NOW)
    assert nation.registers("NO", otherwise=True).look(SIGRIDURS, NOW).source == "the sandbox register"


def test_a_person_s_organisations_come_from_the_registers_that_can_be_asked_so(nation: Nation) -> None:
    every = nation.registers("NO", "SE", "DK", "FI", "IS")
    [role] = every.roles_of(ELSA, (), NOW).roles
    assert (role.organisation, role.role, role.by_number, role.source) == (
        ELSAS,
        OrganisationRole.MANAGING_DIRECTOR,
        True,
        "Bolagsverket",
    )
    [role] = every.roles_of(SIGRIDUR, (), NOW).roles
    assert role.organisation == SIGRIDURS
    assert every.roles_of(INGRID, (), NOW).roles == (), "Norway's can't be searched by person"


def test_where_a_register_can_t_be_searched_the_person_says_for_whom_they_act(nation: Nation) -> None:
    norway = nation.registers("NO")
    [role] = norway.roles_of(INGRID, [OWNER], NOW).roles
    assert (role.role, role.by_number) == (OrganisationRole.MANAGING_DIRECTOR, False)
    assert norway.role_in(INGRID, HAUGE, NOW, fresh=True) is not None
    assert norway.role_in(INGRID, "0192:310060011", NOW, fresh=True) is None


def test_who_signs_only_jointly_gets_no_role_anywhere(nation: Nation) -> None:
    assert nation.registers("NO").roles_of(MARTE, [OWNER], NOW).roles == ()
    assert nation.registers(otherwise=True).roles_of(MARTE, (), NOW).roles == ()


def test_what_was_said_lately_is_not_asked_again_and_its_age_is_told(nation: Nation, engine: Engine) -> None:
    norway = nation.registers("NO", engine=engine)
    assert norway.signatories(OWNER, NOW).at == NOW
    nation.set_status(OWNER, "bankrupt")
    lately = norway.signatories(OWNER, NOW + LATELY)
    assert lately.at == NOW
    assert lately.extract is not None
    assert lately.extract.status == "registered"
    assert nation.registers("NO", engine=engine).signatories(OWNER, minutes(3)).at == NOW, "workers share it"
    later = norway.signatories(OWNER, NOW + LATELY + dt.timedelta(seconds=1))
    assert later.extract is not None
    assert later.extract.status == "bankrupt"


def test_what_depends_on_the_moment_is_asked_at_the_moment(nation: Nation, engine: Engine) -> None:
    norway = nation.registers("NO", engine=engine)
    assert norway.role_in(INGRID, OWNER, NOW, fresh=True)
    nation.set_roles("ingrid")
    assert norway.role_in(INGRID, OWNER, minutes(1), fresh=False), "said a minute ago"
    assert norway.role_in(INGRID, OWNER, minutes(1), fresh=True) is None
    assert norway.role_in(INGRID, OWNER, minutes(2), fresh=False) is None, "and remembered"


def test_an_extract_lies_sealed_and_another_secret_opens_nothing(nation: Nation, engine: Engine) -> None:
    nation.registers("NO", engine=engine).look(OWNER, NOW)
    with engine.connect() as connection:
        [row] = connection.execute(text("SELECT * FROM register_answer")).mappings().all()
    assert "Hauge" not in str(dict(row))
    assert Memory(engine, "k" * 40).last(OWNER) is not None
    assert Memory(engine, "x" * 40).last(OWNER) is None


def down(odd: Odd, engine: Engine) -> Registers:
    return Registers({"0192": Norway(odd.url)}, None, Memory(engine, "k" * 40))


@pytest.mark.usefixtures("impatient")
def test_when_a_register_is_down_what_it_said_goes_on_for_an_hour(
    nation: Nation, odd: Odd, engine: Engine
) -> None:
    nation.registers("NO", engine=engine).look(OWNER, NOW)
    gone = down(odd, engine)
    assert gone.signatories(OWNER, NOW + REPRESENTATION_LIFE).at == NOW
    [role] = gone.roles_of(INGRID, [OWNER], NOW + REPRESENTATION_LIFE).roles
    assert role.checked_at == NOW, "it does not become younger"
    with pytest.raises(RegisterUnavailable):
        gone.signatories(OWNER, NOW + REPRESENTATION_LIFE + dt.timedelta(minutes=10))
    with pytest.raises(RegisterUnavailable):
        gone.role_in(INGRID, HAUGE, minutes(30), fresh=False), "a new one waits"


@pytest.mark.usefixtures("impatient")
def test_one_that_is_down_is_told_apart_from_one_that_says_no(nation: Nation, odd: Odd) -> None:
    mixed = Registers({"0192": Norway(odd.url), "0007": nation.adapter("SE")}, None)
    found = mixed.roles_of(ELSA, [OWNER, ELSAS], NOW)
    assert [role.organisation for role in found.roles] == [ELSAS]
    assert found.unanswered == {OWNER}
    with pytest.raises(RegisterUnavailable):
        Registers({"0192": Norway(odd.url)}, None).roles_of(INGRID, [OWNER], NOW)


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_in_vain_for_a_register_that_was_found_down_a_moment_ago(
    odd: Odd, engine: Engine
) -> None:
    for _ in range(2):  # another worker, the same tables
        with pytest.raises(RegisterUnavailable):
            down(odd, engine).look(OWNER, NOW)
    assert len(odd.asked) == 3, "three tries, and then none"
    with pytest.raises(RegisterUnavailable):
        down(odd, engine).look(OWNER, NOW + FIRST_PAUSE)
    assert len(odd.asked) == 6
    with pytest.raises(RegisterUnavailable):
        down(odd, engine).look(OWNER, NOW + FIRST_PAUSE * 2)
    assert len(odd.asked) == 6, "the pause doubles"
    odd.answer = lambda path: Response(status=404)
    assert down(odd, engine).look(OWNER, NOW + LONGEST_PAUSE * 2).extract is None
    assert Memory(engine, "k" * 40).reached("Enhetsregisteret").failures == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["slow", "dripping", "endless", "garbage", "redirect", "refused", "gone"])
def test_a_register_that_misbehaves_is_unavailable_and_soon(odd: Odd, how: str) -> None:
    def slow(path: str) -> Response:
        time.sleep(1.5)
        return jsonify({})

    def drip() -> Iterator[bytes]:
        for _ in range(50):
            time.sleep(0.1)
            yield b" "

    odd.answer = {
        "slow": slow,
        "dripping": lambda path: Response(drip()),
        "endless": lambda path: Response(b" " * 65_536 for _ in range(100)),
        "garbage": lambda path: Response("<html>" * 10),
        "redirect": lambda path: Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        "refused": lambda path: Response(status=403),
        "gone": lambda path: Response(status=500),
    }[how]
    begun = time.monotonic()
    with pytest.raises(RegisterUnavailable) as refused:
        Norway(odd.url).extract(OWNER, NOW.date())
    assert time.monotonic() - begun < 3
    assert refused.value.status == 503
    assert "310028142" not in str(refused.value.detail)
    assert len(odd.asked) == {"slow": 3, "gone": 3, "dripping": 1}.get(how, 1)


def test_a_passing_failure_is_tried_again(odd: Odd) -> None:
    answers = [Response(status=503), Response(status=429), Response('{"ok": true}')]
    odd.answer = lambda path: answers.pop(0)
    paused: list[float] = []
    assert Asker("x", odd.url, pause=paused.append).get("/a").document == {"ok": True}
    assert paused == [0.0, *asking.PAUSES]


def test_a_token_is_kept_until_shortly_before_its_end(odd: Odd) -> None:
    lives = [3600, 61]
    odd.answer = lambda path: jsonify(access_token=f"t{len(odd.asked)}", expires_in=lives[len(odd.asked) - 1])
    token = Token(Asker("x", f"{odd.url}/token"), "id", "secret", "read")
    assert token() == token() == {"Authorization": "Bearer t1"}
    odd.answer = lambda path: jsonify(error="invalid_client")
    with pytest.raises(RegisterUnavailable):
        Token(Asker("x", f"{odd.url}/token"), "id", "secret", "read")()


def test_no_register_lets_nobody_act() -> None:
    nobody = NoRegister()
    assert not nobody.covers(OWNER)
    assert nobody.look(OWNER, NOW).extract is None
    assert nobody.signatories(OWNER, NOW).extract is None
    assert nobody.role_in(INGRID, OWNER, NOW, fresh=True) is None
    assert nobody.roles_of(INGRID, [OWNER], NOW).roles == ()


BASE = {"CONSENT_ISSUER": "http://localhost:1", "CONSENT_SECRET_KEY": "k" * 40}


def test_the_settings_name_a_register_a_country() -> None:
    settings = from_environ(
        BASE
        | {
            "CONSENT_REGISTER_NO_URL": "https://data.brreg.no/",
            "CONSENT_REGISTER_DK_URL": "https://distribution.virk.dk",
            "CONSENT_REGISTER_DK_USER": "me",
            "CONSENT_REGISTER_DK_SECRET": "x",
            "CONSENT_EID_COUNTRY": "NO",
        }
    )
    assert settings.registers == (
        RegisterAccess("NO", "https://data.brreg.no"),
        RegisterAccess("DK", "https://distribution.virk.dk", user="me", secret="x"),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSENT_REGISTER_SE_SECRET", "x"),
        ("CONSENT_REGISTER_SE_TOKEN_URL", "https://a.example"),
        ("CONSENT_REGISTER_NO_URL", "http://data.brreg.no"),
        ("CONSENT_EID_COUNTRY", "Norway"),
    ],
)
def test_a_wrong_setting_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        from_environ(BASE | {name: value})
    assert name[:19] in str(refused.value)
