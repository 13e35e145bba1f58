"""The life cycle of DESIGN section 5, and the narrower-than relation of terms."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.grants.model import (
    ARROWS,
    Access,
    Frequency,
    Grant,
    InvalidTransition,
    Mode,
    Period,
    Status,
    Terms,
    Unit,
    check_transition,
    most_in,
    terms_from_json,
    terms_to_json,
)
from consent_service.grants.windows import window_end, window_start

UNTIL = dt.datetime(2027, 1, 31, tzinfo=dt.UTC)
ASKED = Terms(
    owner="0192:310028142",
    purpose="credit_assessment",
    datatypes=("trial_balance", "financial_statement"),
    actions=("read",),
    locations=("https://erp.example.no/api",),
    period=Period(dt.date(2024, 1, 1), dt.date(2025, 12, 31)),
    access=Access(Mode.RECURRING, UNTIL, Frequency(Unit.DAY, 4)),
    retention="P90D",
    onward_sharing=(),
    legal_basis="consent",
    message=(("en", "Hello"),),
)


@pytest.mark.parametrize("now", list(Status))
@pytest.mark.parametrize("then", list(Status))
def test_only_the_life_cycle_s_arrows_exist(now: Status, then: Status) -> None:
    allowed = {
        ("requested", "open"),
        ("requested", "lapsed"),
        ("open", "active"),
        ("open", "declined"),
        ("open", "lapsed"),
        ("active", "revoked"),
        ("active", "expired"),
        ("active", "exhausted"),
        ("active", "suspended"),
        ("active", "ended"),
        ("active", "terminated"),
        ("suspended", "active"),
        ("suspended", "revoked"),
        ("suspended", "expired"),
        ("suspended", "ended"),
        ("suspended", "terminated"),
        ("notified", "active"),
        ("notified", "ended"),
    }
    if (now.value, then.value) in allowed:
        check_transition(now, then)
    else:
        with pytest.raises(InvalidTransition):
            check_transition(now, then)


def test_an_end_has_no_arrows() -> None:
    assert set(Status) - set(ARROWS) == {
        Status.DECLINED,
        Status.LAPSED,
        Status.REVOKED,
        Status.EXPIRED,
        Status.EXHAUSTED,
        Status.ENDED,
        Status.TERMINATED,
    }


@pytest.mark.parametrize(
    ("unit", "end"),
    [
        (Unit.HOUR, dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)),
        (Unit.DAY, dt.datetime(2027, 1, 1, tzinfo=dt.UTC)),
        (Unit.WEEK, dt.datetime(2027, 1, 4, tzinfo=dt.UTC)),
        (Unit.MONTH, dt.datetime(2027, 1, 1, tzinfo=dt.UTC)),
        (Unit.YEAR, dt.datetime(2027, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_a_window_ends_where_the_next_one_starts(unit: Unit, end: dt.datetime) -> None:
    now = dt.datetime(2026, 12, 31, 22, 30, tzinfo=dt.UTC)
    terms = replace(ASKED, access=Access(Mode.RECURRING, UNTIL, Frequency(unit, 1)))
    grant = Grant("g", 1, "o", "p", "c", terms, Status.ACTIVE, now, "e", now)
    assert window_end(grant, now) == end == window_start(unit, end)
    assert window_start(unit, now) < end
    once = replace(grant, terms=replace(ASKED, access=Access(Mode.ONCE, UNTIL)))
    assert window_end(once, now) is None


@pytest.mark.parametrize("unit", Unit)
def test_no_window_holds_more_reads_than_are_said(unit: Unit) -> None:
    # Every hour of four years counted into windows: the table may say more, never less.
    start = dt.datetime(2023, 12, 25, tzinfo=dt.UTC)
    hours = [start + dt.timedelta(hours=n) for n in range(24 * 366 * 4)]
    for other in Unit:
        touched: dict[dt.datetime, set[dt.datetime]] = {}
        for hour in hours:
            touched.setdefault(window_start(unit, hour), set()).add(window_start(other, hour))
        assert max(map(len, touched.values())) <= most_in(Frequency(other, 1), unit)


def test_terms_survive_json() -> None:
    assert terms_from_json(terms_to_json(ASKED)) == ASKED


dates = st.dates(dt.date(2023, 6, 1), dt.date(2026, 6, 1))
narrowings = st.builds(
    lambda sets, start, end, days: replace(
        ASKED,
        datatypes=tuple(sets),
        period=Period(start, end),
        access=replace(ASKED.access, valid_until=UNTIL + dt.timedelta(days=days)),
    ),
    st.lists(st.sampled_from(["trial_balance", "financial_statement", "payroll"]), unique=True),
    dates,
    dates,
    st.integers(-400, 40),
)


@given(narrowings)
def test_narrower_means_nothing_that_was_not_asked(given_terms: Terms) -> None:
    reads = {
        (name, day)
        for name in given_terms.datatypes
        for day in (given_terms.period.start, given_terms.period.end)
    }
    inside = (
        bool(given_terms.datatypes)
        and given_terms.period.start <= given_terms.period.end
        and all(
            name in ASKED.datatypes and ASKED.period.start <= day <= ASKED.period.end for name, day in reads
        )
        and given_terms.access.valid_until <= UNTIL
    )
    assert given_terms.narrower_or_equal(ASKED) is inside


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "0007:5599980108"},
        {"owner": None},
        {"purpose": "accounting_services"},
        {"actions": ("write",)},
        {"locations": ("https://other.example",)},
        {"retention": "P1Y"},
        {"onward_sharing": ("0192:310041238",)},
        {"legal_basis": "law"},
        {"message": ()},
        {"access": replace(ASKED.access, mode=Mode.STANDING)},
        {"access": replace(ASKED.access, frequency=Frequency(Unit.DAY, 5))},
    ],
)
def test_whatever_else_changes_is_not_narrower(change: dict[str, object]) -> None:
    assert not replace(ASKED, **change).narrower_or_equal(ASKED)  # type: ignore[arg-type]


def test_an_owner_left_open_may_be_chosen() -> None:
    assert ASKED.narrower_or_equal(replace(ASKED, owner=None))


@pytest.mark.parametrize(
    ("unit", "start"),
    [
        (Unit.HOUR, "2026-02-18T15:00:00"),
        (Unit.DAY, "2026-02-18T00:00:00"),
        (Unit.WEEK, "2026-02-16T00:00:00"),
        (Unit.MONTH, "2026-02-01T00:00:00"),
        (Unit.YEAR, "2026-01-01T00:00:00"),
    ],
)
def test_a_window_is_a_calendar_unit(unit: Unit, start: str) -> None:
    at = dt.datetime(2026, 2, 18, 15, 59, 59, 999, tzinfo=dt.UTC)
    assert window_start(unit, at) == dt.datetime.fromisoformat(start).replace(tzinfo=dt.UTC)
