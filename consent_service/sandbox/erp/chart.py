"""Where an account belongs in a Norwegian financial statement.

Source of the grouping: the two-digit level of the Norwegian standard chart of accounts
(NS 4102), which the tax administration publishes for SAF-T as "General Ledger Standard
Accounts, 2 character" in its public repository Skatteetaten/saf-t on GitHub. The code lists
that SAF-T 1.30 uses instead (``naeringsspesifikasjon``) keep the same first two digits, and
so did their predecessors RF-1167, RF-1175 and RF-1368. The labels below are our own words:
the published list's texts are licensed for mapping only.
"""

from __future__ import annotations

import re
from enum import StrEnum

from consent_service.sandbox.erp.model import Account


class Section(StrEnum):
    """A heading of the statement, in the order that it is presented; the values are JSON keys."""

    OPERATING_REVENUE = "operating_revenue"
    OPERATING_EXPENSES = "operating_expenses"
    NET_FINANCIAL_ITEMS = "net_financial_items"
    EXTRAORDINARY_ITEMS = "extraordinary_items"
    TAX = "tax"
    APPROPRIATIONS = "appropriations"
    FIXED_ASSETS = "fixed_assets"
    CURRENT_ASSETS = "current_assets"
    EQUITY = "equity"
    PROVISIONS = "provisions"
    LONG_TERM_LIABILITIES = "long_term_liabilities"
    CURRENT_LIABILITIES = "current_liabilities"
    OUTSIDE_THE_CHART = "outside_the_chart"


LABELS: dict[str, str] = {
    "10": "Intangible assets",
    "11": "Land and buildings",
    "12": "Machinery, vehicles, fixtures and other equipment",
    "13": "Long-term financial assets",
    "14": "Inventories and prepayments to suppliers",
    "15": "Trade and other short-term receivables",
    "16": "VAT and public grants receivable",
    "17": "Prepaid costs and accrued income",
    "18": "Short-term investments",
    "19": "Cash and bank",
    "20": "Equity",
    "21": "Provisions, with deferred tax and pensions",
    "22": "Long-term loans and other long-term debt",
    "23": "Short-term loans and overdrafts",
    "24": "Trade payables",
    "25": "Income tax payable",
    "26": "Tax and other amounts withheld from pay",
    "27": "VAT and other public duties payable",
    "28": "Dividend payable",
    "29": "Other current liabilities",
    "30": "Sales with VAT",
    "31": "Sales free of VAT",
    "32": "Sales outside the VAT act",
    "33": "Public duties on sales",
    "34": "Public grants",
    "35": "Income not yet earned",
    "36": "Rental income",
    "37": "Commission income",
    "38": "Gains on fixed assets and changes in value",
    "39": "Other operating income",
    "40": "Raw materials used",
    "41": "Work in progress used",
    "42": "Own finished goods used",
    "43": "Goods bought for resale used",
    "44": "Other cost of goods (44)",
    "45": "Subcontractors",
    "46": "Other cost of goods",
    "47": "Other cost of goods (47)",
    "48": "Other cost of goods (48)",
    "49": "Changes in stock and accruals of cost of goods",
    "50": "Wages and salaries",
    "51": "Wages and salaries (51)",
    "52": "Benefits in kind",
    "53": "Other reportable pay",
    "54": "Employer's contributions and pensions",
    "55": "Other reimbursed staff costs",
    "56": "Pay to owners",
    "57": "Public grants for labour",
    "58": "Public refunds of pay",
    "59": "Other staff costs",
    "60": "Depreciation and write-downs",
    "61": "Freight on sales",
    "62": "Energy and water for production",
    "63": "Premises",
    "64": "Hire of machinery and equipment",
    "65": "Tools and equipment expensed at once",
    "66": "Repairs and maintenance",
    "67": "Professional services",
    "68": "Office costs",
    "69": "Telephone and post",
    "70": "Vehicles",
    "71": "Travel",
    "72": "Commission paid",
    "73": "Marketing and entertainment",
    "74": "Membership fees and gifts",
    "75": "Insurance, guarantees and service",
    "76": "Licences and patents",
    "77": "Other costs",
    "78": "Losses on receivables, contracts and fixed assets",
    "79": "Accruals of operating costs",
    "80": "Financial income",
    "81": "Financial costs",
    "82": "Other financial items (82)",
    "83": "Tax on the ordinary result",
    "84": "Extraordinary income",
    "85": "Extraordinary costs",
    "86": "Tax on extraordinary items",
    "87": "Other financial items (87)",
    "88": "Result for the year, taken to closing",
    "89": "Transfers and appropriations",
}

# Class 8 and the balance sheet are divided by group; classes 3 to 7 are whole. 82 and 87 have no
# meaning in the chart; a company that uses them still earned or paid something before tax.
_BY_GROUP: dict[str, Section] = {
    **dict.fromkeys(("10", "11", "12", "13"), Section.FIXED_ASSETS),
    **dict.fromkeys(("14", "15", "16", "17", "18", "19"), Section.CURRENT_ASSETS),
    "20": Section.EQUITY,
    "21": Section.PROVISIONS,
    "22": Section.LONG_TERM_LIABILITIES,
    **dict.fromkeys(("23", "24", "25", "26", "27", "28", "29"), Section.CURRENT_LIABILITIES),
    **dict.fromkeys(("80", "81", "82", "87"), Section.NET_FINANCIAL_ITEMS),
    **dict.fromkeys(("84", "85"), Section.EXTRAORDINARY_ITEMS),
    **dict.fromkeys(("83", "86"), Section.TAX),
    **dict.fromkeys(("88", "89"), Section.APPROPRIATIONS),
}
_BY_CLASS: dict[str, Section] = {
    "3": Section.OPERATING_REVENUE,
    **dict.fromkeys(("4", "5", "6", "7"), Section.OPERATING_EXPENSES),
}
UNASSIGNED = frozenset({"44", "47", "48", "51", "82", "87"})
"""Groups that the published list does not define; they follow their class, and a note says so."""

RESULT_CLASSES = frozenset("345678")

_STANDARD = re.compile(r"[1-8][0-9](?:[0-9]{2})?")  # the two published levels
_OWN = re.compile(r"[1-8][0-9]{3,}")  # companies add digits for sub-accounts: 1920, 192001
# Code lists of the central government (KS), municipalities (KA...) and banks number other things.
_OTHER_LISTS = re.compile(r"KA|KS|KOSTRA|STAT|RF-1173|RF-1323|RF-150", re.IGNORECASE)


def group(account: Account) -> str:
    """The two-digit NS 4102 group of an account; empty when neither its mapping nor its number tells.

    The company's own mapping to the standard chart counts before its account number, as
    numbers are free and the mapping is what the file is checked on. A code of another list,
    or ``NA``, says nothing here, so the number decides.
    """
    if not _OTHER_LISTS.match(account.grouping_category) and _STANDARD.fullmatch(account.standard_id):
        return account.standard_id[:2]
    return account.id[:2] if _OWN.fullmatch(account.id) else ""


def section(code: str) -> Section:
    """The heading that a two-digit group stands under."""
    return _BY_GROUP.get(code) or _BY_CLASS.get(code[:1], Section.OUTSIDE_THE_CHART)
