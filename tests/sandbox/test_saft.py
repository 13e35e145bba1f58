"""SAF-T Financial: what is read, what is tolerated, and what is refused with one sentence."""

from __future__ import annotations

import codecs
import datetime as dt
import os
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree
from stdnum.no import orgnr

from consent_service.sandbox.erp import saft
from consent_service.sandbox.erp.model import Account, Bookkeeping, Company, Line, Period, Transaction
from consent_service.sandbox.erp.saft import SaftError

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "consent_service" / "sandbox" / "erp" / "sample-saft.xml"
NORWAY = "urn:StandardAuditFile-Taxation-Financial:NO"

ACCOUNT = """<Account><AccountID>1920</AccountID><AccountDescription>Bank</AccountDescription>
<StandardAccountID>19</StandardAccountID><OpeningDebitBalance>100</OpeningDebitBalance>
<ClosingDebitBalance>75.50</ClosingDebitBalance></Account>"""
TRANSACTION = """<Transaction><TransactionID>T-7</TransactionID><TransactionDate>2025-03-01</TransactionDate>
<Line><AccountID>6800</AccountID><DebitAmount><Amount>24.50</Amount></DebitAmount></Line>
<Line><AccountID>1920</AccountID><CreditAmount><Amount>24.50</Amount></CreditAmount></Line></Transaction>"""
HEADER = """<Header><AuditFileCountry>NO</AuditFileCountry><Company><RegistrationNumber>310 028 142
</RegistrationNumber><Name>Fjellvik</Name></Company><DefaultCurrencyCode>NOK</DefaultCurrencyCode>
<SelectionCriteria><SelectionStartDate>2025-01-01</SelectionStartDate>
<SelectionEndDate>2025-12-31</SelectionEndDate></SelectionCriteria></Header>"""


def document(
    header: str = HEADER, accounts: str = ACCOUNT, transactions: str = TRANSACTION, namespace: str = NORWAY
) -> str:
    return (
        f'<AuditFile xmlns="{namespace}">{header}'
        f"<MasterFiles><GeneralLedgerAccounts>{accounts}</GeneralLedgerAccounts></MasterFiles>"
        f"<GeneralLedgerEntries><Journal>{transactions}</Journal></GeneralLedgerEntries></AuditFile>"
    )


def data(name: str) -> Path:
    """The tax administration's public files, which are not ours to commit."""
    folder = Path(os.environ.get("SAFT_SCHEMA", ROOT.parent / "shared" / "data" / "saft-no"))
    folder = folder.parent if folder.is_file() else folder
    if not (folder / name).exists():
        pytest.skip(f"{name} is not here; set SAFT_SCHEMA to the folder that has it")
    return folder / name


@pytest.fixture
def read(tmp_path):
    def load(content: str | bytes) -> Bookkeeping:
        path = tmp_path / "books.xml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return saft.load(path)

    return load


def test_every_part_of_a_file_is_read(read):
    assert read(document()) == Bookkeeping(
        company=Company("310028142", "Fjellvik", "NO"),
        currency="NOK",
        selection=Period(dt.date(2025, 1, 1), dt.date(2025, 12, 31)),
        accounts=(Account("1920", "Bank", "19", "", Decimal(100), Decimal("75.50")),),
        transactions=(
            Transaction(
                "T-7",
                dt.date(2025, 3, 1),
                (Line("6800", Decimal("24.50")), Line("1920", Decimal("-24.50"))),
            ),
        ),
    )


def test_the_sample_is_valid_against_the_norwegian_schema():
    schema = etree.XMLSchema(etree.parse(data("saft-financial-1.10.xsd")))
    schema.assertValid(etree.parse(SAMPLE))


def test_the_sample_is_a_company_with_two_years_of_books():
    books = saft.load(SAMPLE)
    assert books.company == Company("310028142", "Fjellvik Båtbyggeri AS", "NO")
    assert orgnr.is_valid(books.company.registration_number)
    assert books.selection == Period(dt.date(2024, 1, 1), dt.date(2025, 12, 31))
    assert sum(account.opening for account in books.accounts) == 0
    assert all(transaction.difference == 0 for transaction in books.transactions)
    listed = {account.id for account in books.accounts}
    assert {line.account_id for each in books.transactions for line in each.lines} == listed - {
        "2000"
    }  # share capital rests


def test_the_public_example_is_read_as_its_xml_says():
    """A byte order mark, a prefix, and a period by months: all in the tax administration's own file."""
    path = data("saft-financial-999999999.xml")
    assert path.read_bytes().startswith(codecs.BOM_UTF8)
    books = saft.load(path)
    assert books.company == Company("999999999", "Selskapet AS", "NO")
    assert books.selection == Period(dt.date(2015, 1, 1), dt.date(2015, 12, 31))
    assert {each.id: (each.opening, each.closing) for each in books.accounts} == {
        "1925": (Decimal("1234.56"), Decimal("12345.67")),
        "2400": (Decimal("-1234.56"), Decimal("-12345.67")),
        "2740": (Decimal("-1234.56"), Decimal("-12345.67")),
        "4000": (Decimal(0), Decimal(0)),
    }
    assert [(each.id, each.lines) for each in books.transactions] == [
        ("4567", (Line("4000", Decimal(10000)), Line("2740", Decimal(2500)), Line("2400", Decimal(-12500)))),
        ("5678", (Line("2400", Decimal(12500)), Line("1925", Decimal(-12500)))),
    ]


@pytest.mark.parametrize(
    "namespace", ["urn:StandardAuditFile-Taxation-Financial:DK", "", "urn:oecd:whatever"]
)
def test_the_namespace_does_not_matter(read, namespace):
    assert read(document(namespace=namespace)).accounts == read(document()).accounts


def test_the_country_may_stand_in_the_namespace_or_the_address_only(read):
    bare = HEADER.replace("<AuditFileCountry>NO</AuditFileCountry>", "")
    denmark = "urn:StandardAuditFile-Taxation-Financial:DK"
    assert read(document(bare, namespace=denmark)).company.country == "DK"
    address = bare.replace("</Company>", "<Address><Country>se</Country></Address></Company>")
    assert read(document(address, namespace="urn:none")).company.country == "SE"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings_and_byte_order_marks(read, encoding):
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    content = f'<?xml version="1.0" encoding="{declared}"?>' + document().replace("Fjellvik", "Båt")
    assert read(content.encode(encoding)).company.name == "Båt"


def test_version_1_30_groups_by_category_and_code(read):
    code = (
        "<GroupingCategory>balanseverdiForOmloepsmiddel</GroupingCategory><GroupingCode>1920</GroupingCode>"
    )
    account = read(
        document(accounts=ACCOUNT.replace("<StandardAccountID>19</StandardAccountID>", code))
    ).accounts[0]
    assert (account.standard_id, account.grouping_category) == ("1920", "balanseverdiForOmloepsmiddel")


def test_a_standard_account_counts_before_a_grouping_code(read):
    both = "<GroupingCategory>KS</GroupingCategory><GroupingCode>192</GroupingCode><OpeningDebitBalance>"
    account = read(document(accounts=ACCOUNT.replace("<OpeningDebitBalance>", both))).accounts[0]
    assert (account.standard_id, account.grouping_category) == ("19", "")


def test_a_customer_s_balance_account_is_no_account_of_the_chart(read):
    customer = (
        f"<Customers><Customer>{ACCOUNT}<BalanceAccount>{ACCOUNT}</BalanceAccount></Customer></Customers>"
    )
    content = document().replace("</MasterFiles>", f"{customer}</MasterFiles>")
    assert len(read(content).accounts) == 1


def test_missing_sections_are_empty_ones(read):
    books = read(f"<AuditFile>{HEADER}</AuditFile>")
    assert (books.accounts, books.transactions) == ((), ())
    without = HEADER[: HEADER.index("<SelectionCriteria>")] + "</Header>"
    assert read(document(without)).selection is None
    silent = without.replace(
        "</Header>", "<SelectionCriteria><DocumentType>GL</DocumentType></SelectionCriteria></Header>"
    )
    assert read(document(silent)).selection is None


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (("01", "2024", "02", "2024"), (dt.date(2024, 1, 1), dt.date(2024, 2, 29))),
        (("0", "2024", "13", "2025"), (dt.date(2024, 1, 1), dt.date(2025, 12, 31))),
        (("7", "2024", "6", "2025"), (dt.date(2024, 7, 1), dt.date(2025, 6, 30))),
    ],
)
def test_the_period_may_be_given_in_months(read, criteria, expected):
    names = ("PeriodStart", "PeriodStartYear", "PeriodEnd", "PeriodEndYear")
    months = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, criteria, strict=True))
    before, rest = HEADER.split("<SelectionStartDate>")
    header = before + months + rest[rest.index("</SelectionCriteria>") :]
    assert read(document(header)).selection == Period(*expected)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("10000", "10000"),
        ("-5.5", "-5.50"),
        ("+1.", "1"),
        (".25", "0.25"),
        ("0000000000000000000001.1000", "1.10"),
    ],
)
def test_amounts_are_what_xml_schema_calls_a_decimal(read, written, amount):
    content = document(transactions=TRANSACTION.replace("<Amount>24.50", f"<Amount> {written} ", 1))
    assert read(content).transactions[0].lines[0].amount == Decimal(amount)


def test_an_amount_may_stand_without_amount_below(read):
    content = document(transactions=TRANSACTION.replace("<Amount>", "").replace("</Amount>", ""))
    assert read(content) == read(document())


BILLION_LAUGHS = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>' + document(
    accounts=ACCOUNT.replace("Bank", "&y;")
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + document(
    accounts=ACCOUNT.replace("Bank", "&x;")
)
AMOUNT = "DebitAmount/Amount in line 1 of transaction T-7"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "The file is not well-formed XML: no element found"),
        ("PK\x03\x04 a spreadsheet", "The file is not well-formed XML"),
        (document()[:-30], "The file is not well-formed XML"),
        ('<?xml version="1.0" encoding="klingon"?><AuditFile/>', "The file is not well-formed XML"),
        ("<html/>", "The root element is html, not AuditFile"),
        ("<AuditFile/>", "Header is missing in AuditFile."),
        (BILLION_LAUGHS, "The DOCTYPE of the file declares a document type or entities"),
        (EXTERNAL, "The DOCTYPE of the file declares a document type or entities"),
        ("<!DOCTYPE AuditFile>" + document(), "The DOCTYPE of the file declares a document type or entities"),
        ("<AuditFile>" + "<a>" * 40 + "</a>" * 40 + "</AuditFile>", "Elements nest more than 32 deep in a."),
        (document(HEADER + HEADER), "Header stands twice in AuditFile."),
        (
            document("<Header><AuditFileCountry>NO</AuditFileCountry></Header>"),
            "Company is missing in Header.",
        ),
        (document(HEADER.replace("310 028 142", "")), "RegistrationNumber is missing in Company."),
        (document(HEADER.replace("Fjellvik", " ")), "Name is missing in Company."),
        (document(HEADER.replace(">NOK<", "><")), "DefaultCurrencyCode is missing in Header."),
        (
            document(HEADER.replace("<AuditFileCountry>NO</AuditFileCountry>", ""), namespace=""),
            "AuditFileCountry is missing in Header.",
        ),
        (
            document(HEADER.replace("2025-12-31", "2024-12-31")),
            "SelectionCriteria ends (2024-12-31) before it starts (2025-01-01).",
        ),
        (document(HEADER.replace("2025-12-31", "")), "SelectionEndDate is missing in SelectionCriteria."),
        (
            document(HEADER.replace("SelectionStartDate", "PeriodStart")),
            "PeriodStartYear is missing in SelectionCriteria.",
        ),
        (
            document(
                HEADER.replace("SelectionStartDate>2025-01-01", "PeriodStartYear>MMXXV").replace(
                    "</SelectionStartDate>", "</PeriodStartYear>"
                )
            ),
            "PeriodStartYear in SelectionCriteria is not a period: 'MMXXV'.",
        ),
        (document(accounts=ACCOUNT * 2), "AccountID 1920 stands twice in GeneralLedgerAccounts."),
        (
            document(accounts=ACCOUNT.replace("1920", "")),
            "AccountID is missing in an Account of GeneralLedgerAccounts.",
        ),
        (
            document(accounts=ACCOUNT.replace(">100<", ">100,00<")),
            "OpeningDebitBalance in account 1920 is not an amount",
        ),
        (
            document(transactions=TRANSACTION * 2 + TRANSACTION.replace("T-7", "")),
            "TransactionID is missing in transaction number 3 of the file.",
        ),
        (
            document(transactions=TRANSACTION.replace("2025-03-01", "2025-02-30")),
            "TransactionDate in transaction T-7 is not a date: '2025-02-30'.",
        ),
        (
            document(transactions=TRANSACTION.replace("2025-03-01", "20250301")),
            "TransactionDate in transaction T-7 is not a date: '20250301'.",
        ),
        (
            document(transactions=TRANSACTION.replace("2025-03-01", "")),
            "TransactionDate is missing in transaction T-7.",
        ),
        (document(transactions=TRANSACTION.replace("Line", "Row")), "Line is missing in transaction T-7."),
        (
            document(transactions=TRANSACTION.replace("6800", "")),
            "AccountID is missing in line 1 of transaction T-7.",
        ),
        (
            document(transactions=TRANSACTION.replace("CreditAmount", "Amount")),
            "DebitAmount or CreditAmount is missing in line 2 of transaction T-7.",
        ),
        (document(transactions=TRANSACTION.replace("24.50", "1e5", 1)), f"{AMOUNT} is not an amount: '1e5'."),
        (document(transactions=TRANSACTION.replace("24.50", "NaN", 1)), f"{AMOUNT} is not an amount: 'NaN'."),
        (document(transactions=TRANSACTION.replace("24.50", "", 1)), f"{AMOUNT} is not an amount: ''."),
        (document(transactions=TRANSACTION.replace("24.50", ".", 1)), f"{AMOUNT} is not an amount: '.'."),
        (document(transactions=TRANSACTION.replace("24.50", "٣", 1)), f"{AMOUNT} is not an amount"),
        (
            document(transactions=TRANSACTION.replace("24.50", "0.005", 1)),
            f"{AMOUNT} has more than two decimals",
        ),
        (
            document(transactions=TRANSACTION.replace("24.50", "9" * 40, 1)),
            f"{AMOUNT} has more than 16 digits",
        ),
    ],
)
def test_what_can_t_be_read_is_refused_with_one_sentence(read, content, sentence):
    with pytest.raises(SaftError) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith(sentence)
    assert message.endswith(".")
    assert "\n" not in message


def test_a_file_that_is_not_there_is_refused_likewise(tmp_path):
    with pytest.raises(SaftError, match=r"^The file can't be read: No such file or directory\.$"):
        saft.load(tmp_path / "none.xml")


def test_what_is_not_read_takes_no_memory(read):
    """Megabytes of customers and nothing else: they are let go as they pass."""
    customers = "<Customer><Name>Someone</Name><CustomerID>1</CustomerID></Customer>" * 40_000
    content = (
        document().replace("</MasterFiles>", f"<Customers>{customers}</Customers></MasterFiles>").encode()
    )
    del customers
    assert read(content).accounts  # the file is written, and what is imported late is imported
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        read(content)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 500_000
