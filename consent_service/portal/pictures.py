"""A picture of reads over time: bars by week, a colour a party, as SVG that needs no script and no style."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from consent_service.ledger.counts import WEEK, Series

COLOURS = 5
"""Parties with a colour of their own; the rest share the last one."""
WIDTH, HEIGHT, GAP = 720, 200, 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the picture; ``colour`` is a class of the style sheet."""

    x: int
    y: int
    width: int
    height: int
    colour: str


@dataclass(frozen=True, slots=True)
class Line:
    """One party's reads, and all refusals in a line of their own."""

    name: str
    colour: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws, and the same numbers for its table."""

    weeks: tuple[dt.date, ...]
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...]
    most: int
    width: int = WIDTH
    height: int = HEIGHT

    def __bool__(self) -> bool:
        return any(line.total for line in self.lines)


def draw(
    named: Iterable[tuple[str, Series]], refused: str, permit: str, weeks: int, until: dt.datetime
) -> Picture:
    """The picture of these series.

    :param named: each series with the name of its party
    :param refused: what the line of refusals is called
    :param permit: the kind of entry that is a read; the others are refusals
    """
    reads: dict[str, list[int]] = {}
    denied = [0] * weeks
    for name, series in named:
        into = reads.setdefault(name, [0] * weeks) if series.kind == permit else denied
        for week, number in enumerate(series.counts):
            into[week] += number
    order = sorted(reads.items(), key=lambda one: (-sum(one[1]), one[0]))
    lines = [
        Line(name, f"series-{min(place, COLOURS - 1)}", tuple(counts))
        for place, (name, counts) in enumerate(order)
    ]
    if any(denied):
        lines.append(Line(refused, "series-refused", tuple(denied)))
    most = max((sum(line.counts[week] for line in lines) for week in range(weeks)), default=0)
    starts = tuple((until - WEEK * (weeks - number)).date() for number in range(weeks))
    return Picture(starts, tuple(lines), tuple(_bars(lines, weeks, most)), most)


def _bars(lines: list[Line], weeks: int, most: int) -> Iterable[Bar]:
    step = WIDTH // weeks
    for week in range(weeks):
        top = HEIGHT
        for line in lines:
            # What there is can be seen, however much of something else there is.
            height = max(3, round(line.counts[week] * (HEIGHT - 20) / most)) if line.counts[week] else 0
            if height:
                top -= height
                yield Bar(week * step + GAP // 2, max(top, 0), step - GAP, height, line.colour)
