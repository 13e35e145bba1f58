"""The two halves of a financial statement, from movements that are already grouped by the chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from consent_service.sandbox.erp import chart
from consent_service.sandbox.erp.chart import Section
from consent_service.sandbox.erp.model import ZERO, Transaction
from consent_service.sandbox.erp.movements import Movement, money

_APPROPRIATION = frozenset({"88", "89"})
_EQUITY = "20"


def closes_the_year(transaction: Transaction, groups: Mapping[str, str]) -> bool:
    """Whether a voucher only empties income and cost accounts into the result for the year.

    It touches nothing but result accounts and equity, among them an appropriation (88, 89) and
    an ordinary one. Ordinary vouchers never do: a sale has a receivable, a tax charge a debt,
    an owner's private use of goods no appropriation.

    :param groups: two-digit group by account number
    """
    codes = {groups.get(line.account_id, "") for line in transaction.lines}
    ordinary = any(code[:1] in chart.RESULT_CLASSES for code in codes - _APPROPRIATION)
    only = (
        all(code == _EQUITY or code[:1] in chart.RESULT_CLASSES for code in codes if code) and "" not in codes
    )
    return only and ordinary and bool(codes & _APPROPRIATION)


def income_statement(
    rows: Iterable[Movement], groups: Mapping[str, str], closings: Iterable[Transaction]
) -> dict[str, Any]:
    """Sections with their items, and the results between them.

    :param closings: vouchers of the period whose amounts are left out, see :func:`closes_the_year`
    """
    amounts: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in rows:
        amounts[groups[row.account.id]] += row.debit - row.credit
    for transaction in closings:
        for line in transaction.lines:
            amounts[groups[line.account_id]] -= line.amount
    revenue, revenue_total = _section(Section.OPERATING_REVENUE, amounts, -1)
    expenses, expenses_total = _section(Section.OPERATING_EXPENSES, amounts, 1)
    financial, financial_total = _section(Section.NET_FINANCIAL_ITEMS, amounts, -1)
    extraordinary, extraordinary_total = _section(Section.EXTRAORDINARY_ITEMS, amounts, -1)
    tax, tax_total = _section(Section.TAX, amounts, 1)
    appropriations, _ = _section(Section.APPROPRIATIONS, amounts, 1)
    operating = revenue_total - expenses_total
    before_tax = operating + financial_total + extraordinary_total
    return {
        Section.OPERATING_REVENUE.value: revenue,
        Section.OPERATING_EXPENSES.value: expenses,
        "operating_result": money(operating),
        Section.NET_FINANCIAL_ITEMS.value: financial,
        Section.EXTRAORDINARY_ITEMS.value: extraordinary,
        "result_before_tax": money(before_tax),
        Section.TAX.value: tax,
        "result_for_the_period": money(before_tax - tax_total),
        Section.APPROPRIATIONS.value: appropriations,
    }


def balance_sheet(rows: Sequence[Movement], groups: Mapping[str, str]) -> tuple[dict[str, Any], bool]:
    """Assets, and equity and liabilities, at the end of the period; and whether the two are equal.

    INVARIANT: they are, because the closing balances of ``rows`` sum to zero, and every row
    is in exactly one place: assets, a section of the other side, the result not yet carried
    to equity, outside the chart, or a difference in the source.
    """
    amounts: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    differences = []
    for row in rows:
        if row.account.id:
            amounts[groups[row.account.id]] += row.closing
        elif row.closing:
            differences.append(("", row.account.description, -row.closing))
    uncarried = -sum((amount for code, amount in amounts.items() if code[:1] in chart.RESULT_CLASSES), ZERO)
    result = [("", "Result not yet carried to equity", uncarried)] if uncarried else []

    fixed, fixed_total = _section(Section.FIXED_ASSETS, amounts, 1)
    current, current_total = _section(Section.CURRENT_ASSETS, amounts, 1)
    assets = fixed_total + current_total
    other_side: dict[str, Any] = {}
    total = ZERO
    for section, extra in (
        (Section.EQUITY, result),
        (Section.PROVISIONS, []),
        (Section.LONG_TERM_LIABILITIES, []),
        (Section.CURRENT_LIABILITIES, []),
        (Section.OUTSIDE_THE_CHART, []),
    ):
        other_side[section.value], section_total = _section(section, amounts, -1, extra)
        total += section_total
    other_side["differences_in_the_source"], difference = _listed(differences)
    total += difference
    sheet = {
        "assets": {
            Section.FIXED_ASSETS.value: fixed,
            Section.CURRENT_ASSETS.value: current,
            "total": money(assets),
        },
        "equity_and_liabilities": {**other_side, "total": money(total)},
    }
    return sheet, assets == total


def _section(
    section: Section,
    amounts: Mapping[str, Decimal],
    sign: int,
    extra: Sequence[tuple[str, str, Decimal]] = (),
) -> tuple[dict[str, Any], Decimal]:
    """The groups of one section that have an amount, by code. A group that is nil has nothing to tell."""
    items = [
        (code, chart.LABELS.get(code, "Accounts outside the standard chart"), sign * amount)
        for code, amount in sorted(amounts.items())
        if amount and chart.section(code) is section
    ]
    return _listed([*items, *extra])


def _listed(items: Sequence[tuple[str, str, Decimal]]) -> tuple[dict[str, Any], Decimal]:
    total = sum((amount for _, _, amount in items), ZERO)
    listed = [{"code": code, "label": label, "amount": money(amount)} for code, label, amount in items]
    return {"items": listed, "total": money(total)}, total
