"""A trial balance and a financial statement from bookkeeping, ready for JSON.

Amounts are strings with two decimals in the books' currency. Both statements always
balance; where the source does not, a line of its own and a note say by how much.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from consent_service.sandbox.erp import chart, sections
from consent_service.sandbox.erp.model import ZERO, Bookkeeping
from consent_service.sandbox.erp.movements import StatementError, money, movements, source_notes

__all__ = ["StatementError", "financial_statement", "trial_balance"]


def trial_balance(books: Bookkeeping, period_from: dt.date, period_to: dt.date) -> dict[str, Any]:
    """Opening, debit, credit and closing of every account, both dates included.

    ``opening`` is the file's opening balance and what moved before ``period_from``; it and
    ``closing`` are debit positive. Differences in the source are rows whose ``account`` is
    empty, and ``notes`` explains them.

    :raises StatementError: the period ends before it starts, or the books hold nothing of it
    """
    rows = movements(books, period_from, period_to)
    totals = {
        name: sum((getattr(row, name) for row in rows), ZERO)
        for name in ("opening", "debit", "credit", "closing")
    }
    notes = source_notes(books, period_from, period_to) + _unclosed_years(books, period_from)
    return {
        **_heading(books, period_from, period_to),
        "accounts": [
            {
                "account": row.account.id,
                "description": row.account.description,
                "standard_account": row.account.standard_id,
                "opening": money(row.opening),
                "debit": money(row.debit),
                "credit": money(row.credit),
                "closing": money(row.closing),
            }
            for row in rows
        ],
        "totals": {name: money(total) for name, total in totals.items()},
        "balanced": not totals["opening"] and not totals["closing"] and totals["debit"] == totals["credit"],
        "notes": notes,
    }


def financial_statement(books: Bookkeeping, period_from: dt.date, period_to: dt.date) -> dict[str, Any]:
    """Income statement for a period and balance sheet at its end, by the Norwegian standard chart.

    Signs are a reader's: revenue, assets, equity and liabilities are positive as usual, operating
    expenses and tax are positive when they cost, financial and extraordinary items are positive
    when they earn. Source of the grouping: :mod:`consent_service.sandbox.erp.chart`.

    1. Entries that only close the year are left out of the income statement; else a closed
       year would show no income.
    2. What income and cost accounts still hold at the end is equity, as a line of its own:
       this period's and earlier periods' result that no entry has carried over yet.
    3. Accounts that the chart can't place, and differences in the source, stand by themselves.

    :raises StatementError: no chart is known for the company's country; or as :func:`trial_balance`
    """
    if books.company.country != "NO":
        raise StatementError(f"No chart of accounts is known for {books.company.country}, only for NO.")
    rows = movements(books, period_from, period_to)
    groups = {row.account.id: chart.group(row.account) for row in rows}
    closings = [
        each
        for each in books.transactions
        if period_from <= each.date <= period_to and sections.closes_the_year(each, groups)
    ]
    sheet, balanced = sections.balance_sheet(rows, groups)
    return {
        **_heading(books, period_from, period_to),
        "chart": "NS 4102",
        "income_statement": sections.income_statement(rows, groups, closings),
        "balance_sheet": sheet,
        "balanced": balanced,
        "notes": source_notes(books, period_from, period_to)
        + _placing(groups)
        + [
            f"Transaction {each.id} of {each.date} only closes the year: not in the income statement."
            for each in closings
        ],
    }


def _heading(books: Bookkeeping, start: dt.date, end: dt.date) -> dict[str, Any]:
    company = books.company
    return {
        "company": {
            "registration_number": company.registration_number,
            "name": company.name,
            "country": company.country,
        },
        "currency": books.currency,
        "period": {"from": start.isoformat(), "to": end.isoformat()},
    }


def _unclosed_years(books: Bookkeeping, start: dt.date) -> list[str]:
    """Say so when income and cost accounts open the year with earlier amounts: not this year's turnover."""
    new_year = dt.date(start.year, 1, 1)
    if books.company.country != "NO" or (books.selection and books.selection.start > new_year):
        return []
    carried = any(
        row.opening and chart.group(row.account)[:1] in chart.RESULT_CLASSES
        for row in movements(books, new_year, start)
        if row.account.id
    )
    return (
        [f"Income and cost accounts hold amounts from before {new_year} that no entry has closed."]
        if carried
        else []
    )


def _placing(groups: dict[str, str]) -> list[str]:
    unplaced = [number for number, code in groups.items() if number and not code]
    unassigned = [number for number, code in groups.items() if code in chart.UNASSIGNED]
    return [f"Account {number} has no place in the standard chart." for number in unplaced] + [
        f"Account {number} is in group {groups[number]}, which the standard chart leaves open."
        for number in unassigned
    ]
