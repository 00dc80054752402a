"""Faults to plant in the current quarter of a journal or share register, each a bug that a market could really have.

Each takes the journal or register, and accounts by name or id, and goes behind the public postings where the bug
would. They serve the small journals of this folder and those of a running market.
"""

import numpy as np

from sim.equity import CapTable, Register
from sim.journal import PURPOSES, REST_OF_WORLD, Batch, Journal, Ledger


def leak_dollar(journal: Journal, account: int | str) -> None:
    """A dollar appears in an account without a posting."""
    journal._cash[journal.id_of(account)] += 1.0


def misroute_dollar(journal: Journal, payer: int | str, payee: int | str) -> None:
    """A dollar moves between two accounts without a posting; the total stays."""
    journal._cash[journal.id_of(payer)] -= 1.0
    journal._cash[journal.id_of(payee)] += 1.0


def pay_invoice_again(journal: Journal, purpose: str) -> None:
    """The largest payment of a purpose in this quarter (an invoice, a licence fee) is made twice, properly posted."""
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
    for debtor, creditor, amount in _rows(drop(journal, Ledger.DEBT, "estate")):
        assert debtor == journal.id_of(closing)
        journal._debt.add(debtor, creditor, amount)


def drop(journal: Journal, ledger: Ledger, purpose: str) -> Batch:
    """Take the largest batch of a ledger and purpose out of this quarter's postings and return it."""
    batch = _largest(journal, ledger, purpose)
    batches = journal._current(purpose).batches
    del batches[next(i for i, other in enumerate(batches) if other is batch)]
    return batch


def skip_payment(journal: Journal, purpose: str, payee: int | str) -> None:
    """Somebody is left out of a purpose's largest batch of payments: neither made nor posted, the others stand."""
    skipped, books = journal.id_of(payee), journal._current(purpose)
    batch = _largest(journal, Ledger.CASH, purpose)
    kept, lost = (batch._replace(**_where(batch, mask)) for mask in (batch.payee != skipped, batch.payee == skipped))
    books.batches = [kept if other is batch else other for other in books.batches]
    np.add.at(journal._cash, lost.payer, lost.amount)
    np.add.at(journal._cash, lost.payee, -lost.amount)


def lose_debt_in_merger(journal: Journal) -> None:
    """The debts of a lab taken over end with it: the successor's books never get them."""
    for debtor, creditor, amount in _rows(drop(journal, Ledger.DEBT, "debt_assumed")):
        journal._debt.add(debtor, creditor, -amount)


def keep_debt_in_merger(journal: Journal) -> None:
    """The successor takes over the debts, but its predecessor owes them too."""
    for debtor, creditor, amount in _rows(drop(journal, Ledger.DEBT, "debt_transferred")):
        journal._debt.add(debtor, creditor, amount)


def take_over_credit_twice(journal: Journal, issuer: int | str, holder: int | str, amount: float) -> None:
    """A successor books credits as taken over that its predecessor never gave up; posting and ledger agree."""
    journal._change_credit("compute_credit_received", issuer, holder, amount)


def keep_stake(register: Register, lab: str, holder: str, stake: float) -> None:
    """A holder isn't diluted: its stake stays what it was, and nobody else has less for it."""
    table = register._tables[lab]
    table.shares[holder] = stake * table.outstanding


def grant_shares(register: Register, lab: str, holder: str, shares: float) -> None:
    """Shares appear without an entry; holder and total agree, so that stakes still sum to 1."""
    register._tables[lab].add(holder, shares)


def inflate_total(register: Register, lab: str, factor: float) -> None:
    """The number of all shares grows and nobody holds the new ones."""
    register._tables[lab].outstanding *= factor


def forget_new_shares(register: Register, lab: str) -> None:
    """A round's money is noted, but its shares are never issued: the old holders keep all."""
    for entry in (e for e in register._now.entries if e.lab == lab and e.kind == "issued"):
        register._tables[lab].add(entry.holder, -entry.shares)


def sell_below_price(register: Register, lab: str) -> None:
    """The lab's last round noted a pre-money a tenth above the one at which its shares were sold."""
    rounds = register._now.rounds
    at = max(i for i, r in enumerate(rounds) if r.lab == lab)
    rounds[at] = rounds[at]._replace(pre_money=1.1 * rounds[at].pre_money)


def mix_up_buyers(register: Register, lab: str) -> None:
    """The buyers of the quarter's one round of a lab get each other's shares, in entries, round and table alike."""
    entries, rounds = register._now.entries, register._now.rounds
    (at,) = (i for i, r in enumerate(rounds) if r.lab == lab and r.entries[0].kind == "issued")
    old = rounds[at].entries
    new = tuple(e._replace(shares=other.shares) for e, other in zip(old, old[::-1], strict=True))
    for before, after in zip(old, new, strict=True):
        entries[entries.index(before)] = after
        register._tables[lab].add(before.holder, after.shares - before.shares)
    rounds[at] = rounds[at]._replace(entries=new)


def take_back(register: Register, lab: str) -> CapTable:
    """A lab is gone and its holders have been paid, but its register goes on."""
    register._tables[lab] = CapTable()
    for entry in (e for e in register._now.entries if e.lab == lab and e.kind == "ended"):
        register._tables[lab].add(entry.holder, -entry.shares)
    return register._tables[lab]


def create_money(journal: Journal, account: int | str) -> None:
    """A dollar is printed: a payment out of the rest of the world that only the payee books."""
    journal.pay("opening_balance", REST_OF_WORLD, account, 1.0)
    journal._cash[journal.id_of(REST_OF_WORLD)] += 1.0


def _largest(journal: Journal, ledger: Ledger, purpose: str) -> Batch:
    quarter = journal._current(purpose).quarter
    batches = [b for b in journal.books(quarter).of(ledger) if PURPOSES[b.purpose].name == purpose]
    return max(batches, key=lambda batch: float(batch.amount.max(initial=0.0)))


def _where(batch: Batch, mask: np.ndarray) -> dict[str, np.ndarray]:
    return {"payer": batch.payer[mask], "payee": batch.payee[mask], "amount": batch.amount[mask]}


def _rows(batch: Batch) -> list[tuple[int, int, float]]:
    return list(zip(batch.payer.tolist(), batch.payee.tolist(), batch.amount.tolist(), strict=True))
