"""Dilution, the estate of a failed lab, runway and the date on which cash ends."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

FloatArray = NDArray[np.float64]

WHOLE = 1.0 + 1e-9  # parts of a whole may sum to this much: rounding


def tied_parts(stakes: Sequence[float], per_stake: float) -> list[float]:
    """Parts (0-1) of a lab's compute bought from holders that sell compute: ``per_stake`` x stake, in all at most 1.

    ``stakes`` (0-1) one per seller. Where more than everything is promised, the sellers share it by stake.
    """
    wanted = [per_stake * stake for stake in stakes]
    whole = max(1.0, math.fsum(wanted))
    return [part / whole for part in wanted]


def dilute(stakes: ArrayLike, sold_fraction: ArrayLike) -> FloatArray:
    """Old holders' stakes (0-1) after new shares worth ``sold_fraction`` (0-1) of the company are issued.

    Each stake is multiplied by 1 - sold; the buyer holds the rest. Holders are along the last axis. Raises ValueError
    for a fraction outside [0, 1), a stake outside 0-1 or stakes of one company that sum to more than 1.
    """
    sold = np.asarray(sold_fraction, dtype=np.float64)
    if np.any((sold < 0) | (sold >= 1)) or np.any(np.isnan(sold)):
        raise ValueError("sold_fraction is the part of the company sold: at least 0 and below 1")
    held = np.asarray(stakes, dtype=np.float64)
    if not (np.all((held >= 0) & (held <= WHOLE)) and np.all(np.atleast_1d(held).sum(axis=-1) <= WHOLE)):
        raise ValueError("stakes are parts of a company: give numbers from 0 to 1 that sum to at most 1, not per cent")
    return np.asarray(held * (1.0 - sold))


def post_money(pre: ArrayLike, investment: ArrayLike) -> FloatArray:
    """Value of a company after a round, USD: pre-money plus investment; the buyers hold investment / post."""
    return np.asarray(np.asarray(pre, dtype=np.float64) + np.asarray(investment))


def estate_waterfall(estate: float, claims: ArrayLike, seniority: ArrayLike) -> FloatArray:
    """What each creditor recovers from an estate, USD, in the order of ``claims``.

    ``seniority`` is one integer per claim: 0 is served first, the next rank only from what is left, equals pro rata
    (absolute priority). Nobody recovers more than the claim; what exceeds all claims is left to the owners and not
    part of the result. Raises ValueError for negative amounts or lengths that differ.
    """
    owed, rank = np.asarray(claims, dtype=np.float64), np.asarray(seniority)
    if owed.shape != rank.shape or owed.ndim != 1:
        raise ValueError(f"claims {owed.shape} and seniority {rank.shape} must be lists of the same length")
    if not estate >= 0 or not np.all(owed >= 0):
        raise ValueError("estate and claims must not be negative or NaN")
    recovered, left = np.zeros(owed.shape), float(estate)
    for r in np.unique(rank):
        due = float(owed[rank == r].sum())
        paid = min(left, due)
        if due > 0:
            recovered[rank == r] = owed[rank == r] if paid == due else owed[rank == r] * (paid / due)
        left -= paid
    return recovered


def runway_quarters(cash: ArrayLike, burn_per_quarter: ArrayLike) -> FloatArray:
    """Quarters until cash (USD) is gone at the present burn (USD per quarter); inf when nothing is burnt."""
    burn = np.asarray(burn_per_quarter, dtype=np.float64)
    return np.where(burn > 0, np.asarray(cash) / np.where(burn > 0, burn, 1.0), np.inf)


def insolvency_time(cash: float, revenue: float, cost0: float, growth: float) -> float:
    """Years until cash runs out when revenue stays constant and costs grow: the end of fixed income in a cost race.

    cash(t) = cash + R t - c0 (g^t - 1) / ln g, with ``cash`` in USD, ``revenue`` R and ``cost0`` c0 in USD per year and
    ``growth`` g the factor per year; inf when it never falls below zero. Solvable by the Lambert W function, but solved
    by bracketing, which also serves R = 0, g <= 1 and arguments that underflow there. Raises ValueError for negative
    amounts or a growth factor that is not positive.
    """
    if not (cash >= 0 and revenue >= 0 and cost0 >= 0 and growth > 0):
        raise ValueError("cash, revenue and cost0 must not be negative and growth must be a factor above 0")
    if cost0 == 0:
        return math.inf
    log_growth = math.log(growth)
    if revenue == 0 or log_growth == 0:
        return _insolvency_without_race(cash, revenue, cost0, log_growth)

    def cash_at(time: float) -> float:
        return cash + revenue * time - cost0 * math.expm1(log_growth * time) / log_growth

    # When cost equals revenue: cash peaks there if costs grow and is lowest there if they fall.
    turn = (math.log(revenue) - math.log(cost0)) / log_growth
    if log_growth < 0:
        if turn <= 0 or cash_at(turn) >= 0:
            return math.inf
        return float(brentq(cash_at, 0.0, turn, xtol=1e-14, rtol=8.9e-16))
    start, width = max(turn, 0.0), 1.0 / log_growth
    while cash_at(start + width) >= 0:
        width *= 2.0
    return float(brentq(cash_at, start, start + width, xtol=1e-14, rtol=8.9e-16))


def _insolvency_without_race(cash: float, revenue: float, cost0: float, log_growth: float) -> float:
    """The two cases that solve in one line: constant costs, and growing or shrinking costs without any revenue."""
    if log_growth == 0:
        return cash / (cost0 - revenue) if cost0 > revenue else math.inf
    grown = cash * log_growth / cost0
    return math.log1p(grown) / log_growth if grown > -1 else math.inf
