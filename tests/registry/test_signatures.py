"""Signatory rights (the Nordic programme's model): which sets of people bind an organisation."""

from __future__ import annotations

import datetime as dt
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.registry.extract import Extract, LegalStatus, acts_alone_as, find, roles_of
from consent_service.registry.model import NationalIdentity, OrganisationRole
from consent_service.registry.signatures import (
    Post,
    Power,
    Quantifier,
    Requirement,
    Signatory,
    SignatoryRule,
    SignatureRules,
)
from consent_service.registry.wording import extract_document, extract_of, rights_of

OWNER = "0192:310028142"
BORN = dt.date(1970, 1, 31)
ANE, BO, CARL, DAN = (
    Signatory(name, dt.date(1970, 1, day)) for day, name in enumerate(("Ane", "Bo", "Carl", "Dan"), 1)
)
BOARD = Post(OrganisationRole.BOARD_MEMBER, "Styremedlem", (BO, CARL, DAN))
CHAIR = Post(OrganisationRole.CHAIR, "Styrets leder", (ANE,))
DIRECTOR = Post(OrganisationRole.MANAGING_DIRECTOR, "Daglig leder", (BO,))


def rule(*requirements: Requirement, power: Power = Power.SIGNATURE) -> SignatoryRule:
    return SignatoryRule("", power, requirements)


def rules(*some: SignatoryRule) -> SignatureRules:
    return SignatureRules(OWNER, "", some)


def extract(*some: SignatoryRule, status: LegalStatus = LegalStatus.REGISTERED) -> Extract:
    return Extract(OWNER, "Prøve AS", status, (CHAIR, BOARD, DIRECTOR), rules(*some))


CHAIR_ALONE = rule(Requirement(Quantifier.ALONE, CHAIR))
CHAIR_AND_ONE = rule(Requirement(Quantifier.ONE_OF, CHAIR), Requirement(Quantifier.ONE_OF, BOARD))
TWO_JOINTLY = rule(Requirement(Quantifier.TWO_OF, BOARD))


def test_alone_is_one_holder_of_the_post_and_nobody_else() -> None:
    assert rules(CHAIR_ALONE).alone(ANE)
    assert not rules(CHAIR_ALONE).alone(BO)
    assert rules(CHAIR_ALONE).bound_by([ANE, BO])


def test_two_jointly_is_any_two_and_never_one() -> None:
    assert all(rules(TWO_JOINTLY).bound_by(pair) for pair in combinations((BO, CARL, DAN), 2))
    assert not any(rules(TWO_JOINTLY).alone(one) for one in (ANE, BO, CARL, DAN))
    assert not rules(TWO_JOINTLY).bound_by([BO, BO])
    assert not rules(TWO_JOINTLY).bound_by([ANE, BO])
    assert rules(TWO_JOINTLY).jointly(BO) == (TWO_JOINTLY,)
    assert rules(TWO_JOINTLY).jointly(ANE) == ()


def test_the_chair_and_one_member_jointly_are_two_people() -> None:
    assert rules(CHAIR_AND_ONE).bound_by([ANE, CARL])
    assert not rules(CHAIR_AND_ONE).bound_by([BO, CARL])
    both = Post(OrganisationRole.BOARD_MEMBER, "Styremedlem", (ANE, BO))
    same = rule(Requirement(Quantifier.ONE_OF, CHAIR), Requirement(Quantifier.ONE_OF, both))
    assert not rules(same).bound_by([ANE]), "who holds both posts counts once"
    assert rules(same).bound_by([BO, ANE])


def test_who_is_needed_next() -> None:
    both = rules(CHAIR_AND_ONE, TWO_JOINTLY)
    assert both.needed([ANE]) == {BO, CARL, DAN}
    assert both.needed([BO]) == {ANE, CARL, DAN}
    assert both.needed([ANE, BO]) == frozenset()
    assert rules(CHAIR_ALONE).needed([BO]) == frozenset()


@pytest.mark.parametrize(
    ("quantifier", "enough"), [(Quantifier.MAJORITY_OF, 2), (Quantifier.ALL_OF, 3), (Quantifier.THREE_OF, 3)]
)
def test_majority_and_all_follow_the_number_of_holders(quantifier: Quantifier, enough: int) -> None:
    joint = rules(rule(Requirement(quantifier, BOARD)))
    assert joint.bound_by([BO, CARL, DAN][:enough])
    assert not joint.bound_by([BO, CARL, DAN][: enough - 1])


def test_what_nobody_holds_or_too_few_hold_binds_nobody() -> None:
    empty = Post(OrganisationRole.CHAIR, "", ())
    for quantifier in Quantifier:
        assert not rules(rule(Requirement(quantifier, empty))).bound_by([ANE, BO, CARL, DAN])
    assert not rules(rule(Requirement(Quantifier.FOUR_OF, BOARD))).bound_by([ANE, BO, CARL, DAN])
    assert not rules(rule()).bound_by([ANE])
    assert not rules().alone(ANE)
    assert rules(rule()).sets() == []


def test_the_sets_that_can_bind() -> None:
    assert {frozenset(keys) for keys in rules(CHAIR_AND_ONE, CHAIR_ALONE).sets()} == {frozenset({ANE.key})}
    assert len(rules(TWO_JOINTLY).sets()) == 3


@given(
    st.lists(
        st.tuples(
            st.sampled_from([one for one in Quantifier if one is not Quantifier.ALONE]),
            st.sets(st.integers(0, 5)),
        ),
        max_size=3,
    ),
    st.sets(st.integers(0, 5)),
)
def test_a_set_binds_exactly_when_it_holds_one_of_the_sets(
    wanted: list[tuple[Quantifier, set[int]]], signing: set[int]
) -> None:
    people = [Signatory(str(number)) for number in range(6)]
    one = rules(
        rule(
            *(
                Requirement(
                    name, Post(OrganisationRole.OTHER, "", tuple(people[number] for number in holders))
                )
                for name, holders in wanted
            )
        )
    )
    keys = {people[number].key for number in signing}
    assert bool(one.bound_by([people[number] for number in signing])) == any(
        some <= keys for some in one.sets()
    )


def test_roles_that_sign_only_jointly_do_not_act_alone() -> None:
    assert acts_alone_as(extract(TWO_JOINTLY, CHAIR_AND_ONE), BO) is None
    assert roles_of(extract(TWO_JOINTLY), BO) == (
        OrganisationRole.MANAGING_DIRECTOR,
        OrganisationRole.BOARD_MEMBER,
    )
    assert acts_alone_as(extract(CHAIR_ALONE), ANE) is OrganisationRole.CHAIR


@pytest.mark.parametrize("status", [LegalStatus.DISSOLVED, LegalStatus.MERGED])
def test_nobody_acts_for_what_is_not_there_any_more(status: LegalStatus) -> None:
    assert acts_alone_as(extract(CHAIR_ALONE, status=status), ANE) is None


def identity(
    name: str = "Ane", number: str = "1", birth: dt.date | None = ANE.birth_date, country: str | None = "NO"
) -> NationalIdentity:
    return NationalIdentity("https://eid.example", "s", name, number, birth_date=birth, country=country)


def with_people(*people: Signatory) -> Extract:
    post = Post(OrganisationRole.CHAIR, "", people)
    return Extract(
        OWNER, "", LegalStatus.REGISTERED, (post,), rules(rule(Requirement(Quantifier.ALONE, post)))
    )


def test_a_person_is_found_by_number_where_the_register_gives_it() -> None:
    found = find(
        with_people(Signatory("Someone Else", None, "0102 70-12345")), identity(number="010270 12345"), "NO"
    )
    assert found is not None
    assert found.by_number


def test_another_number_is_another_person_whatever_the_name() -> None:
    namesake = Signatory("Ane", ANE.birth_date, "999")
    assert find(with_people(namesake), identity(), "NO") is None
    assert find(with_people(namesake), identity(country="SE"), "NO") is None


def test_a_number_of_another_country_is_never_compared() -> None:
    assert find(with_people(Signatory("Xenia", None, "1")), identity(country="DK"), "IS") is None
    assert find(with_people(Signatory("Xenia", None, "1")), identity(country=None), "IS") is None
    assert find(with_people(Signatory("Xenia", None, "1")), identity(country="DK"), None) is not None


@pytest.mark.parametrize(
    ("name", "birth", "same"),
    [
        ("ANE  Marie-Berg", BORN, True),
        ("Ane Marie Berg", BORN, True),
        ("Ane Berg", BORN, False),
        ("Åne Marie Berg", BORN, False),
        ("Berg Ane Marie", BORN, False),
        ("Ane Marie Berg", dt.date(1970, 1, 30), False),
        ("Ane Marie Berg", None, False),
    ],
)
def test_without_a_number_full_name_and_date_of_birth_must_both_be_equal(
    name: str, birth: dt.date | None, *, same: bool
) -> None:
    found = find(with_people(Signatory("Ane Marie Berg", BORN)), identity(name, birth=birth), "NO")
    assert (found is not None) == same
    assert found is None or not found.by_number


def test_two_who_could_both_be_meant_are_nobody() -> None:
    assert find(with_people(ANE, ANE), identity(), "NO") is None


def test_a_post_without_a_date_of_birth_is_nobody_s_by_name() -> None:
    assert find(with_people(Signatory("Ane")), identity(), "NO") is None


def test_an_extract_is_kept_in_the_programme_s_words() -> None:
    firm = Signatory("Revisjon AS", organisation="0192:310034568")
    auditor = Post(OrganisationRole.AUDITOR, "Revisor", (firm,))
    numbered = Post(OrganisationRole.SIGNATORY, "Signatur", (Signatory("Eva", None, "7"),))
    whole = Extract(
        OWNER,
        "Prøve AS",
        LegalStatus.LIQUIDATION,
        (CHAIR, BOARD, auditor),
        SignatureRules(
            OWNER,
            "Styrets leder alene.",
            (
                CHAIR_ALONE,
                CHAIR_AND_ONE,
                rule(Requirement(Quantifier.ALL_OF, numbered), power=Power.PROCURATION),
            ),
            complete=False,
        ),
    )
    assert extract_of(extract_document(whole)) == whole


def test_a_rule_in_words_of_tomorrow_binds_nobody() -> None:
    post = {"role": {"notation": "chair"}, "heldByPerson": [{"fullName": "Ane"}]}
    known = rights_of(
        OWNER, {"signatoryRules": [{"alone": [post], "notBefore": "2030-01-01"}, {"oneOf": [post]}]}
    )
    assert not known.complete
    assert len(known.rules) == 1
