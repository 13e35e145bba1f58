"""Trial balance and financial statement: right by hand, and balanced whatever the books hold."""

from __future__ import annotations

import datetime as dt
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.sandbox.erp import chart, saft
from consent_service.sandbox.erp.model import Account, Bookkeeping, Company, Line, Period, Transaction
from consent_service.sandbox.erp.statements import StatementError, financial_statement, trial_balance

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = saft.load(ROOT / "consent_service" / "sandbox" / "erp" / "sample-saft.xml")
NEW_YEAR, YEAR_END = dt.date(2025, 1, 1), dt.date(2025, 12, 31)
YEAR = Period(NEW_YEAR, YEAR_END)


def public_example() -> Bookkeeping:
    """The tax administration's own example, which is not ours to commit."""
    folder = Path(os.environ.get("SAFT_SCHEMA", ROOT.parent / "shared" / "data" / "saft-no"))
    path = (folder.parent if folder.is_file() else folder) / "saft-financial-999999999.xml"
    if not path.exists():
        pytest.skip(f"{path.name} is not here; set SAFT_SCHEMA to the folder that has it")
    return saft.load(path)


def books(
    *transactions: tuple[str, dt.date, dict[str, str]],
    accounts: tuple[Account, ...] = (),
    country: str = "NO",
    selection: Period | None = YEAR,
) -> Bookkeeping:
    return Bookkeeping(
        Company("310028142", "Fjellvik", country),
        "NOK",
        selection,
        accounts,
        tuple(
            Transaction(
                number, day, tuple(Line(account, Decimal(amount)) for account, amount in lines.items())
            )
            for number, day, lines in transactions
        ),
    )


def rows(balance: dict[str, Any]) -> dict[str, tuple[str, str, str, str]]:
    return {
        row["account"] or row["description"]: (row["opening"], row["debit"], row["credit"], row["closing"])
        for row in balance["accounts"]
    }


def amounts(section: dict[str, Any]) -> dict[str, str]:
    return {item["code"] or item["label"]: item["amount"] for item in section["items"]}


class TestTrialBalance:
    def test_the_public_example_by_hand(self):
        """Two vouchers: 10000 + 2500 VAT bought on credit, 12500 paid. Its openings sum to -1234.56."""
        balance = trial_balance(public_example(), dt.date(2015, 1, 1), dt.date(2015, 12, 31))
        assert rows(balance) == {
            "1925": ("1234.56", "0.00", "12500.00", "-11265.44"),
            "2400": ("-1234.56", "12500.00", "12500.00", "-1234.56"),
            "2740": ("-1234.56", "2500.00", "0.00", "1265.44"),
            "4000": ("0.00", "10000.00", "0.00", "10000.00"),
            "Difference in the source file's opening balances": ("1234.56", "0.00", "0.00", "1234.56"),
        }
        # 25000 is also what the file itself states as TotalDebit and TotalCredit.
        assert balance["totals"] == {
            "opening": "0.00",
            "debit": "25000.00",
            "credit": "25000.00",
            "closing": "0.00",
        }
        assert balance["balanced"] is True
        assert balance["accounts"][-1]["account"] == ""
        opening, *closings = balance["notes"]
        assert opening == "The source file's opening balances do not balance: they sum to -1234.56."
        # Stated and computed; the file's own statement of each account stands in its GeneralLedgerAccounts.
        wrong = {
            "1925": ("12345.67", "-11265.44"),
            "2400": ("-12345.67", "-1234.56"),
            "2740": ("-12345.67", "1265.44"),
            "4000": ("0.00", "10000.00"),
        }
        for note, (account, (stated, computed)) in zip(closings, wrong.items(), strict=True):
            assert note.startswith(
                f"Account {account}: the source file states a closing balance of {stated}, "
            )
            assert note.endswith(f"its opening balance and transactions give {computed}.")

    def test_movements_before_the_period_are_in_the_opening_and_later_ones_nowhere(self):
        balance = trial_balance(public_example(), dt.date(2015, 11, 1), dt.date(2015, 11, 30))
        assert rows(balance)["1925"] == ("-11265.44", "0.00", "0.00", "-11265.44")
        balance = trial_balance(public_example(), dt.date(2015, 1, 1), dt.date(2015, 10, 30))
        assert rows(balance)["4000"] == ("0.00", "0.00", "0.00", "0.00")

    def test_both_ends_of_the_period_belong_to_it(self):
        day = dt.date(2015, 10, 31)
        assert rows(trial_balance(public_example(), day, day))["4000"] == (
            "0.00",
            "10000.00",
            "0.00",
            "10000.00",
        )

    def test_a_voucher_that_does_not_balance_is_named_and_given_a_line(self):
        wrong = books(
            ("V-1", dt.date(2025, 2, 1), {"1920": "-100", "6800": "99.99"}),
            ("V-2", dt.date(2025, 3, 1), {"1920": "-50", "6800": "50.02"}),
        )
        balance = trial_balance(wrong, dt.date(2025, 3, 1), YEAR_END)
        assert rows(balance)["Difference in the source file's transactions"] == (
            "0.01",
            "0.00",
            "0.02",
            "-0.01",
        )
        assert balance["balanced"] is True
        assert "Transaction V-1 of 2025-02-01 does not balance: its lines sum to -0.01." in balance["notes"]
        assert "Transaction V-2 of 2025-03-01 does not balance: its lines sum to 0.02." in balance["notes"]

    def test_accounts_that_the_chart_does_not_list_are_shown_and_named(self):
        balance = trial_balance(books(("1", NEW_YEAR, {"1920": "-1", "6800": "1"})), NEW_YEAR, YEAR_END)
        assert list(rows(balance)) == ["1920", "6800"]
        assert "Account 6800 is used but not in the source file's chart." in balance["notes"]

    def test_a_broken_file_s_notes_stay_readable(self):
        wrong = books(*((f"V-{number}", NEW_YEAR, {"1920": "1"}) for number in range(100)))
        notes = trial_balance(wrong, NEW_YEAR, YEAR_END)["notes"]
        assert len([note for note in notes if "does not balance" in note]) == 20
        assert "And 80 more of the same kind." in notes

    def test_the_file_s_own_period_is_told(self):
        notes = trial_balance(SAMPLE, dt.date(2023, 1, 1), dt.date(2024, 6, 30))["notes"]
        assert (
            "The source file covers 2024-01-01 to 2025-12-31 only; the rest of the period is empty." in notes
        )
        unknown = books(("1", NEW_YEAR, {"1920": "0"}), selection=None)
        assert (
            "The source file does not say which period it covers."
            in trial_balance(unknown, NEW_YEAR, YEAR_END)["notes"]
        )
        outside = books(("V-9", dt.date(2024, 12, 30), {"1920": "1", "6800": "-1"}))
        assert (
            "Transaction V-9 is dated 2024-12-30, outside the period that the source file covers."
            in trial_balance(outside, NEW_YEAR, YEAR_END)["notes"]
        )

    def test_earlier_years_on_income_accounts_are_told(self):
        sale = ("1", dt.date(2024, 5, 1), {"1920": "1", "3000": "-1"})
        two_years = books(sale, selection=Period(dt.date(2024, 1, 1), YEAR_END))
        note = "Income and cost accounts hold amounts from before 2025-01-01 that no entry has closed."
        assert note in trial_balance(two_years, dt.date(2025, 4, 1), YEAR_END)["notes"]
        assert note not in trial_balance(two_years, dt.date(2024, 6, 1), YEAR_END)["notes"]
        assert trial_balance(SAMPLE, NEW_YEAR, YEAR_END)["notes"] == []  # the sample closes its 2024

    def test_a_period_that_can_t_be_answered_is_refused(self):
        with pytest.raises(StatementError, match=r"ends \(2025-01-01\) before it starts"):
            trial_balance(SAMPLE, YEAR_END, NEW_YEAR)
        with pytest.raises(StatementError, match="nothing of 2019-01-01 to 2023-12-31"):
            trial_balance(SAMPLE, dt.date(2019, 1, 1), dt.date(2023, 12, 31))
        with pytest.raises(StatementError, match="nothing of 2026-01-01 to 2026-12-31"):
            trial_balance(SAMPLE, dt.date(2026, 1, 1), dt.date(2026, 12, 31))


class TestFinancialStatement:
    def test_the_sample_s_2025_by_hand(self):
        """Each figure is the sum of the sample's lines of that year, added up from its XML."""
        statement = financial_statement(SAMPLE, NEW_YEAR, YEAR_END)
        income, sheet = statement["income_statement"], statement["balance_sheet"]
        assert amounts(income["operating_revenue"]) == {"30": "4253000.00", "31": "1420000.00"}
        assert income["operating_revenue"]["total"] == "5673000.00"
        assert amounts(income["operating_expenses"])["60"] == "300000.00"
        assert income["operating_expenses"]["total"] == "4599370.00"
        assert income["operating_result"] == "1073630.00"
        assert amounts(income["net_financial_items"]) == {"80": "11865.40", "81": "-115915.50"}
        assert income["result_before_tax"] == "969579.90"
        assert amounts(income["tax"]) == {"83": "213308.00"}
        assert income["result_for_the_period"] == "756271.90"
        assert sheet["assets"]["fixed_assets"]["total"] == "2526000.00"
        assert sheet["assets"]["total"] == sheet["equity_and_liabilities"]["total"] == "6835625.95"
        equity = sheet["equity_and_liabilities"]["equity"]
        assert amounts(equity) == {"20": "2488598.55", "Result not yet carried to equity": "756271.90"}
        assert amounts(sheet["equity_and_liabilities"]["long_term_liabilities"]) == {"22": "1855000.00"}
        assert statement["notes"] == []

    def test_a_closed_year_still_shows_its_income_and_carries_its_result_once(self):
        statement = financial_statement(SAMPLE, dt.date(2024, 1, 1), dt.date(2024, 12, 31))
        income, sheet = statement["income_statement"], statement["balance_sheet"]
        assert income["operating_revenue"]["total"] == "4957000.00"
        assert income["result_for_the_period"] == income["appropriations"]["total"] == "602448.55"
        # 300000 share capital, 1736150 from before, and the result less the dividend of 150000.
        assert amounts(sheet["equity_and_liabilities"]["equity"]) == {"20": "2488598.55"}
        assert amounts(sheet["equity_and_liabilities"]["current_liabilities"])["28"] == "150000.00"
        assert statement["notes"] == [
            "Transaction 2024-032 of 2024-12-31 only closes the year: not in the income statement."
        ]

    def test_an_owner_s_private_use_of_goods_is_income_and_closes_nothing(self):
        private = books(("1", NEW_YEAR, {"3060": "-400", "2064": "400"}))
        statement = financial_statement(private, NEW_YEAR, YEAR_END)
        assert statement["income_statement"]["result_for_the_period"] == "400.00"

    def test_a_voucher_with_an_account_of_unknown_kind_closes_nothing(self):
        odd = books(("1", NEW_YEAR, {"3000": "-5", "8960": "2", "9100": "3"}))
        income = financial_statement(odd, NEW_YEAR, YEAR_END)["income_statement"]
        assert income["result_for_the_period"] == "5.00"

    def test_a_result_that_is_carried_without_closing_each_account(self):
        """Debit 8960, credit 2050: the accounts keep their amounts, and equity has the result once."""
        carried = books(
            ("1", NEW_YEAR, {"1920": "900", "3000": "-900"}), ("2", YEAR_END, {"8960": "900", "2050": "-900"})
        )
        statement = financial_statement(carried, NEW_YEAR, YEAR_END)
        assert statement["income_statement"]["result_for_the_period"] == "900.00"
        assert statement["income_statement"]["appropriations"]["total"] == "900.00"
        assert amounts(statement["balance_sheet"]["equity_and_liabilities"]["equity"]) == {"20": "900.00"}

    def test_the_public_example_balances_by_a_named_difference(self):
        statement = financial_statement(public_example(), dt.date(2015, 1, 1), dt.date(2015, 12, 31))
        assert statement["balanced"] is True
        # The company mapped its account 4000 to standard account 43, and the mapping counts.
        assert amounts(statement["income_statement"]["operating_expenses"]) == {"43": "10000.00"}
        sides = statement["balance_sheet"]
        assert sides["assets"]["total"] == sides["equity_and_liabilities"]["total"] == "-11265.44"
        assert amounts(sides["equity_and_liabilities"]["differences_in_the_source"]) == {
            "Difference in the source file's opening balances": "-1234.56"
        }

    def test_class_8_is_divided_by_group(self):
        groups = {"8050": -5, "8150": 2, "8300": 3, "8400": -40, "8500": 10, "8600": 1, "8200": 7}
        lines = {account: str(amount) for account, amount in groups.items()}
        eight = books(("1", NEW_YEAR, {**lines, "1920": "22"}), ("2", NEW_YEAR, {"8920": "9", "2800": "-9"}))
        statement = financial_statement(eight, NEW_YEAR, YEAR_END)
        income = statement["income_statement"]
        assert amounts(income["net_financial_items"]) == {"80": "5.00", "81": "-2.00", "82": "-7.00"}
        assert income["extraordinary_items"]["total"] == "30.00"
        assert income["result_before_tax"] == "26.00"
        assert amounts(income["tax"]) == {"83": "3.00", "86": "1.00"}
        assert income["result_for_the_period"] == "22.00"
        assert amounts(income["appropriations"]) == {"89": "9.00"}
        assert "Account 8200 is in group 82, which the standard chart leaves open." in statement["notes"]

    def test_accounts_outside_the_chart_stand_by_themselves(self):
        statement = financial_statement(
            books(("1", NEW_YEAR, {"1920": "5", "9100": "-5"})), NEW_YEAR, YEAR_END
        )
        outside = statement["balance_sheet"]["equity_and_liabilities"]["outside_the_chart"]
        assert amounts(outside) == {"Accounts outside the standard chart": "5.00"}
        assert "Account 9100 has no place in the standard chart." in statement["notes"]

    def test_another_country_s_chart_is_not_guessed(self):
        with pytest.raises(StatementError, match="No chart of accounts is known for DK"):
            financial_statement(books(country="DK"), NEW_YEAR, YEAR_END)


@pytest.mark.parametrize(
    ("account", "group"),
    [
        (Account("1920", "", "19"), "19"),
        (Account("4000", "", "43"), "43"),
        (Account("1500", "", "2400", "kortsiktigGjeld"), "24"),
        (Account("192001", ""), "19"),
        (Account("3000", "", "NA", "NA"), "30"),
        (Account("5000", "", "6010", "KA_K"), "50"),
        (Account("1500", "", "3.51.11", "balanseverdiForBankOgForsikringseiendel"), "15"),
        (Account("1500", "", "100", "KS"), "15"),
        (Account("0100", ""), ""),
        (Account("19", ""), ""),
        (Account("Bank", ""), ""),
    ],
)
def test_the_mapping_decides_before_the_number(account, group):
    assert chart.group(account) == group


def test_every_group_has_a_label_and_a_place():
    for code in (f"{number}" for number in range(10, 90)):
        assert chart.LABELS[code]
        assert chart.section(code) is not chart.Section.OUTSIDE_THE_CHART


# A busy machine is no fault in the books.
UNHURRIED = settings(deadline=None)
MONEY = st.decimals(-(10**9), 10**9, places=2)
DAYS = st.dates(dt.date(2023, 1, 1), dt.date(2026, 12, 31))
NUMBERS = st.sampled_from(["1000", "1920", "2050", "2180", "2220", "2400", "3000", "4300", "5000", "7830"])
ACCOUNTS = NUMBERS | st.sampled_from(["8050", "8200", "8300", "8800", "8960", "9000", "X"])
CHART = st.lists(
    st.builds(
        Account,
        ACCOUNTS,
        st.just("An account"),
        st.sampled_from(["", "19", "20", "3000", "8960", "NA"]),
        st.just(""),
        MONEY,
        st.none() | MONEY,
    ),
    unique_by=lambda account: account.id,
    max_size=6,
)
LINES = st.lists(st.builds(Line, ACCOUNTS, MONEY), min_size=1, max_size=5).map(tuple)
ANY_BOOKS = st.builds(
    Bookkeeping,
    st.just(Company("310028142", "Fjellvik", "NO")),
    st.just("NOK"),
    st.none(),
    CHART.map(tuple),
    st.lists(st.builds(Transaction, st.text("ab", min_size=1), DAYS, LINES), max_size=8).map(tuple),
)


def check_trial_balance(balance: dict[str, Any], source: Bookkeeping, start: dt.date, end: dt.date) -> None:
    def column(name: str) -> Decimal:
        return sum((Decimal(row[name]) for row in balance["accounts"]), Decimal(0))

    assert balance["balanced"] is True
    assert column("opening") == column("closing") == 0
    assert column("debit") == column("credit") == Decimal(balance["totals"]["debit"])
    found = {row["account"]: row for row in balance["accounts"] if row["account"]}
    moved = [(each.date, line) for each in source.transactions for line in each.lines]
    openings = {account.id: account.opening for account in source.accounts}
    for number in openings.keys() | {line.account_id for day, line in moved if day <= end}:
        own = [(day, line.amount) for day, line in moved if line.account_id == number]
        opening = openings.get(number, Decimal(0)) + sum(amount for day, amount in own if day < start)
        assert Decimal(found[number]["opening"]) == opening
        assert Decimal(found[number]["closing"]) == opening + sum(
            amount for day, amount in own if start <= day <= end
        )


def check_statement(statement: dict[str, Any]) -> None:
    sheet = statement["balance_sheet"]
    other = sheet["equity_and_liabilities"]
    assert statement["balanced"] is True
    assert sheet["assets"]["total"] == other["total"]
    for side in (sheet["assets"], other):
        sections = [section for name, section in side.items() if name != "total"]
        for section in sections:
            assert sum(Decimal(item["amount"]) for item in section["items"]) == Decimal(section["total"])
        assert sum(Decimal(section["total"]) for section in sections) == Decimal(side["total"])


@UNHURRIED
@given(ANY_BOOKS, DAYS, DAYS)
def test_any_books_balance_in_any_period(source, one, other):
    start, end = sorted((one, other))
    check_trial_balance(trial_balance(source, start, end), source, start, end)
    check_statement(financial_statement(source, start, end))


@UNHURRIED
@given(st.dates(dt.date(2024, 1, 1), YEAR_END), st.dates(dt.date(2024, 1, 1), YEAR_END))
def test_the_sample_balances_in_any_period_without_a_difference(one, other):
    start, end = sorted((one, other))
    balance, statement = trial_balance(SAMPLE, start, end), financial_statement(SAMPLE, start, end)
    check_trial_balance(balance, SAMPLE, start, end)
    check_statement(statement)
    assert all(row["account"] for row in balance["accounts"])
    other_side = statement["balance_sheet"]["equity_and_liabilities"]
    assert not other_side["differences_in_the_source"]["items"]
    assert not other_side["outside_the_chart"]["items"]


@UNHURRIED
@given(st.dates(dt.date(2024, 1, 1), dt.date(2025, 12, 30)))
def test_the_results_of_two_parts_of_the_sample_s_time_add_up(end):
    def result(start: dt.date, end: dt.date) -> Decimal:
        return Decimal(financial_statement(SAMPLE, start, end)["income_statement"]["result_for_the_period"])

    first, last = dt.date(2024, 1, 1), YEAR_END
    assert result(first, end) + result(end + dt.timedelta(days=1), last) == result(first, last)


@UNHURRIED
@given(ANY_BOOKS, DAYS)
def test_amounts_are_text_with_two_decimals_and_no_negative_zero(source, day):
    def check(value: Any) -> None:
        if isinstance(value, dict):
            for each in value.values():
                check(each)
        elif isinstance(value, list):
            for each in value:
                check(each)
        else:
            assert isinstance(value, str | bool)
            assert value != "-0.00"

    for statement in (trial_balance(source, day, day), financial_statement(source, day, day)):
        check(json.loads(json.dumps(statement)))
