"""A company's bookkeeping as frozen data: chart, opening balances and transactions of one file.

Amounts are signed decimals in the books' one currency, debit positive and credit negative,
with at most two decimals. Pure: no XML, no clock, no HTTP.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Company:
    """Whose books these are.

    ``registration_number`` is as the file writes it, without spaces. ``country`` is ISO 3166
    alpha-2: the country whose register gave the number and whose rules the file follows.
    """

    registration_number: str
    name: str
    country: str


@dataclass(frozen=True, slots=True)
class Period:
    """Two dates, both included."""

    start: dt.date
    end: dt.date


@dataclass(frozen=True, slots=True)
class Account:
    """One general ledger account as the file's chart lists it.

    :param standard_id: the standard account or grouping code that the company mapped it to; may be empty
    :param grouping_category: the code list of ``standard_id``, where the file names one (SAF-T 1.30)
    :param opening: balance at the start of the file's selection period
    :param closing: the balance at its end that the file states, None where it states none
    """

    id: str
    description: str
    standard_id: str = ""
    grouping_category: str = ""
    opening: Decimal = ZERO
    closing: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One amount on one account; debit positive."""

    account_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Transaction:
    """One voucher: its lines share a date and should sum to zero, which the source may fail to do."""

    id: str
    date: dt.date
    lines: tuple[Line, ...]

    @property
    def difference(self) -> Decimal:
        """The sum of the lines: zero when debit equals credit."""
        return sum((line.amount for line in self.lines), ZERO)


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Everything that statements are made from.

    :param currency: ISO 4217
    :param selection: the period that the file says it covers, None where it does not say
    :param accounts: the chart as listed, ids unique; transactions may use accounts that it lacks
    """

    company: Company
    currency: str
    selection: Period | None
    accounts: tuple[Account, ...]
    transactions: tuple[Transaction, ...]
