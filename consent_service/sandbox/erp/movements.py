"""What moved on each account in a period, and everything that the source itself gets wrong.

INVARIANT: the movements of a period sum to zero, in opening, in debit against credit, and
in closing. Where the source's own figures do not, lines without an account number take up
the difference under a name that says so: an error is shown, never spread over real accounts.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from consent_service.sandbox.erp.model import ZERO, Account, Bookkeeping

OPENING_DIFFERENCE = "Difference in the source file's opening balances"
TRANSACTION_DIFFERENCE = "Difference in the source file's transactions"
_NAMED = 20  # how many faults of one kind are named one by one; a broken file has thousands


class StatementError(ValueError):
    """No statement can be made for what was asked; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One account over a period: balances are debit positive, ``debit`` and ``credit`` never negative."""

    account: Account
    opening: Decimal
    debit: Decimal = ZERO
    credit: Decimal = ZERO

    @property
    def closing(self) -> Decimal:
        return self.opening + self.debit - self.credit

    def moved(self, amount: Decimal) -> Movement:
        """With one more signed amount; the source's negative debits count as credits, and the reverse."""
        if amount < 0:
            return replace(self, credit=self.credit - amount)
        return replace(self, debit=self.debit + amount)


def money(amount: Decimal) -> str:
    """The amount for JSON: a string with two decimals, and no minus before zero."""
    return f"{amount or ZERO:.2f}"


def movements(books: Bookkeeping, start: dt.date, end: dt.date) -> tuple[Movement, ...]:
    """Every account's movement from ``start`` to ``end``, both included, ordered by account number.

    Accounts that the chart does not list but transactions use are there too. The source's
    differences come last, as accounts with an empty number.

    :raises StatementError: the period ends before it starts, or the books hold nothing of it
    """
    check_period(books, start, end)
    found = {account.id: Movement(account, account.opening) for account in books.accounts}
    opening = Movement(Account("", OPENING_DIFFERENCE), -sum((each.opening for each in found.values()), ZERO))
    vouchers = Movement(Account("", TRANSACTION_DIFFERENCE), ZERO)
    for transaction in books.transactions:
        if transaction.date > end:
            continue
        before = transaction.date < start
        for line in transaction.lines:
            now = found.get(line.account_id) or Movement(_unlisted(line.account_id), ZERO)
            found[line.account_id] = _posted(now, line.amount, before=before)
        vouchers = _posted(vouchers, -transaction.difference, before=before)
    differences = (each for each in (opening, vouchers) if each.opening or each.debit or each.credit)
    return (*sorted(found.values(), key=lambda each: each.account.id), *differences)


def check_period(books: Bookkeeping, start: dt.date, end: dt.date) -> None:
    """Refuse a period that nothing can be said about: opening balances of 2024 are not the balances of 2019.

    :raises StatementError: see :func:`movements`
    """
    if end < start:
        raise StatementError(f"The period ends ({end}) before it starts ({start}).")
    covered = books.selection
    if covered and (end < covered.start or start > covered.end):
        raise StatementError(
            f"The books cover {covered.start} to {covered.end}, and nothing of {start} to {end}."
        )


def source_notes(books: Bookkeeping, start: dt.date, end: dt.date) -> list[str]:
    """One sentence for each thing that a reader must know about the source before trusting the figures."""
    notes: list[str] = []
    covered = books.selection
    if covered is None:
        notes.append("The source file does not say which period it covers.")
    elif start < covered.start or end > covered.end:
        notes.append(
            f"The source file covers {covered.start} to {covered.end} only; the rest of the period is empty."
        )
    difference = sum((account.opening for account in books.accounts), ZERO)
    if difference:
        notes.append(f"The source file's opening balances do not balance: they sum to {money(difference)}.")
    notes += _capped(
        f"Transaction {each.id} of {each.date} does not balance: its lines sum to {money(each.difference)}."
        for each in books.transactions
        if each.date <= end and each.difference
    )
    if covered:
        notes += _capped(
            f"Transaction {each.id} is dated {each.date}, outside the period that the source file covers."
            for each in books.transactions
            if not covered.start <= each.date <= covered.end
        )
    listed = {account.id for account in books.accounts}
    used = {line.account_id for each in books.transactions if each.date <= end for line in each.lines}
    notes += _capped(
        f"Account {each} is used but not in the source file's chart." for each in sorted(used - listed)
    )
    return notes + _capped(_closing_faults(books))


def _closing_faults(books: Bookkeeping) -> Iterable[str]:
    moved: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for transaction in books.transactions:
        for line in transaction.lines:
            moved[line.account_id] += line.amount
    for account in books.accounts:
        computed = account.opening + moved[account.id]
        if account.closing is not None and account.closing != computed:
            yield (
                f"Account {account.id}: the source file states a closing balance of "
                f"{money(account.closing)}, but its opening balance and transactions give {money(computed)}."
            )


def _capped(notes: Iterable[str]) -> list[str]:
    every = list(notes)
    more = len(every) - _NAMED
    return every if more <= 0 else [*every[:_NAMED], f"And {more} more of the same kind."]


def _posted(movement: Movement, amount: Decimal, *, before: bool) -> Movement:
    return replace(movement, opening=movement.opening + amount) if before else movement.moved(amount)


def _unlisted(number: str) -> Account:
    return Account(number, "Not in the source file's chart")
