"""What investors think a lab is worth, how much new money there is, and how a funding round clears."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def revenue_multiple(growth: float, base: float, elasticity: float, cap: float) -> float:
    """Value over yearly revenue: base x (1 + growth) ^ elasticity, at most ``cap``.

    ``growth`` is the revenue growth of the last year as a fraction (1.0: doubled), not below -1. Multiples of young
    software companies rise more than in proportion to growth (Damodaran 2012, ch. 20).
    """
    return float(min(cap, base * max(0.0, 1.0 + growth) ** elasticity))


def option_value(prize: float, gap: float, run_share: float, decay: float, run_elasticity: float) -> float:
    """Value of staying in the race, USD: prize x exp(-decay gap) x min(1, run share) ^ elasticity (Dixit 1994).

    ``prize`` is what leading the industry is worth (USD), ``gap`` the distance to the best served model (OOM, at least
    0; infinite: no model), ``run_share`` the run the lab can afford over the price of the race. Falls with both gaps.
    """
    if gap == math.inf:
        return 0.0
    return float(prize * math.exp(-decay * max(0.0, gap)) * min(1.0, max(0.0, run_share)) ** run_elasticity)


def standing(successes: int, weight: float, age: float, life: float) -> float:
    """Log tilt of the option on a lab by what its founders built before: weight x successes x exp(-age / life).

    ``successes`` are companies founded before and worth a billion USD or more, ``age`` the lab's in years and ``life``
    the years (above 0) in which its own record takes the place of theirs. Founders who succeeded once succeed again
    half as often again as others (Gompers, Kovner, Lerner and Scharfstein 2010) and sell dearer shares (Hsu 2007).
    """
    return weight * successes * math.exp(-max(0.0, age) / life)


def conviction(thesis: ArrayLike, creed: ArrayLike, hedging: ArrayLike, weight: float) -> FloatArray:
    """Log tilt of an investor's value for a lab: weight x thesis x creed x (1 - hedging).

    ``thesis`` from -1 (closed wins) to +1 (open wins), ``creed`` -1 for a closed lab and +1 for an open one; an
    investor that hedges fully (1) backs both camps alike.
    """
    return np.asarray(weight * np.asarray(thesis, dtype=np.float64) * np.asarray(creed) * (1.0 - np.asarray(hedging)))


def compute_return(in_credits: ArrayLike, tied: float, compute: float, worth: float, margin: ArrayLike) -> FloatArray:
    """Profit on compute that a USD of new shares brings an investor who sells compute: m min(1, c + t C / V).

    ``in_credits`` c is the part of the price paid in credits, which come back as sales in full; ``tied`` t the part of
    its compute a lab buys from a holder per stake (x), ``compute`` C what it will buy (USD) and ``worth`` V the lab's
    value (USD): a USD buys 1 / V of it. ``margin`` m is the seller's margin (0-1; 0: sells none). Nobody expects more
    sales than the USD paid in: money that goes round comes back once.
    """
    sales = np.minimum(1.0, np.asarray(in_credits, dtype=np.float64) + tied * compute / worth)
    return np.asarray(np.asarray(margin) * sales)


def inflow(purse: float, per_year: float, revenue_index: float, elasticity: float, climate: float, dt: float) -> float:
    """New commitments to an investor in ``dt`` years, USD: purse x rate x revenue index ^ elasticity x climate.

    ``revenue_index`` is the industry's revenue over that of the first quarter; an elasticity above 1 lets money chase
    success; ``climate`` is 1 in normal times, less in a funding winter.
    """
    return float(purse * per_year * revenue_index**elasticity * climate * dt)


def weighted_median(values: ArrayLike, weights: ArrayLike) -> float:
    """Smallest value at which half of the total weight is reached from below; nan without weight."""
    v, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    order = v.argsort(kind="stable")
    reached = w[order].cumsum()
    if not reached.size or reached[-1] <= 0.0:
        return math.nan
    return float(v[order[reached.searchsorted(0.5 * reached[-1])]])


@dataclass(frozen=True)
class Cleared:
    """A round after all bids: pre-money value (USD, nan without bids), what each bidder pays (USD, zeros when failed),
    and demand at that price over the ask."""

    pre_money: float
    paid: FloatArray
    coverage: float

    @cached_property
    def amount(self) -> float:
        """USD raised."""
        return math.fsum(self.paid.tolist())

    @property
    def failed(self) -> bool:
        """Whether no money changed hands."""
        return self.amount <= 0.0


def clear_round(
    ask: float, values: ArrayLike, bids: ArrayLike, largest_dilution: float, smallest_fill: float
) -> Cleared:
    """All bids for one lab at once: one price, the bid-weighted median of the bidders' values.

    ``ask`` in USD; ``values`` (pre-money, USD) and ``bids`` (USD) one per investor. Who values the lab below the price
    stays out; demand beyond the ask is cut pro rata. No more is sold than ``largest_dilution`` of the company; a round
    that raises less than ``smallest_fill`` of the ask fails. Raises ValueError for a negative or non-finite amount.
    """
    v, b = np.asarray(values, dtype=np.float64), np.asarray(bids, dtype=np.float64)
    if v.shape != b.shape or not (np.isfinite(v).all() and np.isfinite(b).all() and ask >= 0.0):
        raise ValueError("ask, values and bids must be finite, and one value per bid")
    if (v < 0.0).any() or (b < 0.0).any():
        raise ValueError("values and bids must not be negative")
    price = weighted_median(v, b)
    nothing = np.zeros_like(b)
    if not price > 0.0 or ask <= 0.0:
        return Cleared(math.nan, nothing, 0.0)
    willing = np.where(v >= price, b, 0.0)
    demand = math.fsum(willing.tolist())  # exact: one more idle investor moves no bit
    raised = min(ask, demand, price * largest_dilution / (1.0 - largest_dilution))
    if raised < smallest_fill * ask:
        return Cleared(price, nothing, demand / ask)
    return Cleared(price, willing * (raised / demand), demand / ask)


def step_towards(level: float, target: float, speed: float) -> float:
    """A level that closes the part ``speed`` (0-1) of the log distance to its target; the target when it has none."""
    if level <= 0.0 or target <= 0.0:
        return max(0.0, target)
    return float(level * (target / level) ** speed)


def mood_step(mood: float, surprise: float, gain: float, persistence: float, luck: float) -> float:
    """Log mood of investors after a quarter: persistence x mood + gain x surprise + luck (first-order autoregression).

    ``surprise`` is the industry's yearly log growth beyond the normal one; without it and luck mood fades to 0.
    """
    return persistence * mood + gain * surprise + luck
