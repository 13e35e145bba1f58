"""Text, amounts and dates out of SAF-T elements, or one sentence about what is wrong.

The lexical forms are those of XML Schema Part 2 (``xs:decimal``, ``xs:date``). They are
narrower than what Python's own parsers accept (``1e5``, ``NaN``, ``20250101``), and a
sum of money must not depend on that difference.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from decimal import Decimal
from xml.etree.ElementTree import Element

from consent_service.sandbox.erp.model import ZERO, Period

_DECIMAL = re.compile(r"[+-]?(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?")
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9:.]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_MOST_DIGITS = (
    16  # before the point (SAFmonetaryType: 18 in all); keeps every sum inside Decimal's 28 exact digits
)
_SHOWN = 40  # characters of a bad value that an error repeats


class SaftError(ValueError):
    """The file can't be read as SAF-T Financial; the message is one sentence that names the element."""


def local(tag: str) -> str:
    """The element's name without its namespace: which prefix or namespace a system chose does not matter."""
    return tag.rpartition("}")[2]


def child(element: Element, name: str) -> Element | None:
    """The first child called ``name`` in any namespace."""
    return next((each for each in element if local(each.tag) == name), None)


def text(element: Element | None, name: str) -> str:
    """The trimmed text of the child called ``name``; empty when it or ``element`` is missing."""
    found = None if element is None else child(element, name)
    return "" if found is None else (found.text or "").strip()


def required(element: Element, name: str, where: str) -> str:
    """As :func:`text`, but an absent or empty element is an error.

    :raises SaftError: names the element and ``where`` it should be
    """
    value = text(element, name)
    if not value:
        raise SaftError(f"{name} is missing in {where}.")
    return value


def amount(value: str, name: str, where: str) -> Decimal:
    """An amount of money, exact.

    :raises SaftError: for anything but an ``xs:decimal`` of at most two decimals and 18 digits
    """
    match = _DECIMAL.fullmatch(value)
    if not match:
        raise SaftError(f"{name} in {where} is not an amount: {value[:_SHOWN]!r}.")
    if len((match[2] or "").rstrip("0")) > 2:
        raise SaftError(f"{name} in {where} has more than two decimals: {value[:_SHOWN]!r}.")
    if len(match[1].lstrip("0")) > _MOST_DIGITS:
        raise SaftError(f"{name} in {where} has more than {_MOST_DIGITS} digits before the point.")
    # Rounds nothing away: the digits beyond the second were found to be zeros, and there are at most 18.
    return Decimal(value).quantize(ZERO)


def balance(element: Element, debit: str, credit: str, where: str) -> Decimal | None:
    """Debit minus credit of two sibling elements, None when neither is there.

    The amount is the element's own text (balances) or in ``Amount`` below it (lines).

    :raises SaftError: as :func:`amount`
    """
    total: Decimal | None = None
    for name, sign in ((debit, 1), (credit, -1)):
        found = child(element, name)
        if found is not None:
            inner = child(found, "Amount")
            label = name if inner is None else f"{name}/Amount"
            value = ((found if inner is None else inner).text or "").strip()
            total = (total or ZERO) + sign * amount(value, label, where)
    return total


def date(value: str, name: str, where: str) -> dt.date:
    """A calendar date; a time or time zone after it is dropped, as a voucher has a day and no hour.

    :raises SaftError: for anything else
    """
    match = _DATE.fullmatch(value)
    try:
        if match:
            return dt.date.fromisoformat(match[1])
    except ValueError:
        pass  # 2025-02-30: the right form, but no such day
    raise SaftError(f"{name} in {where} is not a date: {value[:_SHOWN]!r}.")


def selection(criteria: Element | None) -> Period | None:
    """The period that a file says it covers: by dates, or by months and years; None when it does not say.

    Period numbers are read as calendar months. Period 0 (opening entries) is the first, and
    those above 12 (year-end entries) the last: the format does not tell when a company's
    year begins, so a file with a split year should state dates.

    :raises SaftError: for half a period, or one that ends before it starts
    """
    where = "SelectionCriteria"
    if criteria is None:
        return None
    if child(criteria, "SelectionStartDate") is not None:
        start = date(required(criteria, "SelectionStartDate", where), "SelectionStartDate", where)
        end = date(required(criteria, "SelectionEndDate", where), "SelectionEndDate", where)
    elif child(criteria, "PeriodStart") is not None or child(criteria, "PeriodStartYear") is not None:
        first, last = _month(criteria, "PeriodStart"), _month(criteria, "PeriodEnd")
        start = dt.date(first[0], first[1], 1)
        end = dt.date(last[0], last[1], calendar.monthrange(*last)[1])
    else:
        return None
    if end < start:
        raise SaftError(f"{where} ends ({end}) before it starts ({start}).")
    return Period(start, end)


def _month(criteria: Element, name: str) -> tuple[int, int]:
    year = _whole(
        required(criteria, f"{name}Year", "SelectionCriteria"), f"{name}Year", dt.MINYEAR, dt.MAXYEAR
    )
    number = _whole(required(criteria, name, "SelectionCriteria"), name, 0, 99)
    return year, min(max(number, 1), 12)


def _whole(value: str, name: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value) or not least <= int(value) <= most:
        raise SaftError(f"{name} in SelectionCriteria is not a period: {value[:_SHOWN]!r}.")
    return int(value)
