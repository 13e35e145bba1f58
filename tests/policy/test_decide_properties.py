"""``decide`` against a slow and obvious reference, and against whatever JSON there is."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
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
PARTIES = ["0192:984851006", "0184:10150817", "0192:971526920"]
HOLDERS = ["erp", "erp2"]
PURPOSES = ["credit_assessment", "statistics", "accounting_services", "curiosity"]
BASES = ["consent", "no_statistics", "se_statistics", "no_tax", "se_magic"]
AUTHORITY = "0192:971526920"
CATALOGUE = Path(__file__).parents[2] / "policies" / "catalogue"
READ = {
    name: yaml.safe_load((CATALOGUE / f"{name}.yaml").read_text())
    for name in ("purposes", "datasets", "legal_bases")
}
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
"""Around the first and the last moment of a grant; the rest is further off."""
LATER = [dt.datetime(year, 1, 1, 23, 59, 59, tzinfo=dt.UTC) for year in (2027, 2028)]
GIVEN = [TIMES[0], dt.datetime(2024, 12, 31, tzinfo=dt.UTC), dt.datetime(2025, 1, 1, tzinfo=dt.UTC)]


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
        access=Access(mode, draw(mostly(TIMES[4], [*TIMES, *LATER])), frequency),
        retention=draw(mostly("P90D", ["P0D", "P1Y", "P366D", "P367D", "P6Y", "for ever"])),
        onward_sharing=draw(some(PARTIES, [])),
        legal_basis=draw(mostly("consent", BASES)),
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
        given_at=draw(mostly(TIMES[0], GIVEN)),
        reason=draw(st.sampled_from(["", "dispute", "operator"])),
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
        "recipients": draw(mostly(None, [[], PARTIES[:1], PARTIES])),
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
        time=draw(mostly(TIMES[1], [*TIMES, *LATER])),
        holder=HolderFacts(
            draw(mostly(HOLDERS[0], HOLDERS)),
            draw(mostly("active", ["active", "suspended"])),
            frozenset(draw(some(PLACES, PLACES[:1]))),
            draw(mostly(usual=True, others=[False])),
        ),
        reads=draw(st.sampled_from([0, 0, 0, 1, 2, 44, 45, 10**6])),
    )


parties = seldom(
    st.none(),
    st.builds(
        PartyFacts,
        mostly(CLIENTS[0], CLIENTS),
        mostly(PARTIES[0], PARTIES),
        mostly("active", ["active", "suspended"]),
        some(["credit", "tax"], ["credit"]).map(frozenset),
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
        must("grant-handed-back", hold=grant.status != "terminated")
        must("grant-used-up", hold=grant.status != "exhausted")
        suspended = grant.status == "suspended"
        must("grant-in-dispute", hold=not (suspended and grant.reason == "dispute"))
        must("grant-suspended", hold=not (suspended and grant.reason != "dispute"))
        must("notice-given", hold=grant.status != "notified")
        must("grant-active", hold=grant.status not in {"requested", "open", "declined", "lapsed"})
        over = grant.status in {"expired", "ended"} or facts.time >= access.valid_until
        must("grant-ended", hold=not over)
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
        must("recipients-granted", hold=set(said["recipients"] or []) <= set(terms.onward_sharing))
        must("confirmation-fresh", hold=fresh(grant, request.resource_id, facts.time))
    must("party-active", hold=known is not None and known.status == "active")
    must("holder-active", hold=facts.holder.status == "active")
    must("holder-is-caller", hold=asked["holder"] == facts.holder.client_id)
    must("holder-serves-owner", hold=facts.holder.serves_owner)
    if grant is not None:
        must("holder-serves", hold=any(place in facts.holder.serves for place in grant.terms.locations))
        no += beyond(grant, request.resource_id, known)
    return no


def beyond(grant: Grant, data_set: str, party: PartyFacts | None) -> list[str]:
    """Which bounds of the catalogue's files a grant goes beyond, in order."""
    terms = grant.terms
    purpose, law = READ["purposes"].get(terms.purpose), READ["legal_bases"].get(terms.legal_basis)
    if purpose is None:
        return ["purpose-known"]
    most, given = law or purpose, grant.given_at.date()
    limit = most.get("most_often")
    allowed = {
        "party-licensed": law is not None
        or "licence" not in purpose
        or (party is not None and purpose["licence"] in party.licences),
        "purpose-allows-data-set": data_set in purpose["data_sets"],
        "legal-basis-fits": terms.legal_basis in purpose["legal_bases"],
        "period-within-purpose": terms.period.end < later(terms.period.start, most["longest_period"]),
        "access-within-purpose": terms.access.valid_until.date() <= later(given, most["longest_access"]),
        "retention-within-purpose": terms.retention != "for ever"
        and later(A_DAY, terms.retention) <= later(A_DAY, most["longest_retention"]),
        "frequency-within-purpose": limit is None or reads_in(limit["unit"], terms.access) <= limit["value"],
        "onward-sharing-allowed": not terms.onward_sharing or (law is None and purpose["onward_sharing"]),
        "law-names-authority": law is None
        or (party is not None and party.organisation in law["authorities"]),
        "law-of-the-owners-country": law is None
        or {"0192": "NO", "0007": "SE"}[grant.owner[:4]] == law["country"],
        "law-allows-data-set": law is None or data_set in law["data_sets"],
        "law-counts-alike": law is None
        or (terms.access.frequency is not None and terms.access.frequency.unit == law["most_often"]["unit"]),
    }
    return [policy for policy, hold in allowed.items() if not hold]


A_DAY = dt.date(2000, 1, 1)


def later(day: dt.date, duration: str) -> dt.date:
    """The day so many years or days later."""
    count = int(duration[1:-1])
    return day.replace(year=day.year + count) if duration.endswith("Y") else day + dt.timedelta(days=count)


def reads_in(unit: str, access: Access) -> int:
    """The most reads that can fall into one window, for the units that are drawn here."""
    if access.mode is Mode.ONCE:
        return 1
    if access.frequency is None:
        return 10**9
    days = 31 if unit == "month" and access.frequency.unit is Unit.DAY else 1
    return access.frequency.value * days  # all of a month's reads may fall on one day


def fresh(grant: Grant, data_set: str, time: dt.datetime) -> bool:
    """Whether the owner's word still opens the data set."""
    lasts = READ["datasets"].get(data_set, {}).get("confirmed_for")
    if lasts is None or grant.terms.legal_basis in READ["legal_bases"]:
        return True
    return time.date() <= later(grant.given_at.date(), lasts)


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
    "bounds",
    "confirm_by",
    "recipients",
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
    party = PartyFacts(request.subject_id, grant.party, "active", frozenset({"credit"}))
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
    decision = decide(
        request,
        grant,
        PartyFacts(subject_id, grant.party, "active", frozenset({"credit"})),
        POLICY_SET,
        facts,
    )
    assert not decision
    assert decision.reasons
