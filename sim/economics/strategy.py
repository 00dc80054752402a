"""What a lab expects of a position in the market, and choice with bounded rationality."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def attraction(
    gap: float | FloatArray, brand: float | FloatArray, quality_weight: float, reach: float | FloatArray = 1.0
) -> np.float64 | FloatArray:
    """Pull of an offer in the contest for a pool of profit: reach x exp(brand - quality weight x gap).

    ``gap`` in OOM below the best (negative when ahead), ``brand`` in logit, ``reach`` the part of the market that may
    buy it (0-1).
    """
    return reach * np.exp(brand - quality_weight * gap)


def market_reach(
    distrust: ArrayLike, banned: ArrayLike, weight: ArrayLike, in_house: float, remains: float
) -> FloatArray:
    """Part of a market (0-1) that models of each origin reach, closed ones and open weights: shape (2, origins).

    ``distrust`` (0-1) and ``banned`` have shape (buyers' regions, origins), ``weight`` (regions,) is the part of the
    market in each region. A ban binds what developers serve themselves, not weights that others run; where open weights
    run in house, in the part ``in_house`` (0-1) of their use, a part ``remains`` (0-1) of the distrust is left.
    """
    d, parts = np.asarray(distrust, dtype=np.float64), np.asarray(weight, dtype=np.float64)[:, None]
    closed = (1.0 - d) * ~np.asarray(banned, dtype=bool)
    opened = 1.0 - d * (1.0 - in_house * (1.0 - remains))
    return np.stack([(parts * closed).sum(axis=0), (parts * opened).sum(axis=0)])


def contest_share(own: float, rivals: float) -> float:
    """Expected part of a pool: own / (own + rivals), the Tullock (1980) contest; 0 where nobody pulls."""
    whole = own + rivals
    return own / whole if whole > 0.0 else 0.0


def gap_at_run_share(gap: float, run_share_now: float, run_share: float, copied: float) -> float:
    """Gap to the best (OOM) that a lab expects when it changes its part of the price of the race.

    Compute moves capability one for one in logs, less what distillation would have closed anyway (``copied``, 0-1).
    """
    return gap - (1.0 - copied) * math.log10(run_share / run_share_now)


def choice_chances(values: Sequence[float], intensity: float) -> FloatArray:
    """Logit chances (0-1) of options worth ``values`` (USD a year; -inf: out of reach), relative to the largest stake.

    exp(intensity x value / max |value|): intensity 0 is a coin, infinity the best option (McKelvey, Palfrey 1995); the
    scale makes chances free of the unit of money. Raises ValueError when nothing is within reach.
    """
    within = [v for v in values if math.isfinite(v)]
    if not within:
        raise ValueError("no option is within reach")
    stake = max(map(abs, within)) or 1.0
    best = max(within) / stake
    weight = np.array([np.exp(intensity * (v / stake - best)) if math.isfinite(v) else 0.0 for v in values])
    return np.asarray(weight / weight.sum())


def drawn_from(edges: ArrayLike, luck: float) -> int:
    """Position of the option that a uniform draw (0-1) falls on, by inverse CDF; ``edges``: cumulated chances."""
    reached = np.asarray(edges)
    return min(int(reached.searchsorted(luck, side="right")), reached.size - 1)


def giving_up_hazard(run_share: float, cover: float, per_year: float, lost_race: float, safe_cover: float) -> float:
    """Hazard per year that founders who still have cash look for a buyer: h (1 - f / lost race)+ (1 - safe x cover)+.

    ``run_share`` f is the run they can afford over the price of the race, ``cover`` revenue over cost; a lab that
    covers 1 / ``safe_cover`` of its cost goes on whatever the race does.
    """
    return per_year * max(0.0, 1.0 - run_share / lost_race) * max(0.0, 1.0 - safe_cover * cover)


def closes_down(waited: int, patience: int, cover: float, safe_cover: float) -> bool:
    """Whether a lab on offer winds down in good order: no buyer for ``patience`` quarters, sales that do not carry it.

    ``waited`` quarters on offer without a sale since its last money; ``cover`` revenue over cost; a lab that covers
    1 / ``safe_cover`` of its cost goes on, as founders do who might give up. Search with a fixed sample: after so many
    refusals the next offer is worth less than the burn that waiting costs (Stigler 1961).
    """
    return waited >= patience and safe_cover * cover < 1.0


def chance_within(hazard_per_year: float, years: float) -> float:
    """Chance (0-1) that an event with a yearly hazard rate happens within a time: 1 - exp(-h t)."""
    return -math.expm1(-hazard_per_year * years)
