"""``decide`` against a slow and obvious reference, and against whatever JSON there is."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent_service.grants.model import Access, Frequency, Grant, Mode, Period, Status, Terms, Unit
from consent_service.policy.engine import PolicySet, decide
from consent_service.policy.model import EvaluationRequest, Facts, HolderFacts, PartyFacts

POLICY_SET = PolicySet.load(Path(__file__).parents[2] / "policies")
UNHURRIED = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

OWNERS = ["0192:923609016", "0007:5560125790"]
CLIENTS = ["bank", "bank2"]
PARTIES = ["0192:984851006", "0184:10150817"]
HOLDERS = ["erp", "erp2"]
PURPOSES = ["credit_assessment", "statistics"]
SETS = ["trial_balance", "financial_statement", "general_ledger"]
PLACES = ["https://a.example", "https://b.example"]
DAYS = [
    dt.date(2024, 1, 1),
    dt.date(2024, 6, 30),
    dt.date(2024, 7, 1),
    dt.date(2024, 12, 31),
    dt.date(2025, 3, 1),
]
TIMES = [
    dt.datetime(2026, month, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=ms)
    for month in (1, 6)
    for ms in (-1, 0, 1)
]


def seldom(other: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The other value once in twenty: the rules are many, and permits must not be rare.

    13 and not 0, because Hypothesis likes the ends of a range; and not ``one_of`` with
    repeated members, because it drops what it has already.
    """
    return st.integers(0, 19).flatmap(lambda dice: other if dice == 13 else usual)


def mostly(usual: Any, others: Any) -> st.SearchStrategy[Any]:
    return seldom(st.sampled_from(list(others)), st.just(usual))


def some(of: list[str], usual: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return seldom(
        st.lists(st.sampled_from(of), unique=True, max_size=len(of)).map(tuple), st.just(tuple(usual))
    )


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    mode = draw(st.sampled_from(Mode))
    frequency = (
        draw(mostly(Frequency(Unit.DAY, 2), [None, Frequency(Unit.MONTH, 45)]))
        if mode is Mode.RECURRING
        else None
    )
    owner = draw(mostly(OWNERS[0], OWNERS))
    terms = Terms(
        owner=owner,
        purpose=draw(mostly(PURPOSES[0], PURPOSES)),
        datatypes=draw(some(SETS, SETS[:2])),
        actions=draw(some(["read", "write"], ["read"])),
        locations=draw(some(PLACES, PLACES[:1])),
        period=Period(draw(mostly(DAYS[0], DAYS)), draw(mostly(DAYS[3], DAYS))),
        access=Access(mode, draw(mostly(TIMES[4], TIMES)), frequency),
        retention=draw(st.sampled_from(["P0D", "P90D"])),
        onward_sharing=(),
        legal_basis="consent",
    )
    return Grant(
        grant_id=draw(mostly("g1", ["g1", "g2"])),
        version=1,
        owner=owner,
        party=draw(mostly(PARTIES[0], PARTIES)),
        client_id=draw(mostly(CLIENTS[0], CLIENTS)),
        terms=terms,
        status=draw(mostly(Status.ACTIVE, Status)),
        created_at=TIMES[0],
        entry_id="e1",
    )


@st.composite
def requests(draw: st.DrawFn) -> EvaluationRequest:
    properties = {
        "owner": draw(mostly(OWNERS[0], OWNERS)),
        "holder": draw(mostly(HOLDERS[0], HOLDERS)),
        "from": draw(mostly(DAYS[1].isoformat(), [None, *map(str, DAYS)])),
        "to": draw(mostly(DAYS[2].isoformat(), [None, *map(str, DAYS)])),
    }
    context = {
        "purpose": draw(mostly(PURPOSES[0], [None, *PURPOSES])),
        "grant_id": draw(mostly("g1", [None, "g1", "g2"])),
    }
    return EvaluationRequest(
        subject_type="party",
        subject_id=draw(mostly(CLIENTS[0], CLIENTS)),
        action="read",
        resource_type="dataset",
        resource_id=draw(mostly(SETS[0], SETS)),
        resource_properties=properties,
        context=context,
    )


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    return Facts(
        time=draw(mostly(TIMES[1], TIMES)),
        holder=HolderFacts(
            draw(mostly(HOLDERS[0], HOLDERS)),
            draw(mostly("active", ["active", "suspended"])),
            frozenset(draw(some(PLACES, PLACES[:1]))),
        ),
        reads=draw(st.sampled_from([0, 0, 0, 1, 2, 44, 45, 10**6])),
        purpose_data_sets=frozenset(draw(some(SETS, SETS[:2]))),
    )


parties = seldom(
    st.none(),
    st.builds(
        PartyFacts,
        mostly(CLIENTS[0], CLIENTS),
        mostly(PARTIES[0], PARTIES),
        mostly("active", ["active", "suspended"]),
    ),
)
maybe_grants = seldom(st.none(), grants())


def reference(
    request: EvaluationRequest, grant: Grant | None, party: PartyFacts | None, facts: Facts
) -> list[str]:
    """Why not, in order, by the words of the design; empty is yes. Shares nothing with the engine."""
    asked, said = request.resource_properties, request.context
    known = party if party and party.client_id == request.subject_id else None
    no: list[str] = []

    def must(policy: str, *, hold: bool) -> None:
        if not hold:
            no.append(policy)

    if grant is None:
        no.append("no-grant")
    else:
        terms, access = grant.terms, grant.terms.access
        must("grant-revoked", hold=grant.status != "revoked")
        must("grant-used-up", hold=grant.status != "exhausted")
        must("grant-active", hold=grant.status in {"active", "revoked", "exhausted", "expired"})
        must("grant-ended", hold=grant.status != "expired" and facts.time < access.valid_until)
        must(
            "party-matches",
            hold=grant.client_id == request.subject_id
            and known is not None
            and known.organisation == grant.party,
        )
        must("owner-matches", hold=grant.owner == asked["owner"])
        must("purpose-matches", hold=said["purpose"] in {None, terms.purpose})
        must("grant-id-matches", hold=said["grant_id"] in {None, grant.grant_id})
        must("data-set-granted", hold=request.resource_id in terms.datatypes)
        must("action-granted", hold="read" in terms.actions)
        start, end = asked["from"], asked["to"]
        days = set()
        if start and end:
            first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
            days = {first + dt.timedelta(days=n) for n in range((last - first).days + 1)}
        must(
            "period-covered",
            hold=bool(days) and all(terms.period.start <= day <= terms.period.end for day in days),
        )
        most = {
            Mode.ONCE: 1,
            Mode.RECURRING: access.frequency.value if access.frequency else 0,
            Mode.STANDING: 10**9,
        }[access.mode]
        must("limit-reached", hold=facts.reads < most)
    must("party-active", hold=known is not None and known.status == "active")
    must("holder-active", hold=facts.holder.status == "active")
    must("holder-is-caller", hold=asked["holder"] == facts.holder.client_id)
    if grant is not None:
        must("holder-serves", hold=any(place in facts.holder.serves for place in grant.terms.locations))
        must("purpose-allows-data-set", hold=request.resource_id in facts.purpose_data_sets)
    return no


@settings(UNHURRIED, max_examples=300)
@given(requests(), maybe_grants, parties, facts())
def test_the_engine_decides_as_the_reference_and_gives_the_same_reasons(
    request: EvaluationRequest, grant: Grant | None, party: PartyFacts | None, facts: Facts
) -> None:
    decision = decide(request, grant, party, POLICY_SET, facts)
    no = reference(request, grant, party, facts)
    assert decision.permit is (not no)
    assert [reason.policy for reason in decision.reasons] == (no or ["grant-allows-read"])
    assert bool(decision.obligations) is decision.permit


@UNHURRIED
@given(requests(), maybe_grants, parties, facts())
def test_a_decision_can_be_made_again_from_what_was_written_down(
    request: EvaluationRequest, grant: Grant | None, party: PartyFacts | None, facts: Facts
) -> None:
    def written(document: dict[str, Any]) -> Any:
        return json.loads(json.dumps(document, sort_keys=True))

    again = decide(
        EvaluationRequest.from_json(written(request.to_json())),
        grant,
        PartyFacts.from_json(written(party.to_json())) if party else None,
        POLICY_SET,
        Facts.from_json(written(facts.to_json())),
    )
    assert again == decide(request, grant, party, POLICY_SET, facts)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*DAYS, *SETS]).map(str),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text() | st.sampled_from(["__entity", "__extn", "__expr", "type", "id", "fn", "arg"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
MEMBERS = [
    "grant",
    "caller",
    "time",
    "reads",
    "purpose_data_sets",
    "action",
    "purpose",
    "grant_id",
    "token_jti",
]
MEMBERS += ["owner", "holder", "from", "to", "status", "organisation"]
documents = st.dictionaries(st.sampled_from(MEMBERS) | st.text(), anything, max_size=6)


@UNHURRIED
@given(requests(), grants(), facts(), documents, documents, documents, documents)
def test_nothing_a_request_can_say_makes_a_yes_of_a_no(
    request: EvaluationRequest,
    grant: Grant,
    facts: Facts,
    subject: dict[str, Any],
    action: dict[str, Any],
    resource: dict[str, Any],
    context: dict[str, Any],
) -> None:
    wild = replace(
        request,
        subject_properties=subject,
        action_properties=action,
        resource_properties={**request.resource_properties, **resource},
        context={**request.context, **context},
    )
    revoked = replace(grant, status=Status.REVOKED)
    party = PartyFacts(request.subject_id, grant.party, "active")
    assert not decide(wild, revoked, party, POLICY_SET, facts)
    assert not decide(wild, None, party, POLICY_SET, facts)
    assert not decide(wild, grant, None, POLICY_SET, facts)
    assert decide(wild, grant, party, POLICY_SET, facts).reasons  # and whatever it says, it is answered


@UNHURRIED
@given(st.text(), st.text(), st.text(), st.text(), st.text(), documents, grants(), facts())
def test_any_question_is_answered_and_a_foreign_one_denied(
    subject_type: str,
    subject_id: str,
    name: str,
    resource_type: str,
    resource_id: str,
    document: dict[str, Any],
    grant: Grant,
    facts: Facts,
) -> None:
    request = EvaluationRequest(
        subject_type, subject_id, name, resource_type, resource_id, document, document, document, document
    )
    decision = decide(request, grant, PartyFacts(subject_id, grant.party, "active"), POLICY_SET, facts)
    assert not decision
    assert decision.reasons
