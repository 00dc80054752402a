"""The accounting identities of a quarter, recomputed from the journal's batches and the share register's entries.

Nothing here trusts a running total: stocks are rolled forward from the quarter's postings and held against the live
ones, and what the share register says was paid is held against what the journal says was paid.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np

from sim.equity import CapTable, Entry, Register, Round
from sim.journal import (
    CODE,
    GATE,
    PURPOSES,
    REST_OF_WORLD,
    Batch,
    Books,
    Floats,
    Journal,
    JournalError,
    Ledger,
    Pairs,
    Side,
    by_owner,
    by_pair,
    ids_of,
    in_and_out,
    sums_of_side,
)

Key = TypeVar("Key")
_INVOICED = frozenset(code for code, purpose in enumerate(PURPOSES) if purpose.invoiced)
_PROCEEDS = ("distribution", "licence_fee", "purchase")
# What may enter and leave an investor's account: anything else breaks its roll-forward.
_FUND_IN = frozenset(
    CODE[name]
    for name in (
        *("opening_balance", "capital_call", "co_investment", "distribution", "licence_fee", "purchase"),
        *("revenue_share", "interest", "debt_repayment", "estate", "compute_margin"),
    )
)
_FUND_OUT = frozenset(CODE[name] for name in ("equity", "credit_redemption", "fund_distribution"))


class IdentityError(ArithmeticError):
    """An accounting identity does not hold: the run's numbers cannot be trusted."""


class IdentityResidual(NamedTuple):
    """How far one identity is from holding in a quarter: worst residual, gate, where it is; both in the unit."""

    quarter: int
    name: str
    residual: float
    gate: float
    agent: str
    unit: str = "USD"

    @property
    def broken(self) -> bool:
        """True when the residual exceeds the gate or is not a number."""
        return not self.residual <= self.gate


def check_quarter(journal: Journal, quarter: int) -> list[IdentityResidual]:
    """The journal's identities of a quarter, recomputed from its batches (not from running totals).

    Gate: residual <= 1e-12 x (largest stock + the quarter's gross cash flow). Raises JournalError for a quarter that
    was compacted. `require_identities` turns a broken identity into an error.
    """
    return _audit(journal, quarter).residuals()


def check_equity(register: Register, journal: Journal, quarter: int) -> list[IdentityResidual]:
    """The share register's identities, and those of register and journal together, of the quarter that runs.

    Shares are gated at 1e-12 of a lab's shares, USD at 1e-12 x (largest stock, valuations of the quarter's rounds
    included, + gross cash flow). Raises JournalError for a quarter that was compacted, ValueError when the register is
    in another quarter.
    """
    return _equity_audit(_audit(journal, quarter), register, journal).residuals()


def require_identities(journal: Journal, quarter: int, register: Register | None = None) -> list[IdentityResidual]:
    """The residuals of `check_quarter` and, given a register, `check_equity`.

    Raises IdentityError naming quarter, identity, agent and size of each broken one.
    """
    audit = _audit(journal, quarter)
    residuals = audit.residuals()
    if register is not None:
        residuals += _equity_audit(audit, register, journal).residuals()
    broken = [r for r in residuals if r.broken]
    if broken:
        lines = [f"{r.name} is off by {r.residual:.6g} {r.unit} (gate {r.gate:.3g}) at {r.agent}" for r in broken]
        raise IdentityError(f"quarter {quarter}: " + "; ".join(lines))
    return residuals


def _audit(journal: Journal, quarter: int) -> _Audit:
    books = journal.books(quarter)
    if books.compacted:
        raise JournalError(f"quarter {quarter} was compacted: audit it before the next one begins, or keep the detail")
    return _Audit(books, journal.name_of)


def _equity_audit(audit: _Audit, register: Register, journal: Journal) -> _EquityAudit:
    if register.quarter != audit.books.quarter:
        raise ValueError(f"the share register is in quarter {register.quarter}, not {audit.books.quarter}")
    return _EquityAudit(audit, register, journal.id_of(REST_OF_WORLD))


class _Audit:
    """The identities of one quarter's books."""

    def __init__(self, books: Books, name_of: Callable[[int], str]) -> None:
        if books.closing is None:
            raise JournalError(f"quarter {books.quarter} has no closing stocks")
        self.books = books
        self.name_of = name_of
        self.live = books.closing
        self.size = len(self.live.cash)
        self.inflow, self.outflow, self.rolled = books.rolled(self.size)
        self.gate = GATE * (self._largest_stock() + float(self.inflow.sum()))
        self._batches: defaultdict[tuple[int, int], list[Batch]] = defaultdict(list)
        for batch in books.batches:
            self._batches[batch.ledger, batch.purpose].append(batch)

    def sums(self, *posted: tuple[Ledger, str]) -> Pairs:
        """USD by (payer, payee) of what was posted in the ledgers for the purposes that stand beside them."""
        return by_pair(batch for ledger, purpose in posted for batch in self._batches[ledger, CODE[purpose]])

    def residuals(self) -> list[IdentityResidual]:
        items, used = _open_items(self.books.batches), self.sums((Ledger.CREDIT, "compute_credit_used"))
        return [
            self._result("total cash is constant", abs(self.live.cash.sum() - self.books.opening.cash.sum()), "all"),
            self._worst("cash closing = opening + in - out", np.abs(self.live.cash - self.rolled.cash)),
            self._worst("cash is never negative", self._overdrafts()),
            self._worst_pair("debt roll-forward", _gaps(self.live.debt, self.rolled.debt)),
            self._worst_of("liabilities are assets", _gaps(self.live.debt_assets, self.rolled.debt_assets)),
            self._worst_pair("debt paid in cash falls as much", self._unmatched_debt_payments()),
            self._worst_pair("credit roll-forward", _gaps(self.live.credit, self.rolled.credit)),
            self._worst_of("credits are assets", _gaps(self.live.credit_assets, self.rolled.credit_assets)),
            self._worst_of("credits used are paid by their issuer", self._unpaid_credits(used)),
            self._worst_of("credits used settle the holder's bills", self._unsettled_credits(used)),
            self._worst_of("debt assumed = debt transferred", self._debt_moved()),
            self._worst_of("credits received = credits transferred", self._credits_moved()),
            self._worst("nothing moves at a closed account", self._late_turnover()),
            self._worst("nothing is left at a closed account", self._left_behind()),
            self._result("invoices by payer = paid + owed + credits", *self._unmatched(items, "payer")),
            self._result("invoices by payee = paid + owed + credits", *self._unmatched(items, "payee")),
            self._worst_of("recovered + written off = claims", self._unsettled_estates()),
        ]

    def _largest_stock(self) -> float:
        opening, closing = self.books.opening, self.live
        stocks = [map(abs, p.values()) for part in (opening, closing) for p in (part.debt, part.credit)]
        cash = [float(np.abs(part.cash).max(initial=0.0)) for part in (opening, closing)]
        return max(0.0, *chain(*stocks), *cash)

    def _overdrafts(self) -> Floats:
        """Overdraft by account; the rest of the world is the source of money and may owe it."""
        overdraft = np.maximum(-self.live.cash, 0.0)
        worst = int(overdraft.argmax()) if self.size else 0
        while self.size and overdraft[worst] > 0.0 and self.name_of(worst) == REST_OF_WORLD:
            overdraft[worst] = 0.0
            worst = int(overdraft.argmax())
        return overdraft

    def _unmatched_debt_payments(self) -> Pairs:
        gaps: Pairs = {}
        for purpose in ("debt_repayment", "estate"):
            paid, reduced = (self.sums((ledger, purpose)) for ledger in (Ledger.CASH, Ledger.DEBT))
            for pair, gap in _gaps(paid, reduced).items():
                gaps[pair] = gaps.get(pair, 0.0) + gap
        return gaps

    def _unpaid_credits(self, used: Pairs) -> dict[int, float]:
        """Credits used against the cash their issuers paid for them, by issuer."""
        paid = self.sums((Ledger.CASH, "credit_redemption"))
        return _gaps(by_owner(used, 0), by_owner(paid, 0))

    def _unsettled_credits(self, used: Pairs) -> dict[int, float]:
        """Credits used against the invoices they settled, by holder."""
        return _gaps(by_owner(used, 1), by_owner(by_pair(self.books.of(Ledger.SETTLED)), 0))

    def _late_turnover(self) -> Floats:
        """USD posted in any ledger at a closed account after it was closed."""
        late = np.zeros(self.size)
        promises = [b for b in self.books.batches if b.ledger not in (Ledger.CASH, Ledger.BILLED)]
        for mark in sorted(set(self.books.closed.values())):
            batches = self.books.batches[mark:] if mark else promises
            turnover = np.add(*in_and_out(batches, self.size))
            if not mark:  # closed before the quarter's first batch: the flows of the whole quarter are late
                turnover += self.inflow + self.outflow
            closed = [account for account, at in self.books.closed.items() if at == mark]
            late[closed] = turnover[closed]
        return late

    def _unmatched(self, items: list[tuple[Batch, int]], side: Side) -> tuple[float, str]:
        """The worst gap between invoices and what settled them, over purposes and accounts of one side."""
        if not items:
            return 0.0, "all"
        codes = sorted({batch.purpose for batch, _ in items})
        first_cell = {code: np.int64(place * self.size) for place, code in enumerate(codes)}
        cells = np.concatenate([ids_of(batch, side) + first_cell[batch.purpose] for batch, _ in items])
        gaps = np.abs(np.bincount(cells, np.concatenate([count * batch.amount for batch, count in items])))
        place, account = divmod(int(gaps.argmax()), self.size)
        return float(gaps.max()), f"{self.name_of(account)} ({PURPOSES[codes[place]].name})"

    def _unsettled_estates(self) -> dict[int, float]:
        """Claims on closed accounts that were neither recovered nor written off, by debtor."""
        claims = {pair: abs(amount) for pair, amount in self.rolled.debt.items() if pair[0] in self.books.closed}
        return by_owner(claims, 0)

    def _debt_moved(self) -> dict[int, float]:
        """Debt that successors took over against what their predecessors gave up, by creditor."""
        given, taken = (self.sums((Ledger.DEBT, name)) for name in ("debt_transferred", "debt_assumed"))
        return _gaps(by_owner(given, 1), by_owner(taken, 1))

    def _credits_moved(self) -> dict[int, float]:
        """Credits that successors took over against what their predecessors gave up, by issuer."""
        moves = ("compute_credit_transferred", "compute_credit_received")
        given, taken = (self.sums((Ledger.CREDIT, name)) for name in moves)
        return _gaps(by_owner(given, 0), by_owner(taken, 0))

    def _left_behind(self) -> Floats:
        """USD of cash, claims and compute credits at closed accounts; debts are the estates' identity."""
        closed = self.books.closed
        left = np.zeros(self.size)
        left[list(closed)] = np.abs(self.rolled.cash[list(closed)])
        ends = [(owner, x) for (_, owner), x in self.rolled.debt.items()]
        ends += [(side, x) for pair, x in self.rolled.credit.items() for side in pair]
        for account, amount in ends:
            if account in closed:
                left[account] += abs(amount)
        return left

    def _worst(self, name: str, gaps: Floats) -> IdentityResidual:
        if not len(gaps):
            return self._result(name, 0.0, "all")
        account = int(gaps.argmax())  # argmax returns the first NaN, so that a NaN is never lost
        return self._result(name, gaps[account], self.name_of(account))

    def _worst_of(self, name: str, gaps: dict[int, float]) -> IdentityResidual:
        return self._result(name, *_largest(gaps, self.name_of))

    def _worst_pair(self, name: str, gaps: Pairs) -> IdentityResidual:
        return self._result(name, *_largest(gaps, self.pair_name))

    def pair_name(self, pair: tuple[int, int]) -> str:
        """The names of two accounts, or of one that is both."""
        return " -> ".join(dict.fromkeys(self.name_of(account) for account in pair))

    def _result(self, name: str, residual: float, agent: str) -> IdentityResidual:
        return IdentityResidual(self.books.quarter, name, float(residual), self.gate, agent)


class _EquityAudit:
    """The identities of the share register, and of the register with the journal, in one quarter."""

    def __init__(self, audit: _Audit, register: Register, rest_of_world: int) -> None:
        self.audit = audit
        self.books = audit.books
        self.register = register
        self.rest_of_world = rest_of_world
        self.entries = register.entries(self.books.quarter)
        values = [r.pre_money + r.invested for r in register.rounds]
        self.gate = audit.gate + GATE * max(values, default=0.0)  # what a lab is worth is a stock too

    def residuals(self) -> list[IdentityResidual]:
        """Shares first, then USD."""
        live, closed = self.register.tables, self.books.closed
        sums = {lab: _surplus(table) for lab, table in live.items()}
        orphans = {lab: 1.0 for lab in live if self.register.labs[lab] in closed}
        issued, due = _gaps(self._issued(), self._paid_for_shares()), _gaps(self._due(), self._proceeds_paid())
        return [
            self._shares("cap tables sum to 1", sums),
            self._shares("share register roll-forward", _table_gaps(live, self.register.rolled())),
            self._shares("an exited lab has no shareholders", orphans),
            self._usd("post-money = pre-money + investment", *_largest(_round_gaps(self.register.rounds), str)),
            self._usd("shares issued = cash and credits paid", *_largest(issued, self.audit.pair_name)),
            self._usd("proceeds of shares = payments", *_largest(due, self.audit.pair_name)),
            self._usd("fund roll-forward", *_largest(self._fund_gaps(), str)),
        ]

    def _issued(self) -> Pairs:
        """USD that the register says each holder's account paid to each lab's."""
        issued = [entry for entry in self.entries if entry.kind == "issued"]
        return _sums((self._account(entry), self.register.labs[entry.lab], entry.usd) for entry in issued)

    def _paid_for_shares(self) -> Pairs:
        return self.audit.sums((Ledger.CASH, "equity"), (Ledger.CREDIT, "compute_credit_grant"))

    def _due(self) -> Pairs:
        """USD that the register says each payer's account owes each holder's for shares that are gone."""
        due = [entry for entry in self.entries if entry.kind == "proceeds"]
        return _sums((entry.payer, self._account(entry), entry.usd) for entry in due)

    def _proceeds_paid(self) -> Pairs:
        return self.audit.sums(*((Ledger.CASH, purpose) for purpose in _PROCEEDS))

    def _account(self, entry: Entry) -> int:
        return self.register.account_of(entry.holder, self.rest_of_world)

    def _fund_gaps(self) -> dict[str, float]:
        """Opening cash + what a fund may receive - what it may pay, against its closing cash, by investor."""
        accounts = np.array(list(self.register.investors.values()), dtype=np.int32)
        cash, size = self.books.of(Ledger.CASH), self.audit.size
        inflow = sums_of_side([b for b in cash if b.purpose in _FUND_IN], "payee", size)
        expected = inflow - sums_of_side([b for b in cash if b.purpose in _FUND_OUT], "payer", size)
        expected[: len(self.books.opening.cash)] += self.books.opening.cash
        gaps = np.abs(expected - self.audit.live.cash)[accounts]
        return dict(zip(self.register.investors, gaps.tolist(), strict=True))

    def _shares(self, name: str, gaps: dict[str, float]) -> IdentityResidual:
        residual, agent = _largest(gaps, str)
        return IdentityResidual(self.books.quarter, name, residual, GATE, agent, "of the shares")

    def _usd(self, name: str, residual: float, agent: str) -> IdentityResidual:
        return IdentityResidual(self.books.quarter, name, residual, self.gate, agent)


# ---- gaps


def _open_items(batches: Sequence[Batch]) -> list[tuple[Batch, int]]:
    """Invoices (counted +1) and what settled them (-1): payments, debts, credits used.

    Rows that stand on both sides, as `settle` posts them, cancel out: they are the same columns, not equal ones.
    """
    items: dict[tuple[int, ...], tuple[Batch, int]] = {}
    billed, credit = int(Ledger.BILLED), int(Ledger.CREDIT)
    invoiced = _INVOICED | {b.purpose for b in batches if b.ledger == billed}
    for batch in batches:
        if batch.purpose in invoiced and batch.ledger != credit:
            rows = batch.purpose, id(batch.payer), id(batch.payee), id(batch.amount)
            before = items[rows][1] if rows in items else 0
            items[rows] = batch, before + (1 if batch.ledger == billed else -1)
    return [(batch, count) for batch, count in items.values() if count]


def _gaps(one: dict[Key, float], other: dict[Key, float]) -> dict[Key, float]:
    """How far two sums by key are apart; a key that one of them lacks counts as 0."""
    gaps = {key: abs(amount - other.get(key, 0.0)) for key, amount in one.items()}
    gaps.update({key: abs(amount) for key, amount in other.items() if key not in gaps})
    return gaps


def _largest(gaps: Mapping[Key, float], name_of: Callable[[Key], str]) -> tuple[float, str]:
    """The largest gap, a NaN before any other, and the name of where it is; nothing and 'all' without gaps."""
    if not gaps:
        return 0.0, "all"
    key = max(gaps, key=gaps.__getitem__)
    if math.isnan(sum(gaps.values())):  # of no gap below 0: one of them is not a number
        key = next((key for key, gap in gaps.items() if math.isnan(gap)), key)
    return gaps[key], name_of(key)


def _sums(rows: Iterable[tuple[int, int, float]]) -> Pairs:
    """USD by pair of accounts."""
    sums: Pairs = {}
    for payer, payee, usd in rows:
        sums[payer, payee] = sums.get((payer, payee), 0.0) + usd
    return sums


def _surplus(table: CapTable) -> float:
    """How far a lab's stakes are from summing to 1."""
    return abs(sum(table.shares.values()) / table.outstanding - 1.0) if table.outstanding else math.nan


def _table_gaps(live: Mapping[str, CapTable], rolled: Mapping[str, CapTable]) -> dict[str, float]:
    """Largest gap between two tables of a lab, as a part of its shares; labs whose tables agree are left out."""
    gaps, none = {}, CapTable()
    for lab in {**live, **rolled}:
        one, other = live.get(lab, none), rolled.get(lab, none)
        if one != other:
            whole = max(one.outstanding, other.outstanding)
            total = abs(one.outstanding - other.outstanding)
            worst, _ = _largest({**_gaps(one.shares, other.shares), "": total}, str)
            gaps[lab] = worst / whole if whole else math.nan
    return gaps


def _round_gaps(rounds: Iterable[Round]) -> dict[str, float]:
    """All shares after a round at its price against pre-money + investment, and each buyer's, by lab, USD."""
    gaps: dict[str, float] = {}
    for r in rounds:
        price = r.pre_money / r.shares_before
        whole = r.shares_after * price - (r.pre_money + r.invested)
        each = [entry.shares * price - entry.usd for entry in r.entries]
        gaps[r.lab] = float(np.abs([gaps.get(r.lab, 0.0), whole, *each]).max())  # a NaN is never lost
    return gaps
