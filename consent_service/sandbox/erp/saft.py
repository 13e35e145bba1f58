"""Read a SAF-T Financial file into :class:`Bookkeeping`, as a stream.

Made for the Norwegian schema, versions 1.00 to 1.30 (public: the tax administration's
repository "Skatteetaten/saf-t"), which is a cut of the OECD's SAF-T 2.00. Names are matched
without namespace, so other countries' files of the same shape read too. Two things differ
between versions: 1.30 has ``GroupingCategory`` and ``GroupingCode`` where older ones have
``StandardAccountID``, and a ``BalanceAccount`` with customers and suppliers, which is not
read: sub-ledgers repeat what the general ledger already holds.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from consent_service.sandbox.erp import values
from consent_service.sandbox.erp.model import ZERO, Account, Bookkeeping, Company, Line, Transaction
from consent_service.sandbox.erp.values import SaftError

__all__ = ["Bookkeeping", "SaftError", "load"]

_HEADER = ("AuditFile", "Header")
_ACCOUNT = ("AuditFile", "MasterFiles", "GeneralLedgerAccounts", "Account")
_TRANSACTION = ("AuditFile", "GeneralLedgerEntries", "Journal", "Transaction")
_RECORDS = (_HEADER, _ACCOUNT, _TRANSACTION)
_DEEPEST = 32  # the schema nests 9 deep; far deeper is an attack on the parser's memory, not bookkeeping


def load(path: Path) -> Bookkeeping:
    """Read one SAF-T Financial file, whole or not at all.

    Memory holds the result and one record (header, account or transaction) at a time.
    A document type declaration is refused, so there are no entities and nothing is fetched.

    :raises SaftError: not readable, not XML, not SAF-T, or an element that is missing or wrong;
        the message is one sentence that names it, and the transaction where there is one
    """
    header: tuple[Company, str, Element | None] | None = None
    accounts: dict[str, Account] = {}
    transactions: list[Transaction] = []
    with closing(_records(path)) as records:
        for kind, element in records:
            if kind == _HEADER:
                if header is not None:
                    raise SaftError("Header stands twice in AuditFile.")
                header = _header(element)
            elif kind == _ACCOUNT:
                account = _account(element)
                if account.id in accounts:
                    raise SaftError(f"AccountID {account.id} stands twice in GeneralLedgerAccounts.")
                accounts[account.id] = account
            else:
                transactions.append(_transaction(element, len(transactions) + 1))
    if header is None:
        raise SaftError("Header is missing in AuditFile.")
    company, currency, criteria = header
    return Bookkeeping(
        company, currency, values.selection(criteria), tuple(accounts.values()), tuple(transactions)
    )


def _records(path: Path) -> Generator[tuple[tuple[str, ...], Element], None, None]:
    """Each complete header, account and transaction with its path; the rest is let go as it ends."""
    names: list[str] = []
    open_elements: list[Element] = []
    inside = 0  # depth of the record being read, 0 outside one
    for event, element in _events(path):
        if event == "start":
            names.append(values.local(element.tag))
            open_elements.append(element)
            if names[0] != "AuditFile":
                raise SaftError(
                    f"The root element is {names[0][:40]}, not AuditFile: this is no SAF-T Financial file."
                )
            if len(names) > _DEEPEST:
                raise SaftError(f"Elements nest more than {_DEEPEST} deep in {names[1]}.")
            if not inside and tuple(names) in _RECORDS:
                inside = len(names)
            continue
        if inside == len(names):
            yield tuple(names), element
            inside = 0
        names.pop()
        open_elements.pop()
        if open_elements and not inside:
            open_elements[-1].remove(element)


def _events(path: Path) -> Iterator[tuple[str, Element]]:
    """The parser's events, with each of its ways to fail turned into :class:`SaftError`."""
    try:
        with path.open("rb") as file:
            yield from cast(
                "Iterator[tuple[str, Element]]",
                iterparse(
                    file, events=("start", "end"), forbid_dtd=True, forbid_entities=True, forbid_external=True
                ),
            )
    except OSError as error:
        raise SaftError(f"The file can't be read: {error.strerror}.") from error
    except DefusedXmlException as error:
        raise SaftError(
            "The DOCTYPE of the file declares a document type or entities, which SAF-T has not."
        ) from error
    except (ParseError, LookupError, ValueError) as error:  # the last two: an encoding that the parser lacks
        raise SaftError(f"The file is not well-formed XML: {error}.") from error


def _header(header: Element) -> tuple[Company, str, Element | None]:
    company = values.child(header, "Company")
    if company is None:
        raise SaftError("Company is missing in Header.")
    number = values.required(company, "RegistrationNumber", "Company")
    # Older files leave the country to the namespace, which ends in its code (...-Financial:NO).
    namespace = header.tag.partition("}")[0]
    country = values.text(header, "AuditFileCountry") or (namespace[-2:] if namespace[-3:-2] == ":" else "")
    country = country or values.text(values.child(company, "Address"), "Country")
    if not country:
        raise SaftError("AuditFileCountry is missing in Header.")
    name = values.required(company, "Name", "Company")
    currency = values.required(header, "DefaultCurrencyCode", "Header")
    return (
        Company("".join(number.split()), name, country.upper()),
        currency,
        values.child(header, "SelectionCriteria"),
    )


def _account(element: Element) -> Account:
    number = values.required(element, "AccountID", "an Account of GeneralLedgerAccounts")
    where = f"account {number}"
    opening = values.balance(element, "OpeningDebitBalance", "OpeningCreditBalance", where)
    standard = values.text(element, "StandardAccountID")
    return Account(
        id=number,
        description=values.text(element, "AccountDescription"),
        standard_id=standard or values.text(element, "GroupingCode"),
        # A code list is named only for GroupingCode: a StandardAccountID is always of the standard chart.
        grouping_category="" if standard else values.text(element, "GroupingCategory"),
        opening=ZERO if opening is None else opening,
        closing=values.balance(element, "ClosingDebitBalance", "ClosingCreditBalance", where),
    )


def _transaction(element: Element, position: int) -> Transaction:
    number = values.required(element, "TransactionID", f"transaction number {position} of the file")
    where = f"transaction {number}"
    day = values.date(values.required(element, "TransactionDate", where), "TransactionDate", where)
    lines = tuple(
        _line(each, f"line {count} of {where}")
        for count, each in enumerate((each for each in element if values.local(each.tag) == "Line"), 1)
    )
    if not lines:
        # Other countries' variants name their lines differently; an empty voucher would hide that.
        raise SaftError(f"Line is missing in {where}.")
    return Transaction(number, day, lines)


def _line(element: Element, where: str) -> Line:
    account = values.required(element, "AccountID", where)
    amount = values.balance(element, "DebitAmount", "CreditAmount", where)
    if amount is None:
        raise SaftError(f"DebitAmount or CreditAmount is missing in {where}.")
    return Line(account, amount)
