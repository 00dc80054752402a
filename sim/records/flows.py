"""Who pays whom: the quarter's journal summed by party, and the part of investors' money that comes back to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.journal import CODE, PURPOSES, Batch, Ledger
from sim.measures import returned_cash
from sim.records import Words

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = dict[str, NDArray[np.float64] | Words]

BUYERS = "enterprises"  # all enterprises are one party
GRANTED, USED = CODE["compute_credit_grant"], CODE["compute_credit_used"]
MEANS = ("cash", "credit")
_NAMES = tuple(purpose.name for purpose in PURPOSES)


class Flows(NamedTuple):
    """Sums by (purpose code, payer, payee), USD, ordered by them; parties are account ids, the last one the buyers."""

    purpose: Ints
    payer: Ints
    payee: Ints
    usd: Floats

    def table(self, quarter: Words, parties: Sequence[str]) -> Columns:
        """Columns of the table `flows`; `quarter` is one word, `parties` are the names by id."""
        in_kind = (self.purpose == GRANTED) | (self.purpose == USED)
        return {
            "quarter": Words(quarter.codes.repeat(self.usd.size), quarter.words),
            "payer": Words(self.payer, parties),
            "payee": Words(self.payee, parties),
            "purpose": Words(self.purpose, _NAMES),
            "means": Words(in_kind.astype(np.int64), MEANS),
            "usd": self.usd,
        }

    def of(self, purpose: str) -> tuple[Ints, Ints, Floats]:
        """Payers, payees and USD of one purpose, each pair once."""
        first, last = np.searchsorted(self.purpose, (CODE[purpose], CODE[purpose] + 1)).tolist()
        return self.payer[first:last], self.payee[first:last], self.usd[first:last]


def flows_of(batches: Iterable[Batch], parties: int) -> Flows:
    """Cash payments and compute credits granted or used, summed by purpose and parties.

    Accounts from id `parties` - 1 on are those of the enterprises: one party.
    """
    kept = [b for b in batches if b.ledger == Ledger.CASH or b.ledger == Ledger.CREDIT and b.purpose in (GRANTED, USED)]
    if not kept:
        nobody = np.zeros(0, np.int64)
        return Flows(nobody, nobody, nobody, np.zeros(0))
    _, purposes, payers, payees, amounts = zip(*kept, strict=True)
    key = np.repeat(np.array(purposes, np.int64), [column.size for column in amounts])
    for side in (payers, payees):
        key = key * parties + np.minimum(np.concatenate(side), parties - 1)
    key, row = np.unique(key, return_inverse=True)
    sums = np.asarray(np.bincount(row, np.concatenate(amounts), key.size), np.float64)
    key, sums = key[sums > 0.0], sums[sums > 0.0]
    pair = key % parties**2
    return Flows(key // parties**2, pair // parties, pair % parties, sums)


@dataclass
class Backing:
    """Cash of corporate investors in labs that has not come back to them yet, USD by (investor, lab).

    `backer` and `lab` give the row and column of each account, -1 for others.
    """

    backer: Ints
    lab: Ints
    outstanding: Floats

    @classmethod
    def of(cls, parties: int, backers: list[int], labs: list[int]) -> Backing:
        """Nothing invested yet. `backers`: the corporate investors' accounts; `labs`: accounts by position."""
        backer, lab = np.full((2, parties), -1, np.int64)
        backer[backers] = np.arange(len(backers))
        lab[labs] = np.arange(len(labs))
        return cls(backer, lab, np.zeros((len(backers), len(labs))))

    def come_round(self, flows: Flows, tied: Sequence[tuple[int, int, float]]) -> tuple[float, float]:
        """Circular money of the quarter and its part in what could have been: (USD, 0-1; NaN without any).

        Credits that labs draw are their issuers' money in any case; of cash only what was invested before this quarter
        and has not come back yet counts, as revenue share or as `tied` purchases: (account of the seller, of the lab,
        USD that the lab paid in cash for compute which it had to buy of that seller), each pair once.
        """
        issuer, _, used = flows.of("compute_credit_used")
        drawn = _sum(used[self.backer[issuer] >= 0])
        compute = sum(_sum(flows.of(purpose)[2]) for purpose in ("serving", "training"))
        sharer, backer, paid = flows.of("revenue_share")
        shared = self._by_pair(backer, sharer, paid)
        sellers, buyers, usd = zip(*tied, strict=True) if tied else ((), (), ())
        bought = self._by_pair(np.array(sellers, np.int64), np.array(buyers, np.int64), np.array(usd, np.float64))
        back = returned_cash(self.outstanding, shared, bought)
        self.outstanding += self._by_pair(*flows.of("equity")) - back
        circular = drawn + _sum(back)
        possible = drawn + compute + _sum(shared)
        return circular, circular / possible if possible > 0.0 else float("nan")

    def _by_pair(self, investor: Ints, lab: Ints, usd: Floats) -> Floats:
        """USD by (investor, lab), of which each pair is there once; other parties are left out."""
        sums = np.zeros(self.outstanding.shape)
        row, column = self.backer[investor], self.lab[lab]
        known = (row >= 0) & (column >= 0)
        sums[row[known], column[known]] = usd[known]
        return sums


def _sum(values: Floats) -> float:
    """Added up one after the other, so that one more empty lab moves no bit."""
    return float(np.cumsum(values)[-1]) if values.size else 0.0
