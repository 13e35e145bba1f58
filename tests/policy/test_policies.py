"""Each rule of ``policies/`` alone: from a case that is permitted, one thing changed, one reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from consent_service.grants.model import Access, Frequency, Grant, Mode, Period, Status, Terms, Unit
from consent_service.grants.proposal import Proposal
from consent_service.policy.engine import PolicySet, decide, decide_agreement
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
GRANT = Grant("g1", 1, "0192:923609016", "0192:984851006", "bank", TERMS, Status.ACTIVE, NOW, "e1", NOW)
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
PARTY = PartyFacts("bank", "0192:984851006", "active", frozenset({"credit"}))
HOLDER = HolderFacts("erp", "active", frozenset({LOCATION}))


@dataclass(frozen=True)
class Case:
    """All that a decision is made of."""

    request: EvaluationRequest = REQUEST
    grant: Grant | None = GRANT
    party: PartyFacts | None = PARTY
    facts: Facts = field(default=Facts(NOW, HOLDER, 0))

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

    def asked(self, data_set: str, *, purpose: str | None = None, confirmed: bool = False) -> Case:
        """The same question about another data set; ``confirmed`` where the owner agreed just now."""
        context = {**self.request.context, "purpose": purpose or (self.grant and self.grant.terms.purpose)}
        request = replace(self.request, resource_id=data_set, context=context)
        assert not confirmed or (self.grant and self.grant.given_at == NOW)
        return replace(self, request=request)

    def fact(self, **changes: Any) -> Case:
        return replace(self, facts=replace(self.facts, **changes))

    def holder(self, **changes: Any) -> Case:
        return self.fact(holder=replace(self.facts.holder, **changes))


BASE = Case()


SUPPLIER = BASE.terms(
    purpose="supplier_onboarding",
    datatypes=("financial_statement",),
    access=Access(Mode.ONCE, NOW + dt.timedelta(days=30)),
).asked("financial_statement", purpose="supplier_onboarding")
ACCOUNTING = BASE.terms(
    purpose="accounting_services", access=Access(Mode.STANDING, NOW + dt.timedelta(days=700))
).asked("trial_balance", purpose="accounting_services")
SWEDISH = "0007:5599980108"
LAW_TERMS = replace(
    TERMS,
    purpose="vat_reporting",
    datatypes=("vat_return",),
    access=Access(Mode.RECURRING, NOW + dt.timedelta(days=100), Frequency(Unit.DAY, 4)),
    legal_basis="no_tax",
)
LAW_GRANT = replace(GRANT, party="0192:974761076", terms=LAW_TERMS)
LAW_PARTY = PartyFacts("bank", "0192:974761076", "active")
LAW = replace(BASE, grant=LAW_GRANT, party=LAW_PARTY).asked("vat_return", purpose="vat_reporting")


def status(of: Status, reason: str = "") -> Case:
    return replace(BASE, grant=replace(GRANT, status=of, reason=reason))


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
    "to somebody to whom it may be passed on": BASE.terms(onward_sharing=("0192:1",)).context(
        recipients=["0192:1"]
    ),
    "one location of two": BASE.terms(locations=("https://other.example", LOCATION)),
}


@pytest.mark.parametrize("name", PERMITTED)
def test_permitted(name: str) -> None:
    assert PERMITTED[name].decide(), name


ALONE: dict[str, tuple[str, Case]] = {
    "taken back": ("grant-revoked", status(Status.REVOKED)),
    "handed back": ("grant-handed-back", status(Status.TERMINATED)),
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
    "the holder serves other owners": ("holder-serves-owner", BASE.holder(serves_owner=False)),
    "the holder serves nothing of the grant's": ("holder-serves", BASE.holder(serves=frozenset())),
    "the holder serves another place": (
        "holder-serves",
        BASE.holder(serves=frozenset({"https://other.example"})),
    ),
    "the purpose does not need it": (
        "purpose-allows-data-set",
        BASE.terms(datatypes=("payroll_summary",)).asked("payroll_summary", confirmed=True),
    ),
    "in dispute": ("grant-in-dispute", status(Status.SUSPENDED, "dispute")),
    "suspended for another reason": ("grant-suspended", status(Status.SUSPENDED, "operator")),
    "announced only": ("notice-given", status(Status.NOTIFIED)),
    "a law's access that has ended": ("grant-ended", status(Status.ENDED)),
    "passed on to somebody else": ("recipients-granted", BASE.context(recipients=["0192:1"])),
    "agreed to long ago, and it may tell of people": (
        "confirmation-fresh",
        ACCOUNTING.terms(datatypes=("general_ledger",), purpose="accounting_services")
        .asked("general_ledger", confirmed=True)
        .fact(time=NOW + dt.timedelta(days=367)),
    ),
    "no licence": ("party-licensed", replace(BASE, party=replace(PARTY, licences=frozenset()))),
    "another licence": ("party-licensed", replace(BASE, party=replace(PARTY, licences=frozenset({"tax"})))),
    "a purpose that is no longer published": (
        "purpose-known",
        BASE.terms(purpose="curiosity").context(purpose=None),
    ),
    "a legal basis that nobody published": ("legal-basis-fits", BASE.terms(legal_basis="se_magic")),
    "a longer period than the purpose allows": (
        "period-within-purpose",
        BASE.terms(period=Period(dt.date(2020, 1, 1), dt.date(2025, 12, 31))),
    ),
    "longer access than the purpose allows": (
        "access-within-purpose",
        BASE.terms(access=Access(Mode.STANDING, NOW + dt.timedelta(days=800))),
    ),
    "kept longer than the purpose allows": ("retention-within-purpose", BASE.terms(retention="P2Y")),
    "more often than the purpose allows": (
        "frequency-within-purpose",
        SUPPLIER.terms(access=Access(Mode.RECURRING, NOW + dt.timedelta(days=30), Frequency(Unit.HOUR, 1))),
    ),
    "standing, where the purpose sets a frequency": (
        "frequency-within-purpose",
        SUPPLIER.terms(access=Access(Mode.STANDING, NOW + dt.timedelta(days=30))),
    ),
    "passed on, where the purpose says no": (
        "onward-sharing-allowed",
        SUPPLIER.terms(onward_sharing=("0192:1",)),
    ),
    "an authority that the law does not name": (
        "law-names-authority",
        replace(
            LAW, party=replace(LAW_PARTY, organisation="0192:1"), grant=replace(LAW_GRANT, party="0192:1")
        ),
    ),
    "an owner of another country": (
        "law-of-the-owners-country",
        replace(
            LAW, grant=replace(LAW_GRANT, owner=SWEDISH, terms=replace(LAW_TERMS, owner=SWEDISH))
        ).properties(owner=SWEDISH),
    ),
    "once, where the law counts by the day": (
        "law-counts-alike",
        LAW.terms(access=Access(Mode.ONCE, NOW + dt.timedelta(days=100))),
    ),
    "by the month, where the law counts by the day": (
        "law-counts-alike",
        LAW.terms(access=Access(Mode.RECURRING, NOW + dt.timedelta(days=100), Frequency(Unit.MONTH, 4))),
    ),
    "a data set that the purpose needs and the law does not name": (
        "law-allows-data-set",
        LAW.terms(datatypes=("trial_balance",)).asked("trial_balance"),
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_thing_changed_is_denied_for_that_one_reason(name: str) -> None:
    policy, case = ALONE[name]
    decision = case.decide()
    assert not decision
    assert [reason.policy for reason in decision.reasons] == [policy]
    assert decision.obligations == ()


def test_a_law_opens_what_it_names_and_no_consent_is_asked() -> None:
    assert LAW.decide()
    assert LAW.fact(time=NOW + dt.timedelta(days=99)).decide()


PROPOSAL = Proposal(
    terms=TERMS,
    client_id="bank",
    organisation="0192:984851006",
    status="active",
    licences=frozenset({"credit"}),
    time=NOW,
)
BY_LAW = replace(PROPOSAL, terms=LAW_TERMS, organisation="0192:974761076", licences=frozenset())
LEDGER = replace(TERMS, purpose="accounting_services", datatypes=("general_ledger",))


def proposed(base: Proposal = PROPOSAL, **changes: Any) -> Proposal:
    return replace(base, terms=replace(base.terms, **changes))


def supplier(**changes: Any) -> Proposal:
    assert SUPPLIER.grant
    return proposed(replace(PROPOSAL, terms=SUPPLIER.grant.terms), **changes)


AGREED = {
    "a credit check": PROPOSAL,
    "no owner named yet": proposed(owner=None),
    "a law": BY_LAW,
    "a law, while it is disputed who acts for the owner": replace(BY_LAW, owner_disputed=True),
    "a sign-in of an hour ago, and nobody is told of": replace(
        PROPOSAL, signed_in_at=NOW - dt.timedelta(hours=1)
    ),
    "people may be told of, and the sign-in is fifteen minutes old": replace(
        PROPOSAL, terms=LEDGER, signed_in_at=NOW - dt.timedelta(minutes=15)
    ),
    "the last day that the purpose allows": proposed(
        access=Access(Mode.STANDING, dt.datetime(2027, 6, 1, 23, 59, 59, tzinfo=dt.UTC))
    ),
    "five years to the day": proposed(period=Period(dt.date(2021, 1, 1), dt.date(2025, 12, 31))),
}
NOT_AGREED: dict[str, tuple[str, Proposal]] = {
    "suspended party": ("party-active", replace(PROPOSAL, status="suspended")),
    "no licence": ("party-licensed", replace(PROPOSAL, licences=frozenset())),
    "unknown purpose": ("purpose-known", proposed(purpose="curiosity")),
    "not needed for the purpose": (
        "purpose-allows-data-sets",
        proposed(datatypes=("trial_balance", "payroll_summary")),
    ),
    "a law of another purpose": ("legal-basis-fits", proposed(legal_basis="se_magic")),
    "six years": (
        "period-within-purpose",
        proposed(period=Period(dt.date(2020, 1, 1), dt.date(2025, 12, 31))),
    ),
    "five years and a day": (
        "period-within-purpose",
        proposed(period=Period(dt.date(2021, 1, 1), dt.date(2026, 1, 1))),
    ),
    "a day too long": (
        "access-within-purpose",
        proposed(access=Access(Mode.STANDING, dt.datetime(2027, 6, 2, tzinfo=dt.UTC))),
    ),
    "kept two years": ("retention-within-purpose", proposed(retention="P2Y")),
    "kept for nobody knows how long": ("retention-within-purpose", proposed(retention="PT5M")),
    "every hour": (
        "frequency-within-purpose",
        supplier(access=Access(Mode.RECURRING, NOW + dt.timedelta(days=3), Frequency(Unit.HOUR, 1))),
    ),
    "a month's reads on one day": (
        "frequency-within-purpose",
        supplier(access=Access(Mode.RECURRING, NOW + dt.timedelta(days=3), Frequency(Unit.MONTH, 5))),
    ),
    "passed on": ("onward-sharing-allowed", supplier(onward_sharing=("0192:1",))),
    "another authority": ("law-names-authority", replace(BY_LAW, organisation="0192:1")),
    "another country": ("law-of-the-owners-country", proposed(BY_LAW, owner=SWEDISH)),
    "more than the law names": (
        "law-allows-data-sets",
        proposed(BY_LAW, datatypes=("vat_return", "trial_balance")),
    ),
    "over already": ("end-to-come", proposed(access=Access(Mode.ONCE, NOW))),
    "in dispute": ("owner-undisputed", replace(PROPOSAL, owner_disputed=True)),
    "a sign-in too long ago": (
        "sign-in-fresh",
        replace(PROPOSAL, terms=LEDGER, signed_in_at=NOW - dt.timedelta(minutes=15, milliseconds=1)),
    ),
}


@pytest.mark.parametrize("name", AGREED)
def test_terms_that_may_be_agreed_to(name: str) -> None:
    decision = decide_agreement(AGREED[name], POLICY_SET)
    assert decision, decision.reasons


@pytest.mark.parametrize("name", NOT_AGREED)
def test_terms_that_may_not_be_agreed_to_and_the_one_reason(name: str) -> None:
    policy, proposal = NOT_AGREED[name]
    decision = decide_agreement(proposal, POLICY_SET)
    assert not decision
    assert [reason.policy for reason in decision.reasons] == [policy]


def test_what_is_agreed_to_is_not_asked_from_outside() -> None:
    asked = replace(REQUEST, action="agree", resource_type="terms", resource_id="asked")
    said = {
        "grant": {"status": "requested"},
        "owner_status": "active",
        "sensitive": False,
        "time": "2026-06-01",
    }
    decision = replace(BASE, request=replace(asked, context=said)).decide()
    assert [reason.policy for reason in decision.reasons] == ["malformed-request"]


def test_every_policy_is_shown_alone() -> None:
    shown = {policy for policy, _case in ALONE.values()} | {"grant-allows-read"}
    agreed = {policy for policy, _proposal in NOT_AGREED.values()} | {"terms-may-be-agreed"}
    assert {reason.policy for reason in POLICY_SET.reasons.values()} == shown | agreed


def test_unregistered_party_is_denied() -> None:
    reasons = {reason.policy for reason in replace(BASE, party=None).decide().reasons}
    assert reasons == {"party-matches", "party-active", "party-licensed"}


def test_facts_of_another_party_do_not_speak_for_the_subject() -> None:
    borrowed = replace(BASE, party=replace(PARTY, client_id="other"))
    assert "party-active" in {reason.policy for reason in borrowed.decide().reasons}


def test_reasons_come_in_one_order_with_the_grants_state_first() -> None:
    case = replace(status(Status.REVOKED), party=replace(PARTY, status="suspended"))
    case = case.properties(owner="0192:1", to=None).terms(retention="P2Y")
    ids = [reason.policy for reason in case.decide().reasons]
    assert ids == [
        "grant-revoked",
        "owner-matches",
        "period-covered",
        "party-active",
        "retention-within-purpose",
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
        BASE.terms(retention="P2Y"),
        {"bounds": {"retention_days": 10**6}, "purpose_data_sets": ["trial_balance"]},
        "retention-within-purpose",
    ),
    "confirmation": (
        ACCOUNTING.terms(datatypes=("general_ledger",))
        .asked("general_ledger")
        .fact(time=NOW + dt.timedelta(days=367)),
        {"confirm_by": "2099-01-01"},
        "confirmation-fresh",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_we_state_wins_over_the_request(name: str) -> None:
    case, context, policy = FORGED[name]
    assert [reason.policy for reason in case.context(**context).decide().reasons] == [policy]


def test_a_party_can_not_describe_itself() -> None:
    case = replace(BASE, party=replace(PARTY, status="suspended", licences=frozenset()))
    said = {"status": "active", "organisation": "0192:984851006", "licences": ["credit"]}
    reasons = replace(case, request=replace(case.request, subject_properties=said)).decide().reasons
    assert [reason.policy for reason in reasons] == ["party-active", "party-licensed"]


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
    shared = BASE.terms(onward_sharing=("0192:1", "0192:2")).decide().obligations[2]
    assert (shared.type, dict(shared.properties)) == ("share_only_with", {"organisations": "0192:1 0192:2"})
    notes = SUPPLIER.terms(datatypes=("annual_accounts",)).asked("annual_accounts").decide().obligations[2]
    assert (notes.type, dict(notes.properties)) == ("mask", {"members": "notes"})
    assert (kept.type, dict(kept.properties)) == ("delete_after", {"duration": "P90D"})
    assert (purpose.type, dict(purpose.properties)) == ("use_only_for", {"purpose": "credit_assessment"})
    look = BASE.terms(retention="P0D").decide().obligations[0]
    assert (look.type, dict(look.properties)) == ("do_not_store", {})


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
