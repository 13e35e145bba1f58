"""Narrower or equal, and the union and the common part of two terms: laws that hold for any terms."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from consent_service.grants.duration import outlasts
from consent_service.grants.merging import NoUnion, common, merged
from consent_service.grants.model import Access, Frequency, Mode, Period, Terms, Unit

SETS, PLACES = ["trial_balance", "vat_return", "general_ledger"], ["https://a.example", "https://b.example"]
START, END = dt.date(2024, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
days = st.integers(0, 6).map(lambda n: START + dt.timedelta(days=n))
some_sets = st.lists(st.sampled_from(SETS), unique=True, min_size=1).map(tuple)
some_places = st.lists(st.sampled_from(PLACES), unique=True, min_size=1).map(tuple)
accesses = st.one_of(
    st.builds(
        Access,
        st.sampled_from([Mode.ONCE, Mode.STANDING]),
        st.integers(0, 3).map(lambda n: END + dt.timedelta(days=n)),
    ),
    st.builds(
        Access,
        st.just(Mode.RECURRING),
        st.integers(0, 3).map(lambda n: END + dt.timedelta(days=n)),
        st.builds(Frequency, st.sampled_from([Unit.DAY, Unit.MONTH]), st.integers(1, 3)),
    ),
)
terms = st.builds(
    Terms,
    owner=st.sampled_from(["0192:310028142", "0192:310028142", "0007:5599980108"]),
    purpose=st.sampled_from(["credit_assessment", "credit_assessment", "statistics"]),
    datatypes=some_sets,
    actions=st.just(("read",)),
    locations=some_places,
    period=st.tuples(days, days).map(lambda two: Period(min(two), max(two))),
    access=accesses,
    retention=st.sampled_from(["P0D", "P30D", "P1M", "P12M", "P1Y"]),
    onward_sharing=st.lists(st.sampled_from(["0192:310041238"]), unique=True).map(tuple),
    legal_basis=st.just("consent"),
    message=st.sampled_from([(), (("en", "Hello"),)]),
)


@st.composite
def narrowed(draw: st.DrawFn, wide: Terms) -> Terms:
    """Terms that take something away from others, or nothing."""
    frequency = wide.access.frequency
    start = draw(st.dates(wide.period.start, wide.period.end))
    return replace(
        wide,
        datatypes=tuple(draw(st.lists(st.sampled_from(wide.datatypes), unique=True, min_size=1))),
        locations=tuple(draw(st.lists(st.sampled_from(wide.locations), unique=True, min_size=1))),
        period=Period(start, draw(st.dates(start, wide.period.end))),
        access=replace(
            wide.access,
            valid_until=wide.access.valid_until - dt.timedelta(days=draw(st.integers(0, 3))),
            frequency=replace(frequency, value=draw(st.integers(1, frequency.value))) if frequency else None,
        ),
        retention=draw(st.sampled_from([wide.retention, "P0D"])),
    )


def alike(one: Terms, other: Terms) -> bool:
    """Whether two terms say the same, whatever the order of their lists and the spelling of a duration."""
    lists = ("datatypes", "locations", "onward_sharing")
    same = {name: getattr(other, name) for name in lists} | {"retention": other.retention}
    return (
        replace(one, **same) == other  # type: ignore[arg-type]
        and all(set(getattr(one, name)) == set(getattr(other, name)) for name in lists)
        and not outlasts(one.retention, other.retention)
        and not outlasts(other.retention, one.retention)
    )


def reads(of: Terms) -> set[tuple[str, str, dt.date]]:
    """What can be read at all: each data set, at each place, about each day."""
    length = (of.period.end - of.period.start).days + 1
    return {
        (name, place, of.period.start + dt.timedelta(days=n))
        for name in of.datatypes
        for place in of.locations
        for n in range(length)
    }


@given(terms)
def test_narrower_is_reflexive(one: Terms) -> None:
    assert one.narrower_or_equal(one)


@given(st.data(), terms)
def test_narrower_is_transitive(data: st.DataObject, wide: Terms) -> None:
    middle = data.draw(narrowed(wide))
    least = data.draw(narrowed(middle))
    assert middle.narrower_or_equal(wide)
    assert least.narrower_or_equal(middle)
    assert least.narrower_or_equal(wide)


@given(terms, terms, terms)
def test_narrower_is_transitive_for_any_three(one: Terms, two: Terms, three: Terms) -> None:
    if one.narrower_or_equal(two) and two.narrower_or_equal(three):
        assert one.narrower_or_equal(three)


@given(st.data(), terms)
def test_narrower_is_antisymmetric(data: st.DataObject, one: Terms) -> None:
    other = data.draw(st.one_of(terms, narrowed(one)))
    assert (one.narrower_or_equal(other) and other.narrower_or_equal(one)) is alike(one, other)


@given(terms, terms)
def test_what_is_narrower_reads_nothing_more(one: Terms, other: Terms) -> None:
    if one.narrower_or_equal(other):
        assert reads(one) <= reads(other)
        assert one.access.valid_until <= other.access.valid_until


@given(st.data(), terms)
def test_a_union_gives_what_both_give_together_and_nothing_else(data: st.DataObject, present: Terms) -> None:
    changes = {
        "datatypes": data.draw(some_sets),
        "locations": data.draw(some_places),
        "period": data.draw(st.tuples(days, days).map(lambda two: Period(min(two), max(two)))),
    }
    kept = data.draw(st.sets(st.sampled_from(sorted(changes))))
    asked = replace(present, **{name: value for name, value in changes.items() if name not in kept})  # type: ignore[arg-type]
    try:
        union = merged(present, asked)
    except NoUnion:
        assume(False)
        return
    assert reads(union) == reads(present) | reads(asked)
    assert replace(present, message=union.message).narrower_or_equal(union)
    assert asked.narrower_or_equal(union)


@given(terms, terms)
def test_a_union_is_only_made_of_what_is_alike(present: Terms, asked: Terms) -> None:
    try:
        union = merged(present, asked)
    except NoUnion:
        return
    assert (union.purpose, union.retention, union.onward_sharing) == (
        present.purpose,
        present.retention,
        present.onward_sharing,
    )
    assert union.access.frequency == present.access.frequency


@given(terms, terms)
def test_what_two_terms_have_in_common_is_within_both(one: Terms, other: Terms) -> None:
    both = common(one, other)
    if both is None:
        assert (
            one.purpose != other.purpose
            or one.owner != other.owner
            or one.access.mode is not (other.access.mode)
            or not reads(one) & reads(other)
        )
        return
    assert reads(both) == reads(one) & reads(other)
    assert both.narrower_or_equal(one)


@given(st.data(), terms)
def test_what_was_narrowed_is_the_common_part(data: st.DataObject, wide: Terms) -> None:
    less = data.draw(narrowed(wide))
    both = common(wide, less)
    assert both is not None
    assert alike(both, less)
