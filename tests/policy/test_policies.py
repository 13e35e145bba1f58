"""Each rule of ``policies/`` alone: from a case that is permitted, one thing changed, one reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from consent_service.grants.model import Access, Frequency, Grant, Mode, Period, Status, Terms, Unit
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.model import Decision, EvaluationRequest, Facts, HolderFacts, PartyFacts

POLICIES = Path(__file__).parents[2] / "policies"
POLICY_SET = PolicySet.load(POLICIES)
NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
END = dt.datetime(2027, 1, 31, tzinfo=dt.UTC)
LOCATION = "https://erp.example.no/api"

TERMS = Terms(
    owner="0192:923609016",
    purpose="credit_assessment",
    datatypes=("trial_balance", "financial_statement"),
    actions=("read",),
    locations=(LOCATION,),
    period=Period(dt.date(2024, 1, 1), dt.date(2025, 12, 31)),
    access=Access(Mode.STANDING, END),
    retention="P90D",
    onward_sharing=(),
    legal_basis="consent",
)
GRANT = Grant("g1", 1, "0192:923609016", "0192:984851006", "bank", TERMS, Status.ACTIVE, NOW, "e1")
PROPERTIES = {"owner": "0192:923609016", "holder": "erp", "from": "2025-01-01", "to": "2025-06-30"}
REQUEST = EvaluationRequest(
    subject_type="party",
    subject_id="bank",
    action="read",
    resource_type="dataset",
    resource_id="trial_balance",
    resource_properties=PROPERTIES,
    context={"purpose": "credit_assessment", "grant_id": "g1", "token_jti": "t1"},
)
PARTY = PartyFacts("bank", "0192:984851006", "active")
HOLDER = HolderFacts("erp", "active", frozenset({LOCATION}))
NEEDED = frozenset({"trial_balance", "financial_statement"})


@dataclass(frozen=True)
class Case:
    """All that a decision is made of."""

    request: EvaluationRequest = REQUEST
    grant: Grant | None = GRANT
    party: PartyFacts | None = PARTY
    facts: Facts = field(default=Facts(NOW, HOLDER, 0, NEEDED))

    def decide(self) -> Decision:
        return decide(self.request, self.grant, self.party, POLICY_SET, self.facts)

    def properties(self, **changes: Any) -> Case:
        kept = {name: value for name, value in (PROPERTIES | changes).items() if value is not None}
        return replace(self, request=replace(self.request, resource_properties=kept))

    def context(self, **changes: Any) -> Case:
        return replace(self, request=replace(self.request, context={**self.request.context, **changes}))

    def terms(self, **changes: Any) -> Case:
        assert self.grant
        return replace(self, grant=replace(self.grant, terms=replace(self.grant.terms, **changes)))

    def fact(self, **changes: Any) -> Case:
        return replace(self, facts=replace(self.facts, **changes))

    def holder(self, **changes: Any) -> Case:
        return self.fact(holder=replace(self.facts.holder, **changes))


BASE = Case()


def status(of: Status) -> Case:
    return replace(BASE, grant=replace(GRANT, status=of))


def recurring(value: int) -> Access:
    return Access(Mode.RECURRING, END, Frequency(Unit.DAY, value))


def test_what_the_owner_granted_is_permitted() -> None:
    decision = BASE.decide()
    assert decision
    assert [reason.policy for reason in decision.reasons] == ["grant-allows-read"]
    assert decision.policy_digest == POLICY_SET.digest


PERMITTED = {
    "the whole period": BASE.properties(**{"from": "2024-01-01", "to": "2025-12-31"}),
    "one day": BASE.properties(**{"from": "2024-01-01", "to": "2024-01-01"}),
    "no purpose named": replace(BASE, request=replace(REQUEST, context={})),
    "the last moment": BASE.fact(time=END - dt.timedelta(milliseconds=1)),
    "the same moment in another zone": BASE.fact(time=NOW.astimezone(dt.timezone(dt.timedelta(hours=9)))),
    "the first read of once": BASE.terms(access=Access(Mode.ONCE, END)),
    "the last of four": BASE.terms(access=recurring(4)).fact(reads=3),
    "the thousandth of a standing one": BASE.fact(reads=1000),
    "one location of two": BASE.terms(locations=("https://other.example", LOCATION)),
}


@pytest.mark.parametrize("name", PERMITTED)
def test_permitted(name: str) -> None:
    assert PERMITTED[name].decide(), name


ALONE: dict[str, tuple[str, Case]] = {
    "taken back": ("grant-revoked", status(Status.REVOKED)),
    "used up": ("grant-used-up", status(Status.EXHAUSTED)),
    "never opened": ("grant-active", status(Status.OPEN)),
    "declined": ("grant-active", status(Status.DECLINED)),
    "ended by its state": ("grant-ended", status(Status.EXPIRED)),
    "ended by the clock": ("grant-ended", BASE.fact(time=END)),
    "long over": ("grant-ended", BASE.fact(time=END + dt.timedelta(days=900))),
    "another client of the same party": (
        "party-matches",
        replace(BASE, grant=replace(GRANT, client_id="b2")),
    ),
    "a client that changed hands": ("party-matches", replace(BASE, grant=replace(GRANT, party="0192:1"))),
    "another owner": ("owner-matches", BASE.properties(owner="0192:974760673")),
    "another purpose": ("purpose-matches", BASE.context(purpose="supplier_onboarding")),
    "another grant": ("grant-id-matches", BASE.context(grant_id="g2")),
    "not among the data sets": ("data-set-granted", BASE.terms(datatypes=("financial_statement",))),
    "no action granted": ("action-granted", BASE.terms(actions=())),
    "another action granted": ("action-granted", BASE.terms(actions=("write",))),
    "a day too early": ("period-covered", BASE.properties(**{"from": "2023-12-31"})),
    "a day too late": ("period-covered", BASE.properties(to="2026-01-01")),
    "backwards": ("period-covered", BASE.properties(**{"from": "2025-07-01"})),
    "no from": ("period-covered", BASE.properties(**{"from": None})),
    "no to": ("period-covered", BASE.properties(to=None)),
    "an hour too late": ("period-covered", BASE.properties(to="2025-12-31T01:00:00.000Z")),
    "the second read of once": ("limit-reached", BASE.terms(access=Access(Mode.ONCE, END)).fact(reads=1)),
    "the fifth of four": ("limit-reached", BASE.terms(access=recurring(4)).fact(reads=4)),
    "recurring, but how often was never said": (
        "limit-reached",
        BASE.terms(access=Access(Mode.RECURRING, END)),
    ),
    "suspended party": ("party-active", replace(BASE, party=replace(PARTY, status="suspended"))),
    "suspended holder": ("holder-active", BASE.holder(status="suspended")),
    "a holder asks for another": ("holder-is-caller", BASE.holder(client_id="erp2")),
    "the holder serves nothing of the grant's": ("holder-serves", BASE.holder(serves=frozenset())),
    "the holder serves another place": (
        "holder-serves",
        BASE.holder(serves=frozenset({"https://other.example"})),
    ),
    "the purpose does not need it": (
        "purpose-allows-data-set",
        BASE.fact(purpose_data_sets=frozenset({"financial_statement"})),
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_thing_changed_is_denied_for_that_one_reason(name: str) -> None:
    policy, case = ALONE[name]
    decision = case.decide()
    assert not decision
    assert [reason.policy for reason in decision.reasons] == [policy]
    assert decision.obligations == ()


def test_every_policy_is_shown_alone() -> None:
    shown = {policy for policy, _case in ALONE.values()} | {"grant-allows-read"}
    assert {reason.policy for reason in POLICY_SET.reasons.values()} == shown


def test_unregistered_party_is_denied() -> None:
    reasons = {reason.policy for reason in replace(BASE, party=None).decide().reasons}
    assert reasons == {"party-matches", "party-active"}


def test_facts_of_another_party_do_not_speak_for_the_subject() -> None:
    borrowed = replace(BASE, party=replace(PARTY, client_id="other"))
    assert "party-active" in {reason.policy for reason in borrowed.decide().reasons}


def test_reasons_come_in_one_order_with_the_grants_state_first() -> None:
    case = replace(status(Status.REVOKED), party=replace(PARTY, status="suspended"))
    case = case.properties(owner="0192:1", to=None).fact(purpose_data_sets=frozenset())
    ids = [reason.policy for reason in case.decide().reasons]
    assert ids == [
        "grant-revoked",
        "owner-matches",
        "period-covered",
        "party-active",
        "purpose-allows-data-set",
    ]


def test_no_grant_is_the_first_reason() -> None:
    decision = replace(BASE, grant=None).decide()
    assert not decision
    assert decision.reasons[0].policy == "no-grant"
    with_more = replace(BASE, grant=None).holder(status="suspended").decide()
    assert [reason.policy for reason in with_more.reasons] == ["no-grant", "holder-active"]


@pytest.mark.parametrize(
    ("forged", "still"),
    [
        ({"grant": {"status": "active", "party": "bank"}}, "no-grant"),
        ({"caller": {"client_id": "erp", "status": "active", "serves": [LOCATION]}}, "no-grant"),
    ],
)
def test_a_grant_in_the_request_is_nobodys_word(forged: dict[str, Any], still: str) -> None:
    assert replace(BASE, grant=None).context(**forged).decide().reasons[0].policy == still


FORGED: dict[str, tuple[Case, dict[str, Any], str]] = {
    "time": (BASE.fact(time=END), {"time": "2026-01-01"}, "grant-ended"),
    "reads": (BASE.terms(access=Access(Mode.ONCE, END)).fact(reads=1), {"reads": 0}, "limit-reached"),
    "caller": (
        BASE.holder(status="suspended"),
        {"caller": {"client_id": "erp", "status": "active"}},
        "holder-active",
    ),
    "grant": (status(Status.REVOKED), {"grant": {"status": "active"}}, "grant-revoked"),
    "catalogue": (
        BASE.fact(purpose_data_sets=frozenset()),
        {"purpose_data_sets": ["trial_balance"]},
        "purpose-allows-data-set",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_we_state_wins_over_the_request(name: str) -> None:
    case, context, policy = FORGED[name]
    assert [reason.policy for reason in case.context(**context).decide().reasons] == [policy]


def test_a_party_can_not_describe_itself() -> None:
    case = replace(BASE, party=replace(PARTY, status="suspended"))
    flattered = replace(
        case.request, subject_properties={"status": "active", "organisation": "0192:984851006"}
    )
    assert not replace(case, request=flattered).decide()


HOSTILE = [
    'bank" || true || "',
    "bank\0",
    "bank\n",
    "",
    "bank\ud800",
    "🏦" * 500,
    'party::"bank"',
    "__entity",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_names(name: str) -> None:
    changed: list[Callable[[], Decision]] = [
        replace(BASE, request=replace(REQUEST, subject_id=name)).decide,
        replace(BASE, request=replace(REQUEST, resource_id=name)).decide,
        replace(BASE, request=replace(REQUEST, action=name)).decide,
        replace(BASE, request=replace(REQUEST, subject_type=name)).decide,
        replace(BASE, request=replace(REQUEST, resource_type=name)).decide,
        BASE.properties(owner=name).decide,
        BASE.properties(holder=name).decide,
        BASE.context(purpose=name).decide,
    ]
    assert not any(ask() for ask in changed)


WRONG = [2**70, -(2**70), 1.5, True, [], {}, [["x"]], {"__entity": {"type": "party", "id": "bank"}}]
WRONG += [
    {"__extn": {"fn": "datetime", "arg": "2025-01-01"}},
    "2025-02-30",
    "２０２５-01-01",
    "2025-01-01\n",
    "0000-01-01",
]


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_wrong_type_is_a_reason_that_names_the_member(value: object) -> None:
    decision = BASE.properties(**{"from": value}).decide()
    assert not decision
    assert [reason.policy for reason in decision.reasons] == ["malformed-request"]
    assert "resource.properties.from" in decision.reasons[0].text


@pytest.mark.parametrize("member", ["owner", "holder"])
def test_a_missing_member_is_a_reason_that_names_it(member: str) -> None:
    decision = BASE.properties(**{member: None}).decide()
    assert [reason.policy for reason in decision.reasons] == ["malformed-request"]
    assert f"resource.properties.{member} must be given" in decision.reasons[0].text


def test_null_counts_as_not_given() -> None:
    assert BASE.context(purpose=None, grant_id=None).decide()


def test_obligations_of_a_permit() -> None:
    kept, purpose = BASE.decide().obligations
    assert (kept.type, kept.properties) == ("delete_after", {"duration": "P90D"})
    assert (purpose.type, purpose.properties) == ("use_only_for", {"purpose": "credit_assessment"})
    look = BASE.terms(retention="P0D").decide().obligations[0]
    assert (look.type, look.properties) == ("do_not_store", {})


def test_every_policy_says_why_in_plain_words() -> None:
    for reason in POLICY_SET.reasons.values():
        assert 10 < len(reason.text) <= 160, reason.policy
        assert reason.text[0].isupper()
        assert reason.text.endswith(".")
        assert not {"token", "client", "scope", "claim"} & set(reason.text.lower().split())


def test_every_policy_has_a_title() -> None:
    for path in POLICIES.glob("*.cedar"):
        text = path.read_text("utf-8")
        assert text.count("@id(") == text.count("@title(") == text.count("@explanation("), path.name
