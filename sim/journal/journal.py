"""The journal itself: accounts, postings and the balances that follow from them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.journal.books import Batch, Books, Floats, Groups, Pairs, Scalar, Stocks, by_group, in_and_out, triples
from sim.journal.purposes import (
    CODE,
    IS_CASH,
    PURPOSES,
    REDUCTIONS,
    JournalError,
    Ledger,
    code_of,
    main_ledger,
    nearest,
    payment_code,
)

GATE = 1e-12  # an identity's residual over (largest stock + the quarter's gross flow)

Account = int | str
Accounts = Account | NDArray[np.integer]
Amounts = float | NDArray[np.floating]
Line = tuple[str, Accounts, Accounts, Amounts]
Ledgers = tuple[int, ...]
_CASH: Ledgers = (int(Ledger.CASH),)
_BILLED: Ledgers = (int(Ledger.BILLED),)
_AT_ONCE: Ledgers = _BILLED + _CASH
_DEBT: Ledgers = (int(Ledger.DEBT),)
_CREDIT: Ledgers = (int(Ledger.CREDIT),)
_SETTLED: Ledgers = (int(Ledger.SETTLED),)


class _Promises:
    """Live stock of debts or credits, booked twice: as liabilities by pair and as assets by owner."""

    def __init__(self) -> None:
        self.owed: dict[int, dict[int, float]] = {}
        self.assets: dict[int, float] = {}
        self.debtors: dict[int, list[int]] = {}  # who has ever promised an owner something, in order of id

    def add(self, debtor: int, owner: int, amount: float) -> None:
        owners = self.owed.setdefault(debtor, {})
        if owner not in owners:
            self.debtors[owner] = sorted([*self.debtors.get(owner, ()), debtor])
        owners[owner] = owners.get(owner, 0.0) + amount
        self.assets[owner] = self.assets.get(owner, 0.0) + amount

    def get(self, debtor: int, owner: int) -> float:
        return self.owed.get(debtor, {}).get(owner, 0.0)

    def pairs(self) -> Pairs:
        return {(debtor, owner): x for debtor, owners in self.owed.items() for owner, x in owners.items()}


class Journal:
    """Accounts and every posting between them.

    accounts: names in order; the position is the account's id. Populations are opened with `open_accounts`.
    detail: keep every row of past quarters; otherwise their invoices are dropped and the rest is summed by (ledger,
    purpose, payer, payee) with each population as one account. Postings need `begin` first. Amounts are nominal USD.
    """

    def __init__(self, accounts: Sequence[str], detail: bool = False) -> None:
        self.detail = detail
        self.account: dict[str, int] = {}
        self._single: dict[int, str] = {}  # the same by id
        self._blocks: dict[str, tuple[int, int]] = {}  # group name -> first id, count
        self._size = 0
        self._cash = np.zeros(64)
        self._cells = _cells(self._cash)
        self._view = self._cash[:0]
        self._debt = _Promises()
        self._credit = _Promises()
        self._books: dict[int, Books] = {}
        self._now: Books | None = None
        self._grouped: Groups | None = None
        self._pending: defaultdict[tuple[Ledgers, int], list[tuple[int, int, float]]] = defaultdict(list)
        for name in accounts:
            self.open_account(name)

    # ---- accounts

    def open_account(self, name: str) -> int:
        """Open an account with zero cash and return its id; JournalError when the name is taken."""
        if name in self.account or name in self._blocks:
            raise JournalError(f"account {name!r} is open already")
        self.account[name] = self._size
        self._single[self._size] = name
        self._grow(1)
        return self._size - 1

    def open_accounts(self, group: str, count: int) -> NDArray[np.int32]:
        """Open `count` accounts of a population, named '<group>/0', '<group>/1', ...; returns their ids."""
        if group in self.account or group in self._blocks:
            raise JournalError(f"account {group!r} is open already")
        first = self._size
        self._blocks[group] = (first, count)
        self._grow(count)
        return np.arange(first, first + count, dtype=np.int32)

    def close_account(self, account: Account) -> None:
        """Close an account for good (an exited lab, its estate settled).

        The audit finds any later posting, and cash, debts, claims or compute credits that are left at it.
        """
        books = self._current("close_account")
        closing = self.id_of(account)
        if closing in books.closed:
            raise JournalError(f"account {self.name_of(closing)!r} is closed already")
        self._flush()
        books.closed[closing] = len(books.batches)

    def id_of(self, account: Account) -> int:
        """The id of an account given by name or id; JournalError (with the nearest name) when there is none."""
        if isinstance(account, str):
            known = self.account.get(account)
            return self._id_in_block(account) if known is None else known
        if 0 <= account < self._size:
            return int(account)
        raise JournalError(f"no account has id {account}: ids run from 0 to {self._size - 1}")

    def name_of(self, account: int) -> str:
        """The name of an account given by id."""
        account = self.id_of(account)
        if account in self._single:
            return self._single[account]
        return next(f"{group}/{account - first}" for group, (first, n) in self._blocks.items() if account < first + n)

    # ---- postings

    def begin(self, quarter: int) -> None:
        """Start a quarter; opening stocks are last quarter's, rolled forward from its batches. Quarters must rise."""
        last = self._now
        if last is not None and quarter <= last.quarter:
            raise JournalError(f"quarter {quarter} can't begin after quarter {last.quarter}")
        if last is None:
            opening = Stocks(np.zeros(0), {}, {}, {}, {})
            closed: dict[int, int] = {}
        else:
            self._flush()
            opening = last.rolled(self._size).stocks  # never the live stocks, which would forgive a leak
            closed = dict.fromkeys(last.closed, 0)
            self._retire(last)
        self._now = self._books[quarter] = Books(quarter, opening, closed)

    def pay(self, purpose: str, payer: Accounts, payee: Accounts, amount: Amounts) -> None:
        """Move cash. Single values (account ids or names, USD), or equally long arrays of ids and amounts.

        A zero moves nothing. Raises JournalError, moving nothing, for a negative or non-finite amount, an unknown
        account or a purpose that is not a payment. An overdraft is not refused here: the audit finds it.
        """
        code = payment_code(purpose, "use owe, forgive, grant_credit or redeem_credit")
        self._pay(_CASH, code, payer, payee, amount)

    def settle(self, purpose: str, payer: Accounts, payee: Accounts, amount: Amounts) -> None:
        """Bill and pay in full at once: the same rows stand among the invoices and among the payments.

        Arguments and errors as for `pay`.
        """
        self._pay(_AT_ONCE, payment_code(purpose, "it can't be invoiced"), payer, payee, amount)

    def settle_all(self, lines: Iterable[Line]) -> None:
        """`settle` for many lines (purpose, payer, payee, amount), each with a column in it: all of them or none."""
        batches = []
        for purpose, payer, payee, amount in lines:
            code = payment_code(purpose, "it can't be invoiced")
            batches.append(self._batch(Ledger.CASH, code, payer, payee, amount))
        self._post_batches(_AT_ONCE, batches)

    def bill(self, purpose: str, payer: Accounts, payee: Accounts, amount: Amounts) -> None:
        """Record invoices (price x quantity). By quarter end each must be paid, owed or settled in credits, once.

        Arguments and errors as for `pay`.
        """
        code = payment_code(purpose, "it can't be invoiced")
        if _is_batch(payer, payee, amount):
            self._current(purpose).batches.append(self._batch(Ledger.BILLED, code, payer, payee, amount))
        else:
            self._post(_BILLED, code, self._row(purpose, payer, payee, amount))

    def owe(self, purpose: str, debtor: Accounts, creditor: Accounts, amount: Amounts) -> None:
        """Turn an invoice of `purpose` (or 'trade_debt': none of this quarter) into debt of debtor to creditor."""
        code = code_of(purpose)
        if code in REDUCTIONS or not (IS_CASH[code] or purpose == "trade_debt"):
            raise JournalError(f"{purpose} can't be owed: name the unpaid invoice's purpose, or trade_debt")
        for row in self._rows(purpose, debtor, creditor, amount):
            self._debt.add(*row)
            self._post(_DEBT, code, row)

    def forgive(self, purpose: str, debtor: Account, creditor: Account, amount: float) -> None:
        """Cancel debt without cash: 'debt_relief' (restructuring) or 'write_off' (wind-down)."""
        if purpose not in ("debt_relief", "write_off"):
            raise JournalError(f"debt is forgiven as debt_relief or write_off, not {purpose}")
        row = self._row(purpose, debtor, creditor, amount)
        self._reduce_debt(code_of(purpose), row)

    def repay(self, debtor: Account, creditor: Account, amount: float) -> None:
        """Pay back debt: cash and debt fall together. JournalError when more than the debt is paid."""
        self._pay_down("debt_repayment", debtor, creditor, amount)

    def recover(self, debtor: Account, creditor: Account, amount: float) -> None:
        """A creditor's recovery from the estate of an exiting debtor: cash and debt fall together."""
        self._pay_down("estate", debtor, creditor, amount)

    def assume_debt(self, debtor: Account, successor: Account) -> float:
        """Novation: the successor owes all that the debtor owed, to the same creditors; returns USD moved.

        Raises JournalError, moving nothing, when the successor is the debtor or one of its creditors.
        """
        self._apart("debt", debtor, successor)
        claims = self.claims(debtor)
        if self.id_of(successor) in claims:
            raise JournalError(f"{successor} can't owe itself: settle what {debtor} owes it first")
        for creditor, amount in claims.items():
            self._reduce_debt(CODE["debt_transferred"], self._row("debt_transferred", debtor, creditor, amount))
            row = self._row("debt_assumed", successor, creditor, amount)
            self._debt.add(*row)
            self._post(_DEBT, CODE["debt_assumed"], row)
        return sum(claims.values())

    def grant_credit(self, issuer: Account, holder: Account, amount: float) -> None:
        """Promise the holder compute worth `amount` USD."""
        row = self._row("compute_credit_grant", issuer, holder, amount)
        self._credit.add(*row)
        self._post(_CREDIT, CODE["compute_credit_grant"], row)

    def redeem_credit(
        self, issuer: Account, holder: Account, supplier: Account, amount: float, purpose: str = "training"
    ) -> None:
        """The issuer pays the holder's invoice of `purpose` to the supplier in cash; the holder's credit falls.

        Raises JournalError when the holder has less credit with this issuer.
        """
        issuer_id, holder_id, usd = self._row("compute_credit_used", issuer, holder, amount)
        usd = self._within(usd, self._credit.get(issuer_id, holder_id), ("credit", issuer_id, holder_id))
        supplier_id = self.id_of(supplier)
        self._credit.add(issuer_id, holder_id, -usd)
        self._post(_CREDIT, CODE["compute_credit_used"], (issuer_id, holder_id, usd))
        self._post(_SETTLED, code_of(purpose), (holder_id, supplier_id, usd))
        self._post_cash(_CASH, CODE["credit_redemption"], (issuer_id, supplier_id, usd))

    def transfer_credit(self, holder: Account, successor: Account) -> float:
        """Hand all of the holder's compute credits to its successor, issuer by issuer; returns USD moved.

        Raises JournalError when the successor is the holder.
        """
        self._apart("credit", holder, successor)
        credits = self.credit_by_issuer(holder)
        for issuer, amount in credits.items():
            self._change_credit("compute_credit_transferred", issuer, holder, -amount)
            self._change_credit("compute_credit_received", issuer, successor, amount)
        return sum(credits.values())

    def lapse_credit(self, holder: Account) -> float:
        """End all of the holder's compute credits: a wound-down lab needs no compute. Returns USD lapsed."""
        credits = self.credit_by_issuer(holder)
        for issuer, amount in credits.items():
            self._change_credit("compute_credit_lapsed", issuer, holder, -amount)
        return sum(credits.values())

    # ---- balances

    @property
    def cash(self) -> Floats:
        """Cash by account id, USD: a read-only live view (ask again after opening accounts)."""
        return self._view

    def debt(self, debtor: Account) -> float:
        """What the debtor owes in all, USD."""
        return sum(self._debt.owed.get(self.id_of(debtor), {}).values())

    def claims(self, debtor: Account) -> dict[int, float]:
        """Who has claims on the debtor: creditor id -> USD, in id order, zeros left out."""
        owners = self._debt.owed.get(self.id_of(debtor), {})
        return {owner: owners[owner] for owner in sorted(owners) if owners[owner]}

    def credit(self, holder: Account) -> float:
        """The holder's unused compute credits, USD."""
        owner, granted = self.id_of(holder), self._credit.owed
        return sum([granted[issuer][owner] for issuer in self._credit.debtors.get(owner, ())])

    def credit_granted(self, issuer: Account) -> float:
        """Compute credits of the issuer that holders have not used yet, USD."""
        return sum(self._credit.owed.get(self.id_of(issuer), {}).values())

    def credit_by_issuer(self, holder: Account) -> dict[int, float]:
        """The holder's unused compute credits: issuer id -> USD, in id order, zeros left out."""
        owner, granted = self.id_of(holder), self._credit.owed
        return {issuer: usd for issuer in self._credit.debtors.get(owner, ()) if (usd := granted[issuer][owner])}

    def balances(self) -> pd.DataFrame:
        """One row per account, USD: cash, debt owed, claims held on others, unused compute credits held."""
        debt = {debtor: sum(owners.values()) for debtor, owners in self._debt.owed.items()}
        return pd.DataFrame(
            {
                "account": self._names(),
                "cash_usd": self.cash.copy(),
                "debt_usd": _by_account(debt, self._size),
                "claims_usd": _by_account(self._debt.assets, self._size),
                "credit_usd": _by_account(self._credit.assets, self._size),
            }
        )

    def books(self, quarter: int) -> Books:
        """The quarter's books with its closing stocks (the live ones while it runs), for the audit."""
        if quarter not in self._books:
            raise JournalError(f"the journal has no quarter {quarter}")
        books = self._books[quarter]
        if books is not self._now:
            return books
        self._flush()
        books.closing = self._live()
        return books

    def movements(self) -> Sequence[Batch]:
        """The payments and promises of the quarter that runs, long batches summed by group of accounts."""
        self._flush()
        return self._current("batches").shortened(self._groups())

    def flows(self, quarter: int | None = None) -> pd.DataFrame:
        """Every row (of one quarter): quarter, ledger, purpose, payer, payee, amount_usd, zeros left out.

        In the debt ledger payer and payee are debtor and creditor, in the credit ledger issuer and holder;
        debt_repayment, estate, debt_relief, write_off, debt_transferred, and compute_credit_used, _transferred and
        _lapsed reduce the stock, others raise it.
        """
        quarters = sorted(self._books) if quarter is None else [quarter]
        names = self._names()
        frames = [_frame(q, batch, names) for q in quarters for batch in self.books(q).batches]
        if not frames:
            return pd.DataFrame(columns=["quarter", "ledger", "purpose", "payer", "payee", "amount_usd"])
        return pd.concat(frames, ignore_index=True)

    def total(self, purpose: str, quarter: int, payee: Account | None = None, payer: Account | None = None) -> float:
        """USD posted for a purpose in a quarter: cash (for non-cash purposes, their own ledger).

        payee, payer: narrow to an account, or to a whole population by its group name.
        """
        books = self.books(quarter)
        total = 0.0
        for batch in books.of(main_ledger(purpose), code_of(purpose)):
            rows = self._matches(batch.payee, payee, books) & self._matches(batch.payer, payer, books)
            total += float(batch.amount[rows].sum())
        return total

    def received(self, purpose: str, quarter: int) -> Floats:
        """Cash received for a purpose in a quarter, USD by account id.

        In a compacted quarter a population's first id carries the sum of all its members.
        """
        return in_and_out(self.books(quarter).of(Ledger.CASH, code_of(purpose)), self._size)[0]

    def paid(self, purpose: str, quarter: int) -> Floats:
        """Cash paid for a purpose in a quarter, USD by account id.

        In a compacted quarter a population's first id carries the sum of all its members.
        """
        return in_and_out(self.books(quarter).of(Ledger.CASH, code_of(purpose)), self._size)[1]

    # ---- inside

    def _grow(self, count: int) -> None:
        size = self._size + count
        if size > len(self._cash):
            larger = np.zeros(max(size, 2 * len(self._cash)))
            larger[: self._size] = self._cash[: self._size]
            self._cash, self._cells = larger, _cells(larger)
        self._size = size
        self._view = self._cash[:size]
        self._view.flags.writeable = False  # a view of its own: the journal still writes to self._cash

    def _id_in_block(self, name: str) -> int:
        group, _, index = name.rpartition("/")
        first, count = self._blocks.get(group, (0, 0))
        if index.isdecimal() and int(index) < count:
            return first + int(index)
        raise JournalError(f"no account is called {name!r}{nearest(name, (*self.account, *self._blocks))}")

    def _names(self) -> NDArray[np.object_]:
        names = np.empty(self._size, dtype=object)
        for name, account in self.account.items():
            names[account] = name
        for group, (first, count) in self._blocks.items():
            names[first : first + count] = [f"{group}/{i}" for i in range(count)]
        return names

    def _current(self, purpose: str) -> Books:
        if self._now is None:
            raise JournalError(f"{purpose}: no quarter has begun; call begin(quarter) first")
        return self._now

    def _row(self, purpose: str, payer: Accounts, payee: Accounts, amount: Amounts) -> tuple[int, int, float]:
        """A checked single posting as (payer id, payee id, USD)."""
        if self._now is None:
            self._current(purpose)  # says so
        usd, top = float(amount), self._size
        if type(payer) is int and type(payee) is int and 0 <= payer < top and 0 <= payee < top and 0 <= usd < math.inf:
            return payer, payee, usd  # as nearly always
        if isinstance(payer, np.ndarray) or isinstance(payee, np.ndarray):
            raise JournalError(f"{purpose}: this posting takes one payer and one payee")
        if not 0.0 <= usd < math.inf:
            raise JournalError(f"{purpose}: {payer} can't pay {payee} {usd} USD: amounts are finite and >= 0")
        return self.id_of(payer), self.id_of(payee), usd

    def _batch(self, ledger: Ledger, code: int, payer: Accounts, payee: Accounts, amount: Amounts) -> Batch:
        """Checked copies of the columns, so that the caller may reuse the arrays."""
        purpose = PURPOSES[code].name
        self._current(purpose)
        usd = np.array(amount, dtype=np.float64)
        payers, payees = self._ids(purpose, payer), self._ids(purpose, payee)
        lengths = {column.shape for column in (usd, payers, payees) if column.ndim}
        if len(lengths) > 1 or any(len(shape) > 1 for shape in lengths):
            raise JournalError(f"{purpose}: payers, payees and amounts must be equally long, one-dimensional columns")
        shape = max(lengths)
        usd, payers, payees = _column(usd, shape), _column(payers, shape), _column(payees, shape)
        if usd.size and not (usd.min() >= 0.0 and usd.max() < math.inf):
            bad = int(np.flatnonzero(~((usd >= 0.0) & (usd < math.inf)))[0])
            names = f"{self.name_of(int(payers[bad]))} can't pay {self.name_of(int(payees[bad]))}"
            raise JournalError(f"{purpose}: {names} {usd[bad]} USD (row {bad}): amounts are finite and >= 0")
        return Batch(int(ledger), code, _fixed(payers), _fixed(payees), _fixed(usd))

    def _ids(self, purpose: str, account: Accounts) -> NDArray[np.int32]:
        if not isinstance(account, np.ndarray):
            return np.array(self.id_of(account), dtype=np.int32)
        if account.dtype.kind not in "iu":
            raise JournalError(f"{purpose}: account ids are whole numbers, not {account.dtype}")
        if account.size and not (account.min() >= 0 and account.max() < self._size):
            raise JournalError(f"{purpose}: account ids run from 0 to {self._size - 1}")
        return np.array(account, dtype=np.int32)

    def _rows(
        self, purpose: str, payer: Accounts, payee: Accounts, amount: Amounts
    ) -> Iterable[tuple[int, int, float]]:
        if not _is_batch(payer, payee, amount):
            return (self._row(purpose, payer, payee, amount),)
        return triples([self._batch(Ledger.DEBT, code_of(purpose), payer, payee, amount)])

    def _pay(self, ledgers: Ledgers, code: int, payer: Accounts, payee: Accounts, amount: Amounts) -> None:
        """Move cash and post the rows in each of the ledgers."""
        if _is_batch(payer, payee, amount):
            self._post_batches(ledgers, [self._batch(Ledger.CASH, code, payer, payee, amount)])
        else:
            self._post_cash(ledgers, code, self._row(PURPOSES[code].name, payer, payee, amount))

    def _post(self, ledgers: Ledgers, code: int, row: tuple[int, int, float]) -> None:
        if row[2]:
            self._pending[ledgers, code].append(row)

    def _post_cash(self, ledgers: Ledgers, code: int, row: tuple[int, int, float]) -> None:
        payer, payee, amount = row
        if amount:
            self._cells[payer] -= amount
            self._cells[payee] += amount
            self._pending[ledgers, code].append(row)

    def _post_batches(self, ledgers: Ledgers, batches: list[Batch]) -> None:
        """Move the cash of some batches and post them in each of the ledgers."""
        inflow, outflow = in_and_out(batches, self._size)
        cash = self._cash[: self._size]
        cash += inflow
        cash -= outflow
        posted = [Batch(ledger, *batch[1:]) for batch in batches for ledger in ledgers]
        self._current("settle").batches.extend(posted)

    def _pay_down(self, purpose: str, debtor: Account, creditor: Account, amount: float) -> None:
        row = self._row(purpose, debtor, creditor, amount)
        self._post_cash(_CASH, code_of(purpose), self._reduce_debt(code_of(purpose), row))

    def _reduce_debt(self, code: int, row: tuple[int, int, float]) -> tuple[int, int, float]:
        debtor, creditor, amount = row
        usd = self._within(amount, self._debt.get(debtor, creditor), ("debt", debtor, creditor))
        self._debt.add(debtor, creditor, -usd)
        self._post(_DEBT, code, (debtor, creditor, usd))
        return debtor, creditor, usd

    def _change_credit(self, purpose: str, issuer: Account, holder: Account, change: float) -> None:
        """Add to (or, below zero, take from) a holder's credit with one issuer."""
        issuer_id, holder_id, amount = self._row(purpose, issuer, holder, abs(change))
        self._credit.add(issuer_id, holder_id, change)
        self._post(_CREDIT, CODE[purpose], (issuer_id, holder_id, amount))

    def _apart(self, what: str, account: Account, successor: Account) -> None:
        if self.id_of(account) == self.id_of(successor):
            raise JournalError(f"{self.name_of(self.id_of(account))} can't take over its own {what}")

    def _within(self, amount: float, stock: float, what: tuple[str, int, int]) -> float:
        """The amount, capped at the stock it reduces; a difference beyond rounding is refused."""
        if amount > stock * (1.0 + GATE):
            kind, debtor, owner = what
            pair = f"{self.name_of(debtor)} to {self.name_of(owner)}"
            raise JournalError(f"the {kind} of {pair} is {stock} USD: it can't fall by {amount} USD")
        return min(amount, stock)

    def _flush(self) -> None:
        """Turn the pending single rows into batches."""
        books = self._current("flush")
        for (ledgers, code), rows in self._pending.items():
            payer, payee, amount = zip(*rows, strict=True)
            ids = _fixed(np.array(payer, dtype=np.int32)), _fixed(np.array(payee, dtype=np.int32))
            usd = _fixed(np.array(amount, dtype=np.float64))
            books.batches += [Batch(ledger, code, *ids, usd) for ledger in ledgers]
        self._pending.clear()

    def _live(self) -> Stocks:
        debt, credit = self._debt, self._credit
        return Stocks(self.cash, debt.pairs(), credit.pairs(), dict(debt.assets), dict(credit.assets))

    def _retire(self, books: Books) -> None:
        """Close a quarter: keep its detail and its closing stocks, or payments and promises summed by group only."""
        books.closing = None
        if self.detail:
            live = self._live()
            books.closing = live._replace(cash=live.cash.copy())
        else:
            groups = self._groups()
            books.batches = [by_group(batch, groups) for batch in books.shortened(groups)]
            books.opening = Stocks(np.zeros(0), {}, {}, {}, {})
            books.compacted = True
        books.kept = books.short = None

    def _groups(self) -> Groups:
        """Every single account and every population as a group."""
        if self._grouped is None or self._grouped.of.size != self._size:
            starts = np.ones(self._size, dtype=np.bool_)
            for first, count in self._blocks.values():
                starts[first + 1 : first + count] = False
            group, first_id = np.cumsum(starts) - 1, np.flatnonzero(starts).astype(np.int32)
            self._grouped = Groups(group, first_id, first_id[group])
        return self._grouped

    def _matches(self, ids: NDArray[np.int32], account: Account | None, books: Books) -> NDArray[np.bool_]:
        if account is None:
            return np.ones(len(ids), dtype=np.bool_)
        if isinstance(account, str) and account in self._blocks:
            first, count = self._blocks[account]
            return np.asarray((ids >= first) & (ids < first + count))
        wanted = self.id_of(account)
        if books.compacted and any(first <= wanted < first + count for first, count in self._blocks.values()):
            raise JournalError(f"quarter {books.quarter} keeps populations as one account: ask by group, or use detail")
        return np.asarray(ids == wanted)


# ---- columns


def _is_batch(payer: Accounts, payee: Accounts, amount: Amounts) -> bool:
    return isinstance(amount, np.ndarray) or isinstance(payer, np.ndarray) or isinstance(payee, np.ndarray)


def _fixed(column: NDArray[Scalar]) -> NDArray[Scalar]:
    """A column that nobody can change any more: what was posted stays as it was."""
    column.flags.writeable = False
    return column


def _cells(column: Floats) -> memoryview[float]:
    """The very numbers of a column, one by one as Python floats: three times as quick as through numpy."""
    return column.data.cast("B").cast("d")


def _column(column: NDArray[Scalar], shape: tuple[int, ...]) -> NDArray[Scalar]:
    return column if column.ndim else np.full(shape, column)


def _by_account(amounts: dict[int, float], size: int) -> Floats:
    column = np.zeros(size)
    column[list(amounts)] = list(amounts.values())
    return column


def _frame(quarter: int, batch: Batch, names: NDArray[np.object_]) -> pd.DataFrame:
    rows = np.flatnonzero(batch.amount)
    return pd.DataFrame(
        {
            "quarter": quarter,
            "ledger": Ledger(batch.ledger).name.lower(),
            "purpose": PURPOSES[batch.purpose].name,
            "payer": names[batch.payer[rows]],
            "payee": names[batch.payee[rows]],
            "amount_usd": batch.amount[rows],
        }
    )
