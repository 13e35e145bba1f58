"""Whatever an owner takes away: every read that the answer permits, what was asked for permits too."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from consent_service.grants.model import Access, Frequency, Grant, Mode, Period, Status, Terms, Unit
from consent_service.policy.engine import decide
from consent_service.policy.model import EvaluationRequest, Facts, HolderFacts, PartyFacts
from tests.grants.test_narrower import narrowed
from tests.policy.test_decide_properties import POLICY_SET

GIVEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PLACES = ("https://a.example", "https://b.example")
SETS = ("trial_balance", "financial_statement", "vat_return")
ASKED = Terms(
    owner="0192:923609016",
    purpose="credit_assessment",
    datatypes=SETS,
    actions=("read",),
    locations=PLACES,
    period=Period(dt.date(2024, 1, 1), dt.date(2024, 1, 9)),
    access=Access(Mode.RECURRING, GIVEN + dt.timedelta(days=4), Frequency(Unit.DAY, 3)),
    retention="P90D",
    onward_sharing=(),
    legal_basis="consent",
)
PARTY = PartyFacts("bank", "0192:984851006", "active", frozenset({"credit"}))


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(-1, 4), st.integers(0, 4))
def test_an_answer_permits_no_read_that_what_was_asked_would_not(
    data: st.DataObject, later: int, reads: int
) -> None:
    answered = data.draw(narrowed(ASKED))
    assert answered.narrower_or_equal(ASKED)
    days = st.dates(dt.date(2023, 12, 31), dt.date(2024, 1, 10))
    start = data.draw(days)
    request = EvaluationRequest(
        "party",
        "bank",
        "read",
        "dataset",
        data.draw(st.sampled_from([*SETS, "general_ledger"])),
        resource_properties={
            "owner": "0192:923609016",
            "holder": "erp",
            "from": start.isoformat(),
            "to": data.draw(days).isoformat(),
        },
        context={},
    )
    place = data.draw(st.sampled_from(PLACES))

    def permitted(terms: Terms) -> bool:
        grant = Grant(
            "g", 1, "0192:923609016", "0192:984851006", "bank", terms, Status.ACTIVE, GIVEN, "e", GIVEN
        )
        serves = frozenset({place} & set(terms.locations))
        facts = Facts(GIVEN + dt.timedelta(days=later), HolderFacts("erp", "active", serves), reads)
        return decide(request, grant, PARTY, POLICY_SET, facts).permit

    before, after = permitted(ASKED), permitted(answered)
    event(f"asked {before}, answered {after}")
    assert before or not after


def test_the_comparison_is_not_empty() -> None:
    grant = Grant("g", 1, "0192:923609016", "0192:984851006", "bank", ASKED, Status.ACTIVE, GIVEN, "e", GIVEN)
    request = EvaluationRequest(
        "party",
        "bank",
        "read",
        "dataset",
        "trial_balance",
        resource_properties={
            "owner": "0192:923609016",
            "holder": "erp",
            "from": "2024-01-01",
            "to": "2024-01-02",
        },
        context={},
    )
    facts = Facts(GIVEN, HolderFacts("erp", "active", frozenset(PLACES)), 0)
    assert decide(request, grant, PARTY, POLICY_SET, facts).permit
    less = replace(grant, terms=replace(ASKED, datatypes=("vat_return",)))
    assert not decide(request, less, PARTY, POLICY_SET, facts).permit
