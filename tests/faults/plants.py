"""Faults to plant in a journal's current quarter, each a bug that a market could really have.

Each takes the journal, and accounts by name or id, and goes behind the public postings where the bug would. They
serve the small journal of `test_planted_faults.py` and any journal of a running market.
"""

import numpy as np

from sim.journal import PURPOSES, REST_OF_WORLD, Batch, Journal, Ledger


def leak_dollar(journal: Journal, account: int | str) -> None:
    """A dollar appears in an account without a posting."""
    journal._cash[journal.id_of(account)] += 1.0


def misroute_dollar(journal: Journal, payer: int | str, payee: int | str) -> None:
    """A dollar moves between two accounts without a posting; the total stays."""
    journal._cash[journal.id_of(payer)] -= 1.0
    journal._cash[journal.id_of(payee)] += 1.0


def pay_invoice_again(journal: Journal, purpose: str) -> None:
    """The largest invoice of a purpose in this quarter is paid a second time, properly posted."""
    batch = _largest(journal, Ledger.CASH, purpose)
    row = int(batch.amount.argmax())
    journal.pay(purpose, int(batch.payer[row]), int(batch.payee[row]), float(batch.amount[row]))


def bill_closed_account(journal: Journal, buyer: int | str, closed: int | str, amount: float) -> None:
    """A buyer is billed by, and pays, a lab whose account is closed; invoice and payment agree."""
    journal.bill("api", buyer, closed, amount)
    journal.pay("api", buyer, closed, amount)


def lose_debt(journal: Journal, debtor: int | str) -> None:
    """A debtor's debts vanish without repayment or relief, on both sides of the live ledger."""
    for creditor, amount in journal.claims(debtor).items():
        journal._debt.add(journal.id_of(debtor), creditor, -amount)


def forget_asset(journal: Journal, creditor: int | str, amount: float) -> None:
    """A creditor's books forget a claim that the debtor still has as a liability."""
    journal._debt.assets[journal.id_of(creditor)] -= amount


def count_credit_twice(journal: Journal, issuer: int | str, holder: int | str, amount: float) -> None:
    """A grant of compute credits is added to the live ledger twice and posted once."""
    journal.grant_credit(issuer, holder, amount)
    journal._credit.add(journal.id_of(issuer), journal.id_of(holder), amount)


def use_credit_without_paying(journal: Journal) -> None:
    """The supplier's cash for this quarter's redeemed credits never moves: posting and both balances are undone."""
    batch = drop(journal, Ledger.CASH, "credit_redemption")
    np.add.at(journal._cash, batch.payer, batch.amount)
    np.add.at(journal._cash, batch.payee, -batch.amount)


def drop_recovery_of_debt(journal: Journal, closing: int | str) -> None:
    """An estate's cash reaches the creditors, but their claims don't fall."""
    batch = drop(journal, Ledger.DEBT, "estate")
    for debtor, creditor, amount in zip(batch.payer, batch.payee, batch.amount, strict=True):
        assert debtor == journal.id_of(closing)
        journal._debt.add(int(debtor), int(creditor), float(amount))


def drop(journal: Journal, ledger: Ledger, purpose: str) -> Batch:
    """Take the largest batch of a ledger and purpose out of this quarter's postings and return it."""
    batch = _largest(journal, ledger, purpose)
    batches = journal._current(purpose).batches
    del batches[next(i for i, other in enumerate(batches) if other is batch)]
    return batch


def create_money(journal: Journal, account: int | str) -> None:
    """A dollar is printed: a payment out of the rest of the world that only the payee books."""
    journal.pay("opening_balance", REST_OF_WORLD, account, 1.0)
    journal._cash[journal.id_of(REST_OF_WORLD)] += 1.0


def _largest(journal: Journal, ledger: Ledger, purpose: str) -> Batch:
    quarter = journal._current(purpose).quarter
    batches = [b for b in journal.books(quarter).of(ledger) if PURPOSES[b.purpose].name == purpose]
    return max(batches, key=lambda batch: float(batch.amount.max(initial=0.0)))
