"""The books of a quarter: batches of postings, stocks rolled forward by them, sums by account and by group."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.journal.purposes import REDUCTIONS, Ledger

LONG = 1000  # rows from which a batch is summed by group before it joins the others
_MOST_CELLS = 1 << 20  # payer group x payee group cells up to which a batch is summed by group

Floats = NDArray[np.float64]
Pairs = dict[tuple[int, int], float]
Scalar = TypeVar("Scalar", bound=np.generic)
Side = Literal["payer", "payee"]
_SIDES: tuple[Side, Side] = ("payee", "payer")
_USD = operator.itemgetter(2)  # of a row


class Batch(NamedTuple):
    """Rows of one ledger and purpose: account ids (int32) and amounts (USD >= 0), all of one length."""

    ledger: int
    purpose: int
    payer: NDArray[np.int32]
    payee: NDArray[np.int32]
    amount: Floats


class Groups(NamedTuple):
    """Accounts by group: the group of each account, each group's first account, the first of each account's group."""

    of: NDArray[np.int64]
    first: NDArray[np.int32]
    first_of: NDArray[np.int32]


class Stocks(NamedTuple):
    """Balances at one moment, USD: cash by account id, debt by (debtor, creditor), credit by (issuer, holder).

    `debt_assets` and `credit_assets` are the same promises as their owners book them, by creditor or holder.
    """

    cash: Floats
    debt: Pairs
    credit: Pairs
    debt_assets: dict[int, float]
    credit_assets: dict[int, float]


class Rolled(NamedTuple):
    """What a quarter's batches alone say: cash in and out by account id (USD), and the closing stocks."""

    inflow: Floats
    outflow: Floats
    stocks: Stocks


@dataclass(slots=True)
class Books:
    """One quarter: opening stocks rolled forward from the batches before it, its batches, and what was closed.

    `closed` maps a closed account to the number of this quarter's batches that came before it was closed.
    `closing` are the live stocks. A compacted quarter keeps sums by group and can't be audited.
    `kept` and `short` are what `rolled` and `shortened` last found, after the batches it was found from.
    """

    quarter: int
    opening: Stocks
    closed: dict[int, int]
    batches: list[Batch] = field(default_factory=list)
    closing: Stocks | None = None
    compacted: bool = False
    kept: tuple[list[Batch], Rolled] | None = None
    short: tuple[list[Batch], list[Batch]] | None = None

    def rolled(self, size: int) -> Rolled:
        """The opening stocks rolled forward for `size` accounts; computed anew only when the batches have changed."""
        if self.kept is None or not _same(self.kept[0], self.batches) or len(self.kept[1].inflow) != size:
            self.kept = list(self.batches), _rolled_forward(self, size)
        return self.kept[1]

    def shortened(self, groups: Groups) -> list[Batch]:
        """Payments and promises, long batches summed by group; computed anew only when the batches have changed.

        Accounts opened meanwhile change no group of the accounts that the batches name.
        """
        if self.short is None or not _same(self.short[0], self.batches):
            moved = (batch for batch in self.batches if batch.ledger not in (Ledger.BILLED, Ledger.SETTLED))
            short = [by_group(batch, groups) if batch.amount.size >= LONG else batch for batch in moved]
            self.short = list(self.batches), short
        return self.short[1]

    def of(self, ledger: Ledger, purpose: int | None = None) -> list[Batch]:
        """The batches of a ledger, of one purpose if given."""
        return [b for b in self.batches if b.ledger == ledger and (purpose is None or b.purpose == purpose)]


# ---- sums of batches


def triples(batches: Iterable[Batch]) -> Iterator[tuple[int, int, float]]:
    """The batches' rows, zeros left out."""
    for batch in batches:
        rows = zip(batch.payer.tolist(), batch.payee.tolist(), batch.amount.tolist(), strict=True)
        yield from filter(_USD, rows)


def _bincount(ids: NDArray[np.integer], amounts: Floats, size: int) -> Floats:
    """Amounts added up one after the other by id, so that rows of zeros change no bit of the sums."""
    return np.asarray(np.bincount(ids, amounts, size), dtype=np.float64)


def ids_of(batch: Batch, side: Side) -> NDArray[np.int32]:
    """The account ids on one side of a batch."""
    return batch.payer if side == "payer" else batch.payee


def in_and_out(batches: Sequence[Batch], size: int) -> tuple[Floats, Floats]:
    """Amounts in and out by account id, all batches added up in one pass over the accounts."""
    if not batches:
        return np.zeros(size), np.zeros(size)
    amount = _joined([batch.amount for batch in batches])
    payee, payer = (_joined([ids_of(batch, side) for batch in batches]) for side in _SIDES)
    return _bincount(payee, amount, size), _bincount(payer, amount, size)


def sums_of_side(batches: Sequence[Batch], side: Side, size: int) -> Floats:
    """Amounts by account id on one side of some batches: in where it is the payee, out where the payer."""
    if not batches:
        return np.zeros(size)
    ids, amount = _joined([ids_of(batch, side) for batch in batches]), _joined([batch.amount for batch in batches])
    return _bincount(ids, amount, size)


def _joined(columns: list[NDArray[Scalar]]) -> NDArray[Scalar]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _rolled_forward(books: Books, size: int) -> Rolled:
    inflow, outflow = in_and_out(books.of(Ledger.CASH), size)
    cash = inflow - outflow
    cash[: len(books.opening.cash)] += books.opening.cash
    debt = _rolled_pairs(books.opening.debt, books.of(Ledger.DEBT))
    credit = _rolled_pairs(books.opening.credit, books.of(Ledger.CREDIT))
    return Rolled(inflow, outflow, Stocks(cash, debt, credit, by_owner(debt, 1), by_owner(credit, 1)))


def _same(some: Sequence[Batch], others: Sequence[Batch]) -> bool:
    """Whether two lists hold the very same batches, whose columns nobody can change."""
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _rolled_pairs(opening: Pairs, batches: Iterable[Batch]) -> Pairs:
    stock = dict(opening)
    for batch in batches:
        sign = -1.0 if batch.purpose in REDUCTIONS else 1.0
        for debtor, owner, amount in triples([batch]):
            stock[debtor, owner] = stock.get((debtor, owner), 0.0) + sign * amount
    return stock


def by_pair(batches: Iterable[Batch]) -> Pairs:
    """Sums by (payer, payee), USD."""
    sums: Pairs = {}
    for payer, payee, amount in triples(batches):
        sums[payer, payee] = sums.get((payer, payee), 0.0) + amount
    return sums


def by_owner(pairs: Pairs, position: int) -> dict[int, float]:
    """Sums by the first (position 0) or second (1) account of the pairs, USD."""
    sums: dict[int, float] = {}
    for pair, amount in pairs.items():
        sums[pair[position]] = sums.get(pair[position], 0.0) + amount
    return sums


def by_group(batch: Batch, groups: Groups) -> Batch:
    """A batch summed by group of accounts. Few rows stay as they are."""
    count = len(groups.first)
    cells = count**2
    if len(batch.amount) <= count or cells > _MOST_CELLS:
        first_payer, first_payee = groups.first_of.take(batch.payer), groups.first_of.take(batch.payee)
        return Batch(batch.ledger, batch.purpose, first_payer, first_payee, batch.amount)
    cell = _group_of(batch.payer, groups) * count + _group_of(batch.payee, groups)
    if len(cell) > 1:
        sums = _bincount(cell, batch.amount, cells)
        kept = np.flatnonzero(sums != 0.0)  # much faster on flags than on numbers
        amount = sums[kept]
    else:  # a population and one account
        kept, amount = cell, batch.amount.sum(keepdims=True)
    payer, payee = np.divmod(kept, count)
    return Batch(batch.ledger, batch.purpose, groups.first[payer], groups.first[payee], amount)


def _group_of(ids: NDArray[np.int32], groups: Groups) -> NDArray[np.int64]:
    """The group of each account, or the one of all: a population's ids are a block, so that least and largest tell."""
    ends = groups.of.take([ids.min(), ids.max()])
    return ends[:1] if ends[0] == ends[1] else groups.of.take(ids)
